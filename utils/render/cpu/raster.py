"""Numba kernels from a mesh's vertices to the face that is seen at each pixel of a view.

`transform` takes vertices to homogeneous pixels, `project` these to a grid, and `draw` draws the
faces. Those with a vertex at depth <= `near`, or so far outside the image that integers could
overflow, are clipped in homogeneous pixels first (`clip_face`).
"""

import math

import numpy as np

from utils.compiled import njit
from utils.render.cpu.fill import (
    LARGE,
    ONE,
    SUBPIXEL_BITS,
    TINY,
    covered,
    fill_blocks,
    fill_small,
    fill_wide,
    place,
)
from utils.render.cpu.simd import FAST, JIT, SMALL, U

GUARD = float(1 << 17)  # pixels; |coordinates| beyond are clipped: products stay below 2^62
CLIPPED = -(1 << 31)  # grid coordinate of vertices that need clipping
MAX_CORNERS = 9  # a triangle clipped by five planes has at most eight
BATCH = 256  # faces


@njit(**FAST)
def transform(first, last, points, matrices, offsets, pixels):
    """pixels (B, V, 3) = matrices (B, 3, 3) points (1 or B, V, 3) + offsets (B, 3).

    Of points first..last-1.
    """
    for view in range(pixels.shape[0]):
        source = points[view if points.shape[0] > 1 else 0]
        m, t, target = matrices[view], offsets[view], pixels[view]
        for i in range(U(first), U(last)):
            x, y, z = source[i, 0], source[i, 1], source[i, 2]
            for k in range(3):
                target[i, k] = m[k, 0] * x + m[k, 1] * y + m[k, 2] * z + t[k]


@njit(**FAST)
def transform_backward(first, last, grad, matrices, grad_points):
    """Add the gradient in points first..last-1 to grad_points (1 or B, V, 3), given pixels'."""
    for view in range(grad.shape[0]):
        target = grad_points[view if grad_points.shape[0] > 1 else 0]
        m, source = matrices[view], grad[view]
        for i in range(U(first), U(last)):
            x, y, z = source[i, 0], source[i, 1], source[i, 2]
            for k in range(3):
                target[i, k] += m[0, k] * x + m[1, k] * y + m[2, k] * z


@njit(**SMALL)
def plus_product(sums, factor, point):
    """sums + factor (point, 1), in double precision."""
    x, y, z, one = sums
    factor = np.float64(factor)
    return x + factor * point[0], y + factor * point[1], z + factor * point[2], one + factor


@njit(**FAST)
def transform_backward_cameras(first_view, last_view, grad, points, grad_cameras):
    """Write these views' grad_cameras (B, 3, 4): by their matrices and, last, their offsets."""
    for view in range(first_view, last_view):
        source, given = points[view if points.shape[0] > 1 else 0], grad[view]
        a = b = c = (0.0, 0.0, 0.0, 0.0)
        for i in range(U(given.shape[0])):
            point = source[i, U(0)], source[i, U(1)], source[i, U(2)]
            a = plus_product(a, given[i, U(0)], point)
            b = plus_product(b, given[i, U(1)], point)
            c = plus_product(c, given[i, U(2)], point)
        for j in range(U(4)):
            for k, row in enumerate((a, b, c)):
                grad_cameras[view, k, j] = row[j]


@njit(**FAST)
def project(views, verts, near, sizes, xy, inv_z, boxes):
    """Snap the views' vertices (B, V, 3) homogeneous pixels to the grid.

    Writes xy (B, V, 2) int32 grid units (x = CLIPPED where clipping is needed), inv_z (B, V)
    float32, and boxes (B, 4), the covered pixel ranges x0, y0, x1, y1 (inclusive, within the image
    of sizes (B, 2) height, width; x0 > x1 when nothing can be seen). If a vertex needs clipping,
    the box is the whole image.
    """
    for view in views:
        points, grid, box = verts[view], xy[view], boxes[view]
        lo_x = lo_y = np.int64(1) << 40
        hi_x = hi_y = -lo_x
        clipped = False
        for i in range(U(points.shape[0])):
            z = np.float64(points[i, 2])
            inverse = 1 / z
            x, y = points[i, 0] * inverse, points[i, 1] * inverse
            if not (z > near and abs(x) <= GUARD and abs(y) <= GUARD):
                grid[i, 0] = CLIPPED
                clipped = clipped or not np.isnan(z)
                continue
            gx, gy = np.int64(math.floor(x * ONE + 0.5)), np.int64(math.floor(y * ONE + 0.5))
            grid[i, 0], grid[i, 1] = gx, gy
            inv_z[view, i] = inverse
            lo_x, hi_x = min(lo_x, gx), max(hi_x, gx)
            lo_y, hi_y = min(lo_y, gy), max(hi_y, gy)
        right, bottom = sizes[view, 1] - 1, sizes[view, 0] - 1
        if clipped:
            box[0], box[1], box[2], box[3] = 0, 0, right, bottom
        else:
            box[0] = max(0, (lo_x + ONE - 1) >> SUBPIXEL_BITS)
            box[1] = max(0, (lo_y + ONE - 1) >> SUBPIXEL_BITS)
            box[2] = min(right, hi_x >> SUBPIXEL_BITS)
            box[3] = min(bottom, hi_y >> SUBPIXEL_BITS)


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
def clip_face(verts, a, b, c, near, face, box, start, zbuf, ids):
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
        fill_wide(
            p[0], p[1], q[0], q[1], r[0], r[1], z[0], z[i], z[i + 1], face, box, start, zbuf, ids
        )


