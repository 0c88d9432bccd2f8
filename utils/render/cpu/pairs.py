"""Numba kernels for boundary pairs: where the surface hides itself, and the forces of all pairs."""

import numpy as np

from utils.compiled import njit
from utils.render.cpu.fill import place
from utils.render.cpu.simd import FAST, SMALL, WIDTH, U, load, load_some, lowest, some, splat, total
from utils.render.fragments import FLAT, STEEP, STEP

SURE = 0.9  # of a step: how much less, in drawn depths, is surely less in exact ones
ROUNDING = 4e-6  # of a depth, in drawn depths


@njit(**SMALL)
def slope(verts, faces, f, depth, axis):
    """Change of depth per pixel along the axis of face f's plane where its depth is `depth`.

    With the normal N = (P1 - P0) x (P2 - P0) of the homogeneous pixels, 1 / z = N . p / N . P0.
    """
    a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
    ax, ay, az = np.float64(verts[a, 0]), np.float64(verts[a, 1]), np.float64(verts[a, 2])
    bx, by, bz = verts[b, 0] - ax, verts[b, 1] - ay, verts[b, 2] - az
    cx, cy, cz = verts[c, 0] - ax, verts[c, 1] - ay, verts[c, 2] - az
    nx, ny, nz = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    det = nx * ax + ny * ay + nz * az
    if not abs(det) > FLAT * abs(az * (az + bz) * (az + cz)):
        return 0.0
    return -depth * depth * (nx if axis == 0 else ny) / det


@njit(**SMALL)
def occludes(verts, faces, f, g, depth_f, depth_g, width, axis):
    """Whether neighbouring pixels that show faces f and g see different sheets of the surface.

    On one sheet the jump in depth lies between the slopes at both pixels, give or take a step of
    STEP pixel widths, where slopes count as STEEP steps at most: jumps of a step never are
    occlusions, those beyond STEEP + 1 steps always. width is a pixel's at depth 1.
    """
    step = STEP * width * min(depth_f, depth_g)
    jump = depth_g - depth_f
    if abs(jump) <= step or abs(jump) > (STEEP + 1) * step:
        return abs(jump) > step
    limit = STEEP * step
    slope_f = slope(verts, faces, U(f), depth_f, axis)
    slope_g = slope(verts, faces, U(g), depth_g, axis)
    slope_f = min(max(slope_f, -limit), limit)
    slope_g = min(max(slope_g, -limit), limit)
    return jump < min(slope_f, slope_g) - step or jump > max(slope_f, slope_g) + step


@njit(**SMALL)
def jumps(near, far, ratio):
    """Bits of the pixels, both covered, whose inverse depths differ by more than the ratio."""
    zero = splat(np.float32(0))
    apart = (near > ratio * far) | (far > ratio * near)
    return some(apart & (near > zero) & (far > zero))


@njit(**FAST)
def find_surface_pairs(views, verts, faces, widths, boxes, starts, rooms, slots, inv_z,
                       face, depth, p, q, axis, counts):  # fmt: skip
    """Pairs of covered pixels of the views between which one part of the surface hides another.

    slots and inv_z are the maps; widths (B,) a pixel's at depth 1. A view writes `counts` pairs
    (B,) to p, q, axis from its `rooms` on, where there is room for two a fragment. Eight pixels at
    once are compared in the maps; those with a jump then exactly.
    """
    for view in views:
        box, own, width = boxes[view], verts[view], widths[view]
        stride = U(box[2] - box[0] + 3)
        ratio = splat(np.float32(1 + max(0.0, SURE * STEP * width - ROUNDING)))
        n = U(rooms[view])
        for y in range(box[1], box[3] + 1):
            first = U(place(box, starts[view], box[0], y))
            end = first + stride - U(3)
            for i in range(first, end, U(WIDTH)):
                here = load(inv_z, i)
                right = jumps(here, load(inv_z, i + U(1)), ratio)
                down = jumps(here, load(inv_z, i + stride), ratio)
                bits = right | down << np.int64(WIDTH)
                while bits != 0:
                    place_of = lowest(bits)
                    bits &= bits - 1
                    a = place_of >> 3
                    s = i + U(place_of & 7)
                    if s >= end:
                        continue
                    p_slot, q_slot = slots[s], slots[s + (stride if a else U(1))]
                    f, g = face[U(p_slot)], face[U(q_slot)]
                    if f == g:
                        continue
                    near, far = depth[U(p_slot)], depth[U(q_slot)]
                    if occludes(own, faces, f, g, near, far, width, a):
                        p[n], q[n], axis[n] = p_slot, q_slot, a
                        n += U(1)
        counts[view] = np.int64(n) - rooms[view]


@njit(**SMALL)
def first_of_view(wanted, view, p):
    """The first pair of a view >= wanted; pairs are sorted by view."""
    low, high = 0, p.shape[0]
    while low < high:
        middle = (low + high) // 2
        if view[p[middle]] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@njit(**FAST)
def boundary_backward(first_view, last_view, values, grad, p, q, axis, covered, faces, view, y, x,
                      face, bary, depth, grad_verts):  # fmt: skip
    """Add to grad_verts (B, V, 3) the forces of these views' pairs: `silhouette.surface_forces`.

    values, grad (M, C) on the covered pixels, then the rim pixels; p, q, axis (P,); the others are
    the fragments' arrays.
    """
    C = U(values.shape[1])
    for i in range(first_of_view(first_view, view, p), first_of_view(last_view, view, p)):
        first, second = U(p[i]), U(q[i])
        forces = splat(np.float32(0))
        for k in range(U(0), C, U(WIDTH)):
            count, m, n = np.int32(C - k), first * C + k, second * C + k
            grads = load_some(grad, m, count) + load_some(grad, n, count)
            forces = forces + grads * (load_some(values, m, count) - load_some(values, n, count))
        front = first
        if first >= U(covered) or (second < U(covered) and depth[second] < depth[first]):
            front = second
        force = np.float32(0.5) * total(forces) / depth[front]
        v, f = U(view[front]), U(face[front])
        along = U(axis[i])
        force_z = -force * np.float32(x[front] if axis[i] == 0 else y[front])
        for k in range(3):
            corner, weight = U(faces[f, U(k)]), bary[front, U(k)]
            grad_verts[v, corner, along] += weight * force
            grad_verts[v, corner, U(2)] += weight * force_z
