"""Numba kernels that turn a map of face ids into fragments, rim pixels and boundary pairs.

With M = [P0 P1 P2] the homogeneous pixels of a face's vertices as columns and p = (x, y, 1) a
pixel, the perspective-correct barycentrics b and the depth z solve M b = z p with sum(b) = 1.
"""

import numpy as np
from numba import njit

from utils.render.fragments import FLAT, STEEP, STEP
from utils.render.kernels_raster import JIT, SMALL, U


@njit(**JIT)
def count(ids, box, width, height, counts):
    """counts (3,) of one padded id map: covered pixels, rim pixels, covered-uncovered pairs.

    Rim pixels are the uncovered pixels of the image that share an edge with a covered one.
    """
    stride = box[2] - box[0] + 3
    rows = box[3] - box[1] + 3
    first_row, last_row = max(0, 1 - box[1]), min(rows, height - box[1] + 1)
    first, last = max(0, 1 - box[0]), min(stride, width - box[0] + 1)
    covered = rim = pairs = np.int64(0)
    nothing = np.full(stride, np.int32(-1))
    for r in range(first_row, last_row):
        here = ids[r * stride : (r + 1) * stride]
        up = ids[(r - 1) * stride : r * stride] if r > 0 else nothing
        down = ids[(r + 1) * stride : (r + 2) * stride] if r < rows - 1 else nothing
        row_covered = row_rim = row_pairs = np.int32(0)
        for c in range(first, last):
            # Sign bits: -1 where uncovered, 0 where covered; the margin's outer side is uncovered.
            empty = here[U(c)] >> 31
            left = ~(here[U(max(c - 1, 0))] >> 31)
            right = ~(here[U(min(c + 1, stride - 1))] >> 31)
            beside = (left & 1) + (right & 1) + (~(up[U(c)] >> 31) & 1) + (~(down[U(c)] >> 31) & 1)
            row_covered += 1 + empty
            row_pairs += beside & empty
            row_rim += (beside > 0) & (empty & 1)
        covered += row_covered
        rim += row_rim
        pairs += row_pairs
    counts[0] = covered
    counts[1] = rim
    counts[2] = pairs


@njit(**SMALL)
def invert(verts, faces, f, inverse):
    """inverse (3, 3) = M^-1 of face f; returns det(M), or 0 when the face is seen edge on."""
    a, b, c = U(faces[U(f), 0]), U(faces[U(f), 1]), U(faces[U(f), 2])
    ax, ay, az = np.float64(verts[a, 0]), np.float64(verts[a, 1]), np.float64(verts[a, 2])
    bx, by, bz = np.float64(verts[b, 0]), np.float64(verts[b, 1]), np.float64(verts[b, 2])
    cx, cy, cz = np.float64(verts[c, 0]), np.float64(verts[c, 1]), np.float64(verts[c, 2])
    a0, a1, a2 = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    b0, b1, b2 = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    c0, c1, c2 = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    det = a0 * ax + a1 * ay + a2 * az
    if not abs(det) > FLAT * abs(az * bz * cz):
        return 0.0
    scale = 1 / det
    inverse[0, 0], inverse[0, 1], inverse[0, 2] = a0 * scale, a1 * scale, a2 * scale
    inverse[1, 0], inverse[1, 1], inverse[1, 2] = b0 * scale, b1 * scale, b2 * scale
    inverse[2, 0], inverse[2, 1], inverse[2, 2] = c0 * scale, c1 * scale, c2 * scale
    return det