@njit(**SMALL)
def ranges(faces, f, xy, box):
    """x0, x1, y0, y1: the box's pixels that face f may cover; whether it needs clipping."""
    a, b, c = faces[U(f), U(0)], faces[U(f), U(1)], faces[U(f), U(2)]
    ax, bx, cx = xy[U(a), U(0)], xy[U(b), U(0)], xy[U(c), U(0)]
    ay, by, cy = xy[U(a), U(1)], xy[U(b), U(1)], xy[U(c), U(1)]
    lo_x, hi_x = covered(np.int64(ax), np.int64(bx), np.int64(cx), box[0], box[2])
    lo_y, hi_y = covered(np.int64(ay), np.int64(by), np.int64(cy), box[1], box[3])
    return lo_x, hi_x, lo_y, hi_y, min(ax, bx, cx) == CLIPPED


@njit(**SMALL)
def draw_face(faces, f, lo_x, hi_x, lo_y, hi_y, xy, inv_z, box, start, zbuf, ids):
    """Draw a face without vertices to clip, whose pixels lie in lo_x..hi_x, lo_y..hi_y."""
    a, b, c = U(faces[U(f), U(0)]), U(faces[U(f), U(1)]), U(faces[U(f), U(2)])
    ax, bx, cx = np.int64(xy[a, U(0)]), np.int64(xy[b, U(0)]), np.int64(xy[c, U(0)])
    ay, by, cy = np.int64(xy[a, U(1)]), np.int64(xy[b, U(1)]), np.int64(xy[c, U(1)])
    za, zb, zc = inv_z[a], inv_z[b], inv_z[c]
    first, stride = U(place(box, start, lo_x, lo_y)), U(box[2] - box[0] + 3)
    right = max(ax, bx, cx)
    size = max(right - min(ax, bx, cx), max(ay, by, cy) - min(ay, by, cy))
    if hi_x - lo_x < TINY:
        fill_small(
            ax, ay, bx, by, cx, cy, za, zb, zc, f, lo_x, hi_x, lo_y, hi_y, first, stride, zbuf, ids
        )
    elif size <= LARGE and right >> SUBPIXEL_BITS <= box[2]:
        fill_blocks(
            ax, ay, bx, by, cx, cy, za, zb, zc, f, lo_x, hi_x, lo_y, hi_y, first, stride, zbuf, ids
        )
    else:
        fill_wide(ax, ay, bx, by, cx, cy, za, zb, zc, f, box, start, zbuf, ids)


@njit(**FAST)
def draw(views, verts, faces, first, last, near, xy, inv_z, boxes, starts, zbuf, ids, chosen):
    """Draw faces first..last-1 (F, 3) into the views' flat maps.

    ids (int32) gets the nearest face or -1, zbuf (float32) its inverse depth or 0. Of equal depths
    the first face stays. Of a dense mesh, most faces lie between pixel centres: those that do not
    are listed first in `chosen` (BATCH,), without a branch that would often be mispredicted.
    """
    for view in views:
        grid, inverse, box, start = xy[view], inv_z[view], boxes[view], starts[view]
        zbuf[start : starts[view + 1]] = 0
        ids[start : starts[view + 1]] = -1
        for batch in range(first, last, BATCH):
            count = 0
            for f in range(batch, min(batch + BATCH, last)):
                lo_x, hi_x, lo_y, hi_y, clip = ranges(faces, f, grid, box)
                chosen[U(count)] = f
                count += np.int64(clip | ((lo_x <= hi_x) & (lo_y <= hi_y)))
            for i in range(count):
                f = chosen[U(i)]
                lo_x, hi_x, lo_y, hi_y, clip = ranges(faces, f, grid, box)
                if clip:
                    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                    clip_face(verts[view], a, b, c, near, f, box, start, zbuf, ids)
                else:
                    draw_face(
                        faces, f, lo_x, hi_x, lo_y, hi_y, grid, inverse, box, start, zbuf, ids
                    )


@njit(**FAST)
def merge(zbuf, ids, other_zbuf, other_ids):
    """Keep the nearer of two maps; the first (with lower face ids) where depths are equal."""
    for i in range(ids.shape[0]):
        if other_zbuf[i] > zbuf[i]:
            zbuf[i] = other_zbuf[i]
            ids[i] = other_ids[i]
