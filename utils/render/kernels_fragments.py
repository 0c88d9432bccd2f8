"""Numba kernels that work on covered pixels only: fragments, interpolation and their gradients.

With M = [P0 P1 P2] the homogeneous pixels of a face's vertices as columns and p = (x, y, 1) a pixel,
the perspective-correct barycentrics b and the depth z solve M b = z p with sum(b) = 1. Hence

    db = M^-1 (dz p - dM b),    dz = z 1^T M^-1 dM b,

and for a loss L with h = dL/db - (b . dL/db) 1 and g = dL/dz every vertex k of the face receives
b_k * w with the one vector w = M^-T (z g 1 - h). The kernels scatter that straight to the vertices.
"""

import numpy as np
from numba import njit

JIT = {"nogil": True, "cache": True, "error_model": "numpy"}
FAST = {**JIT, "fastmath": True}
FLAT = 2.0**-20  # square pixels: faces of less (twice the) area are seen edge on: no gradient
STEEP = 8.0  # pixel widths of depth per pixel


@njit(**JIT)
def count(ids, box, width, height, counts):
    """counts (3,) of one padded id map: covered pixels, rim pixels, covered-uncovered pairs.

    Rim pixels are the uncovered pixels of the image that share an edge with a covered one.
    """
    stride = box[2] - box[0] + 3
    rows = box[3] - box[1] + 3
    covered = rim = pairs = 0
    for r in range(rows):
        y = box[1] - 1 + r
        if y < 0 or y >= height:
            continue
        for c in range(stride):
            x = box[0] - 1 + c
            if x < 0 or x >= width:
                continue
            i = r * stride + c
            if ids[i] >= 0:
                covered += 1
                continue
            beside = 0
            if c > 0 and ids[i - 1] >= 0:
                beside += 1
            if c < stride - 1 and ids[i + 1] >= 0:
                beside += 1
            if r > 0 and ids[i - stride] >= 0:
                beside += 1
            if r < rows - 1 and ids[i + stride] >= 0:
                beside += 1
            rim += beside > 0
            pairs += beside
    counts[0] = covered
    counts[1] = rim
    counts[2] = pairs


@njit(**JIT)
def invert(verts, faces, f, inverse):
    """inverse (3, 3) = M^-1 of face f; False when the face is seen edge on."""
    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
    ax, ay, az = np.float64(verts[a, 0]), np.float64(verts[a, 1]), np.float64(verts[a, 2])
    bx, by, bz = np.float64(verts[b, 0]), np.float64(verts[b, 1]), np.float64(verts[b, 2])
    cx, cy, cz = np.float64(verts[c, 0]), np.float64(verts[c, 1]), np.float64(verts[c, 2])
    inverse[0, 0] = by * cz - bz * cy
    inverse[0, 1] = bz * cx - bx * cz
    inverse[0, 2] = bx * cy - by * cx
    inverse[1, 0] = cy * az - cz * ay
    inverse[1, 1] = cz * ax - cx * az
    inverse[1, 2] = cx * ay - cy * ax
    inverse[2, 0] = ay * bz - az * by
    inverse[2, 1] = az * bx - ax * bz
    inverse[2, 2] = ax * by - ay * bx
    det = inverse[0, 0] * ax + inverse[0, 1] * ay + inverse[0, 2] * az
    if not abs(det) > FLAT * abs(az * bz * cz):
        return False
    scale = 1 / det
    for i in range(3):
        for j in range(3):
            inverse[i, j] *= scale
    return True


