"""Numba kernels that find which face is seen at each pixel of one view.

Vertices are snapped to a grid of 1/4096 pixel and all coverage decisions are made in integers, so
they are exact: a pixel centre on an edge that two faces share belongs to exactly one of them, and no
pixel between them is missed. Faces with a vertex at depth <= `near`, or so far outside the image that
integers could overflow, are clipped in homogeneous pixels first (`clip_face`).
"""

import math

import numpy as np
from numba import njit

SUBPIXEL_BITS = 12
ONE = 1 << SUBPIXEL_BITS  # grid steps in a pixel
GUARD = float(1 << 17)  # pixels; |coordinates| beyond are clipped: products stay below 2^62
WIDE = 12  # pixels; wider faces find each row's span by division instead of testing every pixel
MAX_CORNERS = 9  # a triangle clipped by five planes has at most eight

JIT = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(**JIT)
def project(verts, near, width, height, xy, inv_z, box):
    """Snap one view's vertices (V, 3) homogeneous pixels to the grid.

    Writes xy (V, 2) int32 grid units and inv_z (V,) float32 (0: needs clipping); box (4,) gets the
    covered pixel range x0, y0, x1, y1 (inclusive, within the image; x0 > x1 when nothing can be
    seen). If a vertex needs clipping, the box is the whole image.
    """
    lo_x = lo_y = np.int64(1) << 40
    hi_x = hi_y = -lo_x
    clipped = False
    for i in range(verts.shape[0]):
        z = np.float64(verts[i, 2])
        if not z > near:
            inv_z[i] = 0
            clipped = clipped or z <= near
            continue
        x = verts[i, 0] / z
        y = verts[i, 1] / z
        if not (abs(x) <= GUARD and abs(y) <= GUARD):
            inv_z[i] = 0
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


@njit(**JIT)
def owns(dx, dy):
    """1 if pixel centres on an edge of direction (dx, dy) are the face's, else 0.

    Of the two directions in which two faces run along their shared edge, one is owned.
    """
    return 1 if dy > 0 or (dy == 0 and dx > 0) else 0


@njit(**JIT)
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


