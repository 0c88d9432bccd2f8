"""Numba kernels that find which face is seen at each pixel of one view.

Vertices are snapped to a grid of 1/4096 pixel and all coverage decisions are made in integers, so
they are exact: a pixel centre on an edge that two faces share belongs to exactly one of them, and
no pixel between them is missed. Faces with a vertex at depth <= `near`, or so far outside the image
that integers could overflow, are clipped in homogeneous pixels first (`clip_face`).
"""

import math

import numba
import numpy as np
from numba import njit

SUBPIXEL_BITS = 12
ONE = 1 << SUBPIXEL_BITS  # grid steps in a pixel
GUARD = float(1 << 17)  # pixels; |coordinates| beyond are clipped: products stay below 2^62
WIDE = 4  # pixels; wider faces find each row's span by division instead of testing every pixel
CLIPPED = -(1 << 31)  # grid coordinate of vertices that need clipping
MAX_CORNERS = 9  # a triangle clipped by five planes has at most eight

numba.config.SLP_VECTORIZE = 1  # channels side by side become vector instructions
# Array indices are cast to U where speed matters: Numba lets signed ones count from the end, which
# costs instructions and keeps loops from becoming vector code.
U = np.uintp
JIT = {"nogil": True, "cache": True, "error_model": "numpy"}
# Small functions are inlined: a call hands over every field of every array and counts references.
SMALL = {"nogil": True, "inline": "always", "error_model": "numpy"}


@njit(**JIT)
def project(verts, near, width, height, xy, inv_z, box):
    """Snap one view's vertices (V, 3) homogeneous pixels to the grid.

    Writes xy (V, 2) int32 grid units (x = CLIPPED where clipping is needed) and inv_z (V,) float32;
    box (4,) gets the covered pixel range x0, y0, x1, y1 (inclusive, within the image; x0 > x1 when
    nothing can be seen). If a vertex needs clipping, the box is the whole image.
    """
    lo_x = lo_y = np.int64(1) << 40
    hi_x = hi_y = -lo_x
    clipped = False
    for i in range(verts.shape[0]):
        z = np.float64(verts[i, 2])
        if not z > near:
            xy[i, 0] = CLIPPED
            clipped = clipped or z <= near
            continue
        x = verts[i, 0] / z
        y = verts[i, 1] / z
        if not (abs(x) <= GUARD and abs(y) <= GUARD):
            xy[i, 0] = CLIPPED
            clipped = True
            continue
        gx = np.int64(math.floor(x * ONE + 0.5))
        gy = np.int64(math.floor(y * ONE + 0.5))
        xy[i, 0] = gx
        xy[i, 1] = gy
        inv_z[i] = 1.0 / z
        lo_x = min(lo_x, gx)
        hi_x = max(hi_x, gx)
        lo_y = min(lo_y, gy)
        hi_y = max(hi_y, gy)
    if clipped:
        box[0] = box[1] = 0
        box[2] = width - 1
        box[3] = height - 1
    else:
        box[0] = max(0, (lo_x + ONE - 1) >> SUBPIXEL_BITS)
        box[1] = max(0, (lo_y + ONE - 1) >> SUBPIXEL_BITS)
        box[2] = min(width - 1, hi_x >> SUBPIXEL_BITS)
        box[3] = min(height - 1, hi_y >> SUBPIXEL_BITS)


@njit(**SMALL)
def owns(dx, dy):
    """1 if pixel centres on an edge of direction (dx, dy) are the face's, else 0.

    The face runs clockwise as seen in the image: upper and left edges are its own. Of the two
    directions in which two faces run along their shared edge, just one is owned.
    """
    return 1 if dy < 0 or (dy == 0 and dx > 0) else 0