@njit(**JIT)
def emit(verts, faces, box, width, height, view, first, first_rim, covered, ids,
         views, ys, xs, face, bary, depth, pair_p, pair_q, pair_axis):  # fmt: skip
    """Write one view's fragments, rim pixels and boundary pairs, row by row.

    first is the view's first fragment and first_rim its first rim pixel's slot in views, ys, xs,
    which hold all fragments and then all rim pixels. The padded map ids turns from face ids into
    slots: covered < first + covered <= rim; -1 elsewhere. Pairs run left to right (axis 0) and top
    to bottom (axis 1); pair arrays are this view's own.
    """
    stride = box[2] - box[0] + 3
    rows = box[3] - box[1] + 3
    end = first + covered
    slot, rim, pair = first, first_rim, 0
    inverse = np.empty((3, 3))
    last_face = -1
    regular = False
    za = zb = zc = np.float32(0)
    for r in range(rows):
        y = box[1] - 1 + r
        if y < 0 or y >= height:
            continue
        for c in range(stride):
            x = box[0] - 1 + c
            if x < 0 or x >= width:
                continue
            i = r * stride + c
            left = ids[i - 1] if c > 0 else -1
            up = ids[i - stride] if r > 0 else -1
            f = ids[i]
            if f < 0:
                left_covered = left >= 0 and left < end
                up_covered = up >= 0 and up < end
                right_covered = c < stride - 1 and ids[i + 1] >= 0
                down_covered = r < rows - 1 and ids[i + stride] >= 0
                if not (left_covered or up_covered or right_covered or down_covered):
                    continue
                ids[i] = rim
                views[rim], ys[rim], xs[rim] = view, y, x
                if left_covered:
                    pair_p[pair], pair_q[pair], pair_axis[pair] = left, rim, 0
                    pair += 1
                if up_covered:
                    pair_p[pair], pair_q[pair], pair_axis[pair] = up, rim, 1
                    pair += 1
                rim += 1
                continue
            ids[i] = slot
            views[slot], ys[slot], xs[slot], face[slot] = view, y, x, f
            if left >= end:
                pair_p[pair], pair_q[pair], pair_axis[pair] = left, slot, 0
                pair += 1
            if up >= end:
                pair_p[pair], pair_q[pair], pair_axis[pair] = up, slot, 1
                pair += 1
            if f != last_face:
                regular = invert(verts, faces, f, inverse)
                last_face = f
                za, zb, zc = verts[faces[f, 0], 2], verts[faces[f, 1], 2], verts[faces[f, 2], 2]
            u0 = inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]
            u1 = inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]
            u2 = inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2]
            z = 1 / (u0 + u1 + u2)
            b0, b1, b2 = u0 * z, u1 * z, u2 * z
            if not (regular and min(b0, b1, b2) >= 0):
                b0, b1, b2 = clamp(b0, b1, b2) if regular else (1 / 3, 1 / 3, 1 / 3)
                z = b0 * za + b1 * zb + b2 * zc
            bary[slot, 0], bary[slot, 1], bary[slot, 2] = b0, b1, b2
            depth[slot] = z
            slot += 1


@njit(**JIT)
def clamp(b0, b1, b2):
    """The barycentrics moved into the face; its centre if they are not numbers."""
    b0, b1, b2 = max(b0, 0.0), max(b1, 0.0), max(b2, 0.0)
    total = b0 + b1 + b2
    if not (total > 0 and total < np.inf):
        return 1 / 3, 1 / 3, 1 / 3
    return b0 / total, b1 / total, b2 / total


@njit(**FAST)
def interpolate(attributes, faces, face, bary, first, last, values):
    """values (N, C) of fragments first..last-1 from vertex attributes (V, C)."""
    channels = attributes.shape[1]
    for i in range(first, last):
        f = face[i]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        b0, b1, b2 = bary[i, 0], bary[i, 1], bary[i, 2]
        for k in range(channels):
            values[i, k] = b0 * attributes[a, k] + b1 * attributes[b, k] + b2 * attributes[c, k]


@njit(**JIT)
def to_vertices(verts, faces, f, sums, inverse, grad_verts):
    """Add to grad_verts (V, 3) what a run of one face's fragments gathered.

    sums (3, 3): sums[k] = sum over fragments of b_k (z g 1 - h).
    """
    if not invert(verts, faces, f, inverse):
        return
    for k in range(3):
        v = faces[f, k]
        for j in range(3):
            grad_verts[v, j] += (
                sums[k, 0] * inverse[0, j] + sums[k, 1] * inverse[1, j] + sums[k, 2] * inverse[2, j]
            )


@njit(**FAST)
def interpolate_backward(
    verts, attributes, faces, face, bary, grad, first, last, grad_attributes, grad_verts
):
    """Add the gradients of `interpolate` to attributes (V, C) and homogeneous pixels (V, 3).

    An array of no rows as grad_attributes or grad_verts leaves that gradient out.
    """
    channels = attributes.shape[1]
    want_attributes = grad_attributes.shape[0] > 0
    want_verts = grad_verts.shape[0] > 0
    inverse = np.empty((3, 3))
    sums = np.zeros((3, 3))
    run = face[first] if last > first else -1
    for i in range(first, last):
        f = face[i]
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        b0, b1, b2 = bary[i, 0], bary[i, 1], bary[i, 2]
        if want_attributes:
            for k in range(channels):
                g = grad[i, k]
                grad_attributes[a, k] += b0 * g
                grad_attributes[b, k] += b1 * g
                grad_attributes[c, k] += b2 * g
        if not want_verts:
            continue
        if f != run:
            to_vertices(verts, faces, run, sums, inverse, grad_verts)
            sums[:] = 0
            run = f
        g0 = g1 = g2 = np.float32(0)
        for k in range(channels):
            g = grad[i, k]
            g0 += g * attributes[a, k]
            g1 += g * attributes[b, k]
            g2 += g * attributes[c, k]
        add_to_run(b0, b1, b2, g0, g1, g2, sums)
    if want_verts and run >= 0:
        to_vertices(verts, faces, run, sums, inverse, grad_verts)


