"""Numba kernel that finds which face is seen at points within some pixels."""

import numpy as np
from numba import njit

from utils.render.kernels_fragments import invert
from utils.render.simd import FAST, SMALL, U

ROUND = np.float32(0.5)


@njit(**SMALL)
def pixels_about(verts, a, b, c, near, height, width):
    """x0, x1, y0, y1 of the image's pixels that a face may touch; all if it reaches behind."""
    az, bz, cz = verts[a, U(2)], verts[b, U(2)], verts[c, U(2)]
    if not min(az, bz, cz) > near:
        return 0, width - 1, 0, height - 1
    az, bz, cz = 1 / az, 1 / bz, 1 / cz
    ax, bx, cx = verts[a, U(0)] * az, verts[b, U(0)] * bz, verts[c, U(0)] * cz
    ay, by, cy = verts[a, U(1)] * az, verts[b, U(1)] * bz, verts[c, U(1)] * cz
    x0 = np.int64(min(max(min(ax, bx, cx) + ROUND, 0.0), float(width)))
    y0 = np.int64(min(max(min(ay, by, cy) + ROUND, 0.0), float(height)))
    x1 = np.int64(min(max(max(ax, bx, cx) + ROUND, -1.0), width - 1.0))
    y1 = np.int64(min(max(max(ay, by, cy) + ROUND, -1.0), height - 1.0))
    return x0, x1, y0, y1


@njit(**FAST)
def draw_samples(verts, faces, first, last, near, number, side, inv_z, face, bary):
    """Draw faces first..last-1 (F, 3) of one view at side x side points of some pixels.

    verts (V, 3) homogeneous pixels; number (H, W) int32: which of the E pixels each is, or -1.
    inv_z, face (E, side^2) and bary (E, side^2, 3) get the nearest face, row by row; they start at
    0 and -1. Coverage is that of faces with exact corners.
    """
    height, width = number.shape
    step = 1 / side
    for f in range(first, last):
        a, b, c = U(faces[U(f), U(0)]), U(faces[U(f), U(1)]), U(faces[U(f), U(2)])
        x0, x1, y0, y1 = pixels_about(verts, a, b, c, near, height, width)
        known = False
        det, row0, row1, row2 = 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                e = number[U(y), U(x)]
                if e < 0:
                    continue
                if not known:
                    det, row0, row1, row2 = invert(verts, faces, U(f))
                    known = True
                if det == 0:
                    continue
                for s in range(side * side):
                    px, py = x + (s % side + 0.5) * step - 0.5, y + (s // side + 0.5) * step - 0.5
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
