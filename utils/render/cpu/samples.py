"""Numba kernel that finds which face is seen at points within some pixels."""

import numpy as np

from utils.compiled import njit
from utils.render.cpu.fragments import invert
from utils.render.cpu.simd import FAST, SMALL, U

ROUND = np.float32(0.02)  # points
TILE = 8  # pixels: faces smaller than that are looked at only near pixels that are asked for


@njit(**SMALL)
def points_about(points, a, b, c, height, width, side):
    """x0, x1, y0, y1 of the image's points that a face may hold; all if it reaches behind.

    Points are counted over the image: `side` along each side of a pixel.
    """
    columns, rows = width * side - 1, height * side - 1
    ax, bx, cx = points[a, U(0)], points[b, U(0)], points[c, U(0)]
    ay, by, cy = points[a, U(1)], points[b, U(1)], points[c, U(1)]
    left, right, upper, lower = min(ax, bx, cx), max(ax, bx, cx), min(ay, by, cy), max(ay, by, cy)
    if not (right - left < np.inf):
        return 0, columns, 0, rows
    x0, x1 = max(left - ROUND, -1.0), min(right + ROUND, columns + 1.0)
    y0, y1 = max(upper - ROUND, -1.0), min(lower + ROUND, rows + 1.0)
    return (
        max(np.int64(x0), 0),
        min(np.int64(x1), columns),
        max(np.int64(y0), 0),
        min(np.int64(y1), rows),
    )


def points_of(verts, near, side):
    """Vertices (B, V, 3) in points of the image (B, V, 2) float32; nan behind the near plane."""
    z = np.where(verts[..., 2:] > near, verts[..., 2:], np.float32(np.nan))
    return (verts[..., :2] / z + np.float32(0.5)) * np.float32(side) - np.float32(0.5)


def tiles_about(view, y, x, shape):
    """Which tiles (B, H', W') bool a small face may start in and still touch some pixels.

    view, y, x (E,) of the pixels, in images of shape (B, H, W).
    """
    views, height, width = shape
    about = np.zeros((views, height // TILE + 1, width // TILE + 1), bool)
    for up in (0, 1):
        for left in (0, 1):
            about[view, np.maximum(y // TILE - up, 0), np.maximum(x // TILE - left, 0)] = True
    return about


@njit(**FAST)
def draw_samples(verts, points, faces, first, last, near, number, tiles, side, inv_z, face, bary):
    """Draw faces first..last-1 (F, 3) of one view at side x side points of some pixels.

    verts (V, 3) homogeneous pixels, points (V, 2) the same as `points_of` has them; number (H, W)
    int32: which of the E pixels each is, or -1; tiles as `tiles_about` has them. inv_z, face
    (E, side^2) and bary (E, side^2, 3) get the nearest face, row by row; they start at 0 and -1.
    Coverage is that of faces with exact corners.
    """
    height, width = number.shape
    step, small = 1 / side, TILE * side
    for f in range(first, last):
        a, b, c = U(faces[U(f), U(0)]), U(faces[U(f), U(1)]), U(faces[U(f), U(2)])
        x0, x1, y0, y1 = points_about(points, a, b, c, height, width, side)
        if x0 > x1 or y0 > y1:
            continue
        in_reach = tiles[U(y0 * step) // U(TILE), U(x0 * step) // U(TILE)]
        if not in_reach and x1 - x0 < small and y1 - y0 < small:
            continue
        known = False
        det, row0, row1, row2 = 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        for y in range(np.int64(y0 * step), np.int64(y1 * step) + 1):
            for x in range(np.int64(x0 * step), np.int64(x1 * step) + 1):
                e = number[U(y), U(x)]
                if e < 0:
                    continue
                if not known:
                    det, row0, row1, row2 = invert(verts, faces, U(f))
                    known = True
                if det == 0:
                    continue
                for j in range(max(y0, y * side), min(y1, y * side + side - 1) + 1):
                    for i in range(max(x0, x * side), min(x1, x * side + side - 1) + 1):
                        s = (j - y * side) * side + i - x * side
                        px, py = (i + 0.5) * step - 0.5, (j + 0.5) * step - 0.5
                        keep_nearest(f, row0, row1, row2, px, py, e, s, near, inv_z, face, bary)


@njit(**SMALL)
def keep_nearest(f, row0, row1, row2, px, py, e, s, near, inv_z, face, bary):
    """Note face f at point s of pixel e, where it covers that and is the nearest so far.

    The point is at px, py in the image; the rows are as `invert` has them for the face.
    """
    b0 = row0[0] * px + row0[1] * py + row0[2]
    b1 = row1[0] * px + row1[1] * py + row1[2]
    b2 = row2[0] * px + row2[1] * py + row2[2]
    inverse = b0 + b1 + b2
    inside = (b0 >= 0) & (b1 >= 0) & (b2 >= 0)
    if inside & (inverse > inv_z[U(e), U(s)]) & (inverse < 1 / near):
        inv_z[U(e), U(s)], face[U(e), U(s)] = inverse, f
        bary[U(e), U(s), U(0)] = b0 / inverse
        bary[U(e), U(s), U(1)] = b1 / inverse
        bary[U(e), U(s), U(2)] = b2 / inverse
