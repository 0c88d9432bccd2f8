"""Numba kernels that turn maps of face ids into fragments, rim pixels and their pairs.

With M = [P0 P1 P2] the homogeneous pixels of a face's vertices as columns and p = (x, y, 1) a
pixel, the perspective-correct barycentrics b and the depth z solve M b = z p with sum(b) = 1.

A view's map starts at its entry of `starts` in flat arrays (`fill.place`). Its margins are
never drawn on.
"""

import numpy as np

from utils.compiled import njit
from utils.render.cpu.fill import place
from utils.render.cpu.simd import FAST, SMALL, U
from utils.render.fragments import FLAT


@njit(**SMALL)
def surroundings(box, size):
    """x0, y0, x1, y1 (exclusive): the box and the pixels beside it, within the image."""
    right, bottom = min(size[1], box[2] + 2), min(size[0], box[3] + 2)
    return max(0, box[0] - 1), max(0, box[1] - 1), right, bottom


@njit(**FAST)
def count(views, sizes, boxes, starts, ids, counts):
    """counts (B, 3) of the views' maps: covered pixels, rim pixels, covered-uncovered pairs.

    Rim pixels are the uncovered pixels of the image that share an edge with a covered one.
    sizes (B, 2) height, width; the maps hold ids >= 0 where covered, else -1.
    """
    for view in views:
        box = boxes[view]
        x0, y0, x1, y1 = surroundings(box, sizes[view])
        stride = U(box[2] - box[0] + 3)
        covered = rim = pairs = np.int64(0)
        for y in range(y0, y1):
            row_covered = row_rim = row_pairs = np.int32(0)
            first = place(box, starts[view], x0, y)
            for i in range(U(first), U(first + x1 - x0)):
                # Sign bits: -1 where uncovered, 0 where covered.
                empty = ids[i] >> 31
                beside = -(ids[i - U(1)] >> 31) - (ids[i + U(1)] >> 31)
                beside = 4 - beside + (ids[i - stride] >> 31) + (ids[i + stride] >> 31)
                row_covered += np.int32(1 + empty)
                row_pairs += np.int32(beside & empty)
                row_rim += np.int32((beside > 0) & empty)
            covered += row_covered
            rim += row_rim
            pairs += row_pairs
        counts[view, 0], counts[view, 1], counts[view, 2] = covered, rim, pairs


@njit(**SMALL)
def invert(verts, faces, f):
    """det(M) and the rows of M^-1, for face f; det = 0 and no rows if it is seen edge on."""
    a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
    ax, ay, az = np.float64(verts[a, 0]), np.float64(verts[a, 1]), np.float64(verts[a, 2])
    bx, by, bz = np.float64(verts[b, 0]), np.float64(verts[b, 1]), np.float64(verts[b, 2])
    cx, cy, cz = np.float64(verts[c, 0]), np.float64(verts[c, 1]), np.float64(verts[c, 2])
    a0, a1, a2 = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
    b0, b1, b2 = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
    c0, c1, c2 = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    det = a0 * ax + a1 * ay + a2 * az
    scale = 1 / det
    if not abs(det) > FLAT * abs(az * bz * cz):
        det = scale = 0.0
    first = (a0 * scale, a1 * scale, a2 * scale)
    second = (b0 * scale, b1 * scale, b2 * scale)
    return det, first, second, (c0 * scale, c1 * scale, c2 * scale)


@njit(**SMALL)
def clamp(b0, b1, b2):
    """The barycentrics moved into the face; its centre if they are not numbers."""
    b0, b1, b2 = max(b0, 0.0), max(b1, 0.0), max(b2, 0.0)
    total = b0 + b1 + b2
    if not (total > 0 and total < np.inf):
        return 1 / 3, 1 / 3, 1 / 3
    return b0 / total, b1 / total, b2 / total


@njit(**SMALL)
def write_pair(pair, first, second, direction, p, q, axis):
    """Write one pair; the next one's index."""
    p[pair], q[pair], axis[pair] = first, second, direction
    return pair + U(1)


@njit(**FAST)
def emit(own_views, sizes, boxes, starts, first_slots, first_rims, first_pairs, ids,
         view, y, x, face, pair_p, pair_q, pair_axis):  # fmt: skip
    """Write fragments, rim pixels and boundary pairs of own_views, row by row.

    A view's fragments, rim pixels and pairs start at its entries of the `first_` arrays; view, y, x
    hold all fragments and then all rim pixels. Maps of face ids turn into maps of slots: s >= 0 of
    a covered pixel, -2 - s of a rim pixel, -1 elsewhere. Pairs run left to right (axis 0) and top
    to bottom (axis 1).
    """
    for own in own_views:
        box = boxes[own]
        x0, y0, x1, y1 = surroundings(box, sizes[own])
        stride = U(box[2] - box[0] + 3)
        slot, rim, pair = U(first_slots[own]), U(first_rims[own]), U(first_pairs[own])
        for row in range(y0, y1):
            start, left = U(place(box, starts[own], x0, row)), np.int32(-1)
            for i in range(start, start + U(x1 - x0)):
                f, up = ids[i], ids[i - stride]
                if f >= 0:
                    if left < -1:
                        pair = write_pair(pair, -2 - left, slot, 0, pair_p, pair_q, pair_axis)
                    if up < -1:
                        pair = write_pair(pair, -2 - up, slot, 1, pair_p, pair_q, pair_axis)
                    view[slot], y[slot], x[slot] = own, row, x0 + np.int64(i - start)
                    face[slot] = f
                    left = ids[i] = np.int32(slot)
                    slot += U(1)
                elif (left & up & ids[i + U(1)] & ids[i + stride]) >= 0:
                    if left >= 0:
                        pair = write_pair(pair, left, rim, 0, pair_p, pair_q, pair_axis)
                    if up >= 0:
                        pair = write_pair(pair, up, rim, 1, pair_p, pair_q, pair_axis)
                    view[rim], y[rim], x[rim] = own, row, x0 + np.int64(i - start)
                    left = ids[i] = np.int32(-2 - np.int64(rim))
                    rim += U(1)
                else:
                    left = np.int32(-1)


@njit(**FAST)
def locate(items, verts, faces, y, x, face, bary, depth, front):
    """Barycentrics, depth and whether they face us of the fragments of items (n, 3).

    A row of items is view, first fragment, last + 1.
    """
    for item in range(items.shape[0]):
        own, last_face = verts[items[item, 0]], np.int32(-1)
        det, row0, row1, row2 = 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        for i in range(U(items[item, 1]), U(items[item, 2])):
            if face[i] != last_face:
                last_face = face[i]
                det, row0, row1, row2 = invert(own, faces, U(last_face))
            px, py = np.float64(x[i]), np.float64(y[i])
            b0 = row0[0] * px + row0[1] * py + row0[2]
            b1 = row1[0] * px + row1[1] * py + row1[2]
            b2 = row2[0] * px + row2[1] * py + row2[2]
            z = 1 / (b0 + b1 + b2)
            b0, b1, b2 = b0 * z, b1 * z, b2 * z
            if not ((b0 >= 0) & (b1 >= 0) & (b2 >= 0)):  # snapped to the grid, or seen edge on
                b0, b1, b2 = clamp(b0, b1, b2)
                z = b0 * own[faces[U(last_face), U(0)], 2]
                z += b1 * own[faces[U(last_face), U(1)], 2]
                z += b2 * own[faces[U(last_face), U(2)], 2]
            bary[i, 0], bary[i, 1], bary[i, 2] = b0, b1, b2
            depth[i], front[i] = z, det < 0