@njit(**JIT)
def fill_face(ax, ay, bx, by, cx, cy, za, zb, zc, face, box, zbuf, ids):
    """Draw one triangle, corners in grid units with inverse depths za, zb, zc, into a padded map.

    zbuf (float32, nearest inverse depth) and ids (int32) are flat maps of the box with a margin of
    one pixel. Equal depths keep the face drawn first.
    """
    lo_x = max(box[0], (min(ax, bx, cx) + ONE - 1) >> SUBPIXEL_BITS)
    hi_x = min(box[2], max(ax, bx, cx) >> SUBPIXEL_BITS)
    lo_y = max(box[1], (min(ay, by, cy) + ONE - 1) >> SUBPIXEL_BITS)
    hi_y = min(box[3], max(ay, by, cy) >> SUBPIXEL_BITS)
    if lo_x > hi_x or lo_y > hi_y:
        return
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0:
        return
    if area < 0:
        bx, by, zb, cx, cy, zc = cx, cy, zc, bx, by, zb
        area = -area
    px = lo_x << SUBPIXEL_BITS
    py = lo_y << SUBPIXEL_BITS
    dax, day, dbx, dby, dcx, dcy = cx - bx, cy - by, ax - cx, ay - cy, bx - ax, by - ay
    ea = dax * (py - by) - day * (px - bx)
    eb = dbx * (py - cy) - dby * (px - cx)
    ec = dcx * (py - ay) - dcy * (px - ax)
    scale = 1.0 / area
    row_z = (ea * za + eb * zb + ec * zc) * scale
    step_z = np.float32(-(day * za + dby * zb + dcy * zc) * scale * ONE)
    down_z = (dax * za + dbx * zb + dcx * zc) * scale * ONE
    ea -= 1 - owns(dax, day)
    eb -= 1 - owns(dbx, dby)
    ec -= 1 - owns(dcx, dcy)
    sa, sb, sc = -day << SUBPIXEL_BITS, -dby << SUBPIXEL_BITS, -dcy << SUBPIXEL_BITS
    stride = box[2] - box[0] + 3
    start = (lo_y - box[1] + 1) * stride + lo_x - box[0] + 1
    wide = hi_x - lo_x >= WIDE
    for _ in range(hi_y - lo_y + 1):
        if wide:
            k0, k1 = row_span(ea, sa, 0, hi_x - lo_x)
            k0, k1 = row_span(eb, sb, k0, k1)
            k0, k1 = row_span(ec, sc, k0, k1)
            z0 = np.float32(row_z)
            for k in range(k0, k1 + 1):
                z = z0 + step_z * np.float32(k)
                nearer = z > zbuf[start + k]
                zbuf[start + k] = z if nearer else zbuf[start + k]
                ids[start + k] = face if nearer else ids[start + k]
        else:
            fa, fb, fc = ea, eb, ec
            for k in range(hi_x - lo_x + 1):
                if (fa | fb | fc) >= 0:
                    z = np.float32(row_z) + step_z * np.float32(k)
                    if z > zbuf[start + k]:
                        zbuf[start + k] = z
                        ids[start + k] = face
                fa += sa
                fb += sb
                fc += sc
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
def clip_face(corners, near, face, box, zbuf, ids):
    """Draw a face that reaches behind the near plane or far outside: cut it, then fill the fan."""
    planes = np.array(
        [
            [0.0, 0.0, 1.0, -near],
            [1.0, 0.0, GUARD, 0.0],
            [-1.0, 0.0, GUARD, 0.0],
            [0.0, 1.0, GUARD, 0.0],
            [0.0, -1.0, GUARD, 0.0],
        ]
    )
    polygon = np.empty((MAX_CORNERS, 3))
    other = np.empty((MAX_CORNERS, 3))
    polygon[:3] = corners
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
        a, b, c = xy[0], xy[i], xy[i + 1]
        fill_face(
            a[0], a[1], b[0], b[1], c[0], c[1], z[0], z[i], z[i + 1], face, box, zbuf, ids
        )


@njit(**JIT)
def draw(verts, faces, first, last, near, xy, inv_z, box, zbuf, ids):
    """Draw faces first..last-1 (F, 3) into cleared maps: ids -1, inverse depths 0."""
    zbuf[:] = 0
    ids[:] = -1
    for f in range(first, last):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        za, zb, zc = inv_z[a], inv_z[b], inv_z[c]
        if za > 0 and zb > 0 and zc > 0:
            ax, bx, cx = np.int64(xy[a, 0]), np.int64(xy[b, 0]), np.int64(xy[c, 0])
            if (min(ax, bx, cx) + ONE - 1) >> SUBPIXEL_BITS > max(ax, bx, cx) >> SUBPIXEL_BITS:
                continue
            ay, by, cy = np.int64(xy[a, 1]), np.int64(xy[b, 1]), np.int64(xy[c, 1])
            fill_face(ax, ay, bx, by, cx, cy, za, zb, zc, f, box, zbuf, ids)
        elif verts[a, 2] > near or verts[b, 2] > near or verts[c, 2] > near:
            corners = np.empty((3, 3))
            for j in range(3):
                corners[0, j], corners[1, j], corners[2, j] = verts[a, j], verts[b, j], verts[c, j]
            if np.isfinite(corners.sum()):
                clip_face(corners, near, f, box, zbuf, ids)


@njit(**JIT)
def merge(zbuf, ids, other_zbuf, other_ids):
    """Keep the nearer of two maps; the first (with lower face ids) where depths are equal."""
    for i in range(ids.shape[0]):
        if other_zbuf[i] > zbuf[i]:
            zbuf[i] = other_zbuf[i]
            ids[i] = other_ids[i]