@njit(**JIT)
def emit(verts, faces, box, width, height, view, first, first_rim, ids,
         views, ys, xs, face, bary, depth, front, pair_p, pair_q, pair_axis):  # fmt: skip
    """Write one view's fragments, rim pixels and boundary pairs, row by row.

    first is the view's first fragment and first_rim its first rim pixel's slot in views, ys, xs,
    which hold all fragments and then all rim pixels. The padded map ids turns from face ids into
    slots: s >= 0 of a covered pixel, -2 - s of a rim pixel, -1 elsewhere. Pairs run left to right
    (axis 0) and top to bottom (axis 1); pair arrays are this view's own.
    """
    stride = box[2] - box[0] + 3
    rows = box[3] - box[1] + 3
    slot, rim, pair = first, first_rim, 0
    inverse = np.empty((3, 3))
    u0 = u1 = u2 = du0 = du1 = du2 = 0.0
    nothing = np.full(stride, np.int32(-1))
    for r in range(max(0, 1 - box[1]), min(rows, height - box[1] + 1)):
        y = box[1] - 1 + r
        here = ids[r * stride : (r + 1) * stride]
        above = ids[(r - 1) * stride : r * stride] if r > 0 else nothing
        below = ids[(r + 1) * stride : (r + 2) * stride] if r < rows - 1 else nothing
        left = last_face = np.int32(-1)
        det = 0.0
        for c in range(max(0, 1 - box[0]), min(stride, width - box[0] + 1)):
            f = here[U(c)]
            up = above[U(c)]
            if f < 0:
                right = here[U(c + 1)] if c < stride - 1 else np.int32(-1)
                if (left & up & right & below[U(c)]) < 0:
                    left = np.int32(-1)
                    continue
                views[U(rim)], ys[U(rim)], xs[U(rim)] = view, y, box[0] - 1 + c
                if left >= 0:
                    pair_p[U(pair)], pair_q[U(pair)], pair_axis[U(pair)] = left, rim, 0
                    pair += 1
                if up >= 0:
                    pair_p[U(pair)], pair_q[U(pair)], pair_axis[U(pair)] = up, rim, 1
                    pair += 1
                left = here[U(c)] = np.int32(-2 - rim)
                rim += 1
                continue
            views[U(slot)], ys[U(slot)], xs[U(slot)] = view, y, box[0] - 1 + c
            face[U(slot)] = f
            if left < -1:
                pair_p[U(pair)], pair_q[U(pair)], pair_axis[U(pair)] = -2 - left, slot, 0
                pair += 1
            if up < -1:
                pair_p[U(pair)], pair_q[U(pair)], pair_axis[U(pair)] = -2 - up, slot, 1
                pair += 1
            if f == last_face:
                u0 += du0
                u1 += du1
                u2 += du2
            else:
                det = invert(verts, faces, f, inverse)
                last_face = f
                x = box[0] - 1 + c
                du0, du1, du2 = inverse[0, 0], inverse[1, 0], inverse[2, 0]
                u0 = du0 * x + inverse[0, 1] * y + inverse[0, 2]
                u1 = du1 * x + inverse[1, 1] * y + inverse[1, 2]
                u2 = du2 * x + inverse[2, 1] * y + inverse[2, 2]
            z = 1 / (u0 + u1 + u2)
            b0, b1, b2 = u0 * z, u1 * z, u2 * z
            if not (det != 0 and b0 >= 0 and b1 >= 0 and b2 >= 0):
                b0, b1, b2 = clamp(b0, b1, b2) if det != 0 else (1 / 3, 1 / 3, 1 / 3)
                z = b0 * verts[faces[f, 0], 2] + b1 * verts[faces[f, 1], 2]
                z += b2 * verts[faces[f, 2], 2]
            bary[U(slot), 0], bary[U(slot), 1], bary[U(slot), 2] = b0, b1, b2
            depth[U(slot)] = z
            front[U(slot)] = det < 0
            left = here[U(c)] = np.int32(slot)
            slot += 1


@njit(**SMALL)
def clamp(b0, b1, b2):
    """The barycentrics moved into the face; its centre if they are not numbers."""
    b0, b1, b2 = max(b0, 0.0), max(b1, 0.0), max(b2, 0.0)
    total = b0 + b1 + b2
    if not (total > 0 and total < np.inf):
        return 1 / 3, 1 / 3, 1 / 3
    return b0 / total, b1 / total, b2 / total


@njit(**JIT)
def slopes(verts, faces, f, depth, inverse):
    """Change of depth per pixel along x and y of face f's plane where its depth is `depth`."""
    if invert(verts, faces, f, inverse) == 0:
        return 0.0, 0.0
    nx = inverse[0, 0] + inverse[1, 0] + inverse[2, 0]
    ny = inverse[0, 1] + inverse[1, 1] + inverse[2, 1]
    return -depth * depth * nx, -depth * depth * ny


@njit(**SMALL)
def occludes(depth_p, depth_q, slope_p, slope_q, step):
    """Whether the depths of two neighbouring pixels belong to different sheets of the surface.

    On one sheet the jump in depth lies between the slopes at both pixels, give or take `step`,
    where slopes count as STEEP steps at most: jumps of `step` never are occlusions, those beyond
    STEEP + 1 steps always.
    """
    limit = STEEP * step
    slope_p = min(max(slope_p, -limit), limit)
    slope_q = min(max(slope_q, -limit), limit)
    jump = depth_q - depth_p
    return jump < min(slope_p, slope_q) - step or jump > max(slope_p, slope_q) + step


@njit(**JIT)
def find_surface_pairs(verts, faces, box, slots, xs, ys, face, depth, first, last, width,
                       p, q, axis):  # fmt: skip
    """Pairs of covered pixels between which one surface occludes another; their number.

    slots is the map of the view whose fragments are first..last-1; width is a pixel's at depth 1;
    p, q, axis have room for two entries a fragment.
    """
    stride = box[2] - box[0] + 3
    inverse = np.empty((3, 3))
    found = 0
    for s in range(U(first), U(last)):
        i = (ys[s] - box[1] + 1) * stride + xs[s] - box[0] + 1
        for a in range(2):
            t = slots[U(i + 1)] if a == 0 else slots[U(i + stride)]
            if t < 0 or face[U(t)] == face[s]:
                continue
            ds, dt = depth[s], depth[U(t)]
            step = STEP * width * min(ds, dt)
            jump = abs(dt - ds)
            if jump <= step:
                continue
            if jump <= (STEEP + 1) * step:
                slope_s = slopes(verts, faces, face[s], ds, inverse)[a]
                slope_t = slopes(verts, faces, face[U(t)], dt, inverse)[a]
                if not occludes(ds, dt, slope_s, slope_t, step):
                    continue
            p[found], q[found], axis[found] = s, t, a
            found += 1
    return found