@njit(**FAST)
def add_to_run(b0, b1, b2, g0, g1, g2, sums):
    """Add a fragment's b_k (-h) to sums, with h = g - (b . g) 1."""
    mean = b0 * g0 + b1 * g1 + b2 * g2
    h0, h1, h2 = mean - g0, mean - g1, mean - g2
    sums[0, 0] += b0 * h0
    sums[0, 1] += b0 * h1
    sums[0, 2] += b0 * h2
    sums[1, 0] += b1 * h0
    sums[1, 1] += b1 * h1
    sums[1, 2] += b1 * h2
    sums[2, 0] += b2 * h0
    sums[2, 1] += b2 * h1
    sums[2, 2] += b2 * h2


@njit(**FAST)
def geometry_backward(
    verts, faces, face, bary, depth, grad_bary, grad_depth, first, last, grad_verts
):
    """Add to grad_verts (V, 3) the gradient of barycentrics (N, 3) and depths (N,)."""
    inverse = np.empty((3, 3))
    sums = np.zeros((3, 3))
    run = face[first] if last > first else -1
    for i in range(first, last):
        if face[i] != run:
            to_vertices(verts, faces, run, sums, inverse, grad_verts)
            sums[:] = 0
            run = face[i]
        b0, b1, b2 = bary[i, 0], bary[i, 1], bary[i, 2]
        add_to_run(b0, b1, b2, grad_bary[i, 0], grad_bary[i, 1], grad_bary[i, 2], sums)
        g = grad_depth[i] * depth[i]
        for k in range(3):
            for j in range(3):
                sums[k, j] += bary[i, k] * g
    if run >= 0:
        to_vertices(verts, faces, run, sums, inverse, grad_verts)


@njit(**JIT)
def slopes(verts, faces, f, depth, inverse):
    """Change of depth per pixel along x and y of face f's plane where its depth is `depth`."""
    if not invert(verts, faces, f, inverse):
        return 0.0, 0.0
    nx = inverse[0, 0] + inverse[1, 0] + inverse[2, 0]
    ny = inverse[0, 1] + inverse[1, 1] + inverse[2, 1]
    return -depth * depth * nx, -depth * depth * ny


@njit(**JIT)
def occludes(depth_p, depth_q, slope_p, slope_q, width):
    """Whether the depths of two neighbouring pixels belong to different sheets of the surface.

    On one sheet the step in depth lies between the slopes at both pixels, give or take one pixel's
    width. Slopes count up to STEEP widths a pixel: a steeper step is as good as an occlusion.
    """
    limit = STEEP * width
    slope_p = min(max(slope_p, -limit), limit)
    slope_q = min(max(slope_q, -limit), limit)
    step = depth_q - depth_p
    return step < min(slope_p, slope_q) - width or step > max(slope_p, slope_q) + width


@njit(**JIT)
def find_surface_pairs(verts, faces, box, slots, first, end, face, depth, step, p, q, axis):
    """Pairs of covered pixels between which one surface occludes another; their number.

    slots is the view's padded map, its fragments are first..end-1; p, q, axis hold 2 per fragment.
    """
    stride = box[2] - box[0] + 3
    inverse = np.empty((3, 3))
    found = 0
    for i in range(stride + 1, slots.shape[0] - stride):
        s = slots[i]
        if s < 0 or s >= end:
            continue
        for a in range(2):
            t = slots[i + 1] if a == 0 else slots[i + stride]
            if t < 0 or t >= end or face[s] == face[t]:
                continue
            width = step * min(depth[s], depth[t])
            if abs(depth[t] - depth[s]) <= width:
                continue
            slope_s = slopes(verts, faces, face[s], depth[s], inverse)[a]
            slope_t = slopes(verts, faces, face[t], depth[t], inverse)[a]
            if occludes(depth[s], depth[t], slope_s, slope_t, width):
                p[found], q[found], axis[found] = s, t, a
                found += 1
    return found