@njit(**SMALL)
def row_span(e, step, first, last):
    """Shrink pixels first..last of a row to those where e + step * k >= 0."""
    if step > 0:
        if e < 0:
            first = max(first, (step - 1 - e) // step)
    elif step < 0:
        if e < 0:
            last = -1
        else:
            last = min(last, e // -step)
    elif e < 0:
        last = -1
    return first, last


@njit(**SMALL)
def fill_small(
    ax, ay, bx, by, cx, cy, a, b, c, inv_z, face, box, lo_x, hi_x, lo_y, hi_y, zbuf, ids
):
    """Draw a triangle of a few pixels: test every pixel centre of its bounding box.

    Corners in grid units, counter-clockwise or clockwise; a, b, c are their vertices. Inverse depth
    is computed only where a pixel is covered, since most of a dense mesh's faces cover none.
    """
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0:
        return
    if area < 0:
        bx, by, b, cx, cy, c = cx, cy, c, bx, by, b
        area = -area
    stride = box[2] - box[0] + 3
    dax, day, dbx, dby, dcx, dcy = cx - bx, cy - by, ax - cx, ay - cy, bx - ax, by - ay
    own_a, own_b, own_c = 1 - owns(dax, day), 1 - owns(dbx, dby), 1 - owns(dcx, dcy)
    scale = 1.0 / area
    px, py = lo_x << SUBPIXEL_BITS, lo_y << SUBPIXEL_BITS
    row_a = dax * (py - by) - day * (px - bx) - own_a
    row_b = dbx * (py - cy) - dby * (px - cx) - own_b
    row_c = dcx * (py - ay) - dcy * (px - ax) - own_c
    row = (lo_y - box[1] + 1) * stride + lo_x - box[0] + 1
    for _ in range(hi_y - lo_y + 1):
        ea, eb, ec = row_a, row_b, row_c
        for i in range(row, row + hi_x - lo_x + 1):
            if (ea | eb | ec) >= 0:
                z = (ea + own_a) * inv_z[U(a)] + (eb + own_b) * inv_z[U(b)]
                z = np.float32((z + (ec + own_c) * inv_z[U(c)]) * scale)
                if z > zbuf[U(i)]:
                    zbuf[U(i)] = z
                    ids[U(i)] = face
            ea -= day << SUBPIXEL_BITS
            eb -= dby << SUBPIXEL_BITS
            ec -= dcy << SUBPIXEL_BITS
        row_a += dax << SUBPIXEL_BITS
        row_b += dbx << SUBPIXEL_BITS
        row_c += dcx << SUBPIXEL_BITS
        row += stride


@njit(**JIT)
def fill_wide(ax, ay, bx, by, cx, cy, za, zb, zc, face, box, zbuf, ids):
    """Draw a triangle row by row: find the span by division, then fill it without tests."""
    lo_x = max(box[0], (min(ax, bx, cx) + ONE - 1) >> SUBPIXEL_BITS)
    hi_x = min(box[2], max(ax, bx, cx) >> SUBPIXEL_BITS)
    lo_y = max(box[1], (min(ay, by, cy) + ONE - 1) >> SUBPIXEL_BITS)
    hi_y = min(box[3], max(ay, by, cy) >> SUBPIXEL_BITS)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if lo_x > hi_x or area == 0:
        return
    if area < 0:
        bx, by, zb, cx, cy, zc = cx, cy, zc, bx, by, zb
        area = -area
    px, py = lo_x << SUBPIXEL_BITS, lo_y << SUBPIXEL_BITS
    dax, day, dbx, dby, dcx, dcy = cx - bx, cy - by, ax - cx, ay - cy, bx - ax, by - ay
    ea = dax * (py - by) - day * (px - bx)
    eb = dbx * (py - cy) - dby * (px - cx)
    ec = area - ea - eb
    scale = 1.0 / area
    row_z = (ea * za + eb * zb + ec * zc) * scale
    step_z = np.float32(-(day * za + dby * zb + dcy * zc) * scale * ONE)
    down_z = (dax * za + dbx * zb + dcx * zc) * scale * ONE
    ea -= 1 - owns(dax, day)
    eb -= 1 - owns(dbx, dby)
    ec -= 1 - owns(dcx, dcy)
    stride = box[2] - box[0] + 3
    start = (lo_y - box[1] + 1) * stride + lo_x - box[0] + 1
    for _ in range(hi_y - lo_y + 1):
        k0, k1 = row_span(ea, -day << SUBPIXEL_BITS, 0, hi_x - lo_x)
        k0, k1 = row_span(eb, -dby << SUBPIXEL_BITS, k0, k1)
        k0, k1 = row_span(ec, -dcy << SUBPIXEL_BITS, k0, k1)
        z0 = np.float32(row_z)
        for k in range(k0, k1 + 1):
            z = z0 + step_z * np.float32(np.int32(k))
            nearer = z > zbuf[U(start + k)]
            zbuf[U(start + k)] = z if nearer else zbuf[U(start + k)]
            ids[U(start + k)] = np.int32(face) if nearer else ids[U(start + k)]
        ea += dax << SUBPIXEL_BITS
        eb += dbx << SUBPIXEL_BITS
        ec += dcx << SUBPIXEL_BITS
        row_z += down_z
        start += stride


@njit(**JIT)
def cut(polygon, count, plane, result):
    """Sutherland-Hodgman: the part of polygon[:count] (homogeneous pixels) where plane . p >= 0.

    An edge's cut point is computed from its ends in one fixed order, so that the two faces that
    share the edge get the same point.
    """
    kept = 0
    for i in range(count):
        p = polygon[i]
        q = polygon[(i + 1) % count]
        side_p = plane[0] * p[0] + plane[1] * p[1] + plane[2] * p[2] + plane[3]
        side_q = plane[0] * q[0] + plane[1] * q[1] + plane[2] * q[2] + plane[3]
        if side_p >= 0:
            result[kept] = p
            kept += 1
        if (side_p >= 0) != (side_q >= 0):
            if side_p < side_q:
                t = side_p / (side_p - side_q)
                for j in range(3):
                    result[kept, j] = p[j] + t * (q[j] - p[j])
            else:
                t = side_q / (side_q - side_p)
                for j in range(3):
                    result[kept, j] = q[j] + t * (p[j] - q[j])
            kept += 1
    return kept


@njit(**JIT)
def clip_face(verts, a, b, c, near, face, box, zbuf, ids):
    """Draw a face that reaches behind the near plane or far outside: cut it, then fill the fan."""
    polygon = np.empty((MAX_CORNERS, 3))
    for j in range(3):
        polygon[0, j], polygon[1, j], polygon[2, j] = verts[a, j], verts[b, j], verts[c, j]
    deepest = max(polygon[0, 2], polygon[1, 2], polygon[2, 2])
    if not (deepest > near and np.isfinite(polygon[:3].sum())):
        return
    planes = np.array(
        [
            [0.0, 0.0, 1.0, -near],
            [1.0, 0.0, GUARD, 0.0],
            [-1.0, 0.0, GUARD, 0.0],
            [0.0, 1.0, GUARD, 0.0],
            [0.0, -1.0, GUARD, 0.0],
        ]
    )
    other = np.empty((MAX_CORNERS, 3))
    count = 3
    for i in range(planes.shape[0]):
        count = cut(polygon, count, planes[i], other)
        polygon, other = other, polygon
    xy = np.empty((MAX_CORNERS, 2), np.int64)
    for i in range(count):
        xy[i, 0] = math.floor(polygon[i, 0] / polygon[i, 2] * ONE + 0.5)
        xy[i, 1] = math.floor(polygon[i, 1] / polygon[i, 2] * ONE + 0.5)
    z = 1 / polygon[:, 2]
    for i in range(1, count - 1):
        p, q, r = xy[0], xy[i], xy[i + 1]
        fill_wide(p[0], p[1], q[0], q[1], r[0], r[1], z[0], z[i], z[i + 1], face, box, zbuf, ids)


@njit(**JIT)
def draw(verts, faces, first, last, near, xy, inv_z, box, zbuf, ids):
    """Draw faces first..last-1 (F, 3) into cleared padded maps of the box.

    ids (int32) gets the nearest face or -1, zbuf (float32) its inverse depth; both flat, with a
    margin of one pixel. Of equal depths the first face stays.
    """
    zbuf[:] = 0
    ids[:] = -1
    for f in range(first, last):
        a, b, c = faces[U(f), 0], faces[U(f), 1], faces[U(f), 2]
        ax, bx, cx = np.int64(xy[U(a), 0]), np.int64(xy[U(b), 0]), np.int64(xy[U(c), 0])
        left = min(ax, bx, cx)
        lo_x = max(box[0], (left + ONE - 1) >> SUBPIXEL_BITS)
        hi_x = min(box[2], max(ax, bx, cx) >> SUBPIXEL_BITS)
        if left == CLIPPED:
            clip_face(verts, a, b, c, near, f, box, zbuf, ids)
            continue
        if lo_x > hi_x:
            continue
        ay, by, cy = np.int64(xy[U(a), 1]), np.int64(xy[U(b), 1]), np.int64(xy[U(c), 1])
        lo_y = max(box[1], (min(ay, by, cy) + ONE - 1) >> SUBPIXEL_BITS)
        hi_y = min(box[3], max(ay, by, cy) >> SUBPIXEL_BITS)
        if lo_y > hi_y:
            continue
        if hi_x - lo_x < WIDE:
            fill_small(
                ax, ay, bx, by, cx, cy, a, b, c, inv_z, f, box, lo_x, hi_x, lo_y, hi_y, zbuf, ids
            )
        else:
            za, zb, zc = inv_z[a], inv_z[b], inv_z[c]
            fill_wide(ax, ay, bx, by, cx, cy, za, zb, zc, f, box, zbuf, ids)


@njit(**JIT)
def merge(zbuf, ids, other_zbuf, other_ids):
    """Keep the nearer of two maps; the first (with lower face ids) where depths are equal."""
    for i in range(ids.shape[0]):
        if other_zbuf[i] > zbuf[i]:
            zbuf[i] = other_zbuf[i]
            ids[i] = other_ids[i]
