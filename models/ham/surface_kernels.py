"""Numba kernels for the terms of `models.ham.losses.SurfaceTerms`: value and gradient at once.

Each returns its term, not weighted, and adds the term's gradient to an array of zeros.
"""

import math

import numpy as np

from utils.compiled import FAST, U, njit
from utils.geometry.normals import cross, edges_from

TINY = 1e-12  # lengths; as torch.nn.functional.normalize divides by at least


@njit(**FAST)
def bending(displacement, starts, columns, values, areas, scale, grad):
    """scale sum_i |(L d)_i|^2 / A_i of displacement d (V, 3), areas A (V,).

    L (V, V) in compressed rows: starts (V + 1,), columns and values (n,).
    """
    total = 0.0
    for i in range(U(displacement.shape[0])):
        x = y = z = np.float32(0)
        for entry in range(U(starts[i]), U(starts[i + U(1)])):
            j, value = U(columns[entry]), values[entry]
            x += value * displacement[j, U(0)]
            y += value * displacement[j, U(1)]
            z += value * displacement[j, U(2)]
        share = np.float32(scale / areas[i])
        total += share * (x * x + y * y + z * z)
        share *= np.float32(2)
        x, y, z = share * x, share * y, share * z
        for entry in range(U(starts[i]), U(starts[i + U(1)])):
            j, value = U(columns[entry]), values[entry]
            grad[j, U(0)] += value * x
            grad[j, U(1)] += value * y
            grad[j, U(2)] += value * z
    return total


@njit(**FAST)
def displaced(displacement, areas, scale, grad):
    """scale sum_i A_i |d_i|^2 of displacement d (V, 3) with areas A (V,)."""
    total = 0.0
    for i in range(U(displacement.shape[0])):
        share = np.float32(scale * areas[i])
        for k in range(U(3)):
            d = displacement[i, k]
            total += share * d * d
            grad[i, k] += np.float32(2) * share * d
    return total


@njit(**FAST)
def stretched(verts, edges, lengths, grad):
    """mean_e (l_e / l0_e - 1)^2 of verts (V, 3), edges (E, 2) of lengths l0 (E,)."""
    total, count = 0.0, edges.shape[0]
    for e in range(U(count)):
        a, b = U(edges[e, U(0)]), U(edges[e, U(1)])
        x = verts[a, U(0)] - verts[b, U(0)]
        y = verts[a, U(1)] - verts[b, U(1)]
        z = verts[a, U(2)] - verts[b, U(2)]
        length = math.sqrt(x * x + y * y + z * z)
        change = length / lengths[e] - 1
        total += change * change
        force = np.float32(2 * change / (max(length, TINY) * lengths[e] * count))
        for k, pull in ((U(0), force * x), (U(1), force * y), (U(2), force * z)):
            grad[a, k] += pull
            grad[b, k] -= pull
    return total / count


@njit(**FAST)
def varied(albedo, edges, lengths, scale, grad):
    """scale mean_e mean_c |a_ic - a_jc| / l0_e of albedo a (V, 3) over edges e = (i, j) (E, 2)."""
    total, count = 0.0, edges.shape[0]
    for e in range(U(count)):
        a, b = U(edges[e, U(0)]), U(edges[e, U(1)])
        share = np.float32(scale / (3 * lengths[e] * count))
        for k in range(U(3)):
            difference = albedo[a, k] - albedo[b, k]
            total += share * abs(difference)
            pull = share if difference > 0 else (-share if difference < 0 else np.float32(0))
            grad[a, k] += pull
            grad[b, k] -= pull
    return total


@njit(**FAST)
def folded(verts, faces, normals, cosine, grad):
    """mean_f max(0, cosine - n_f . n0_f) of faces (F, 3), whose unit normals n0 (F, 3) were."""
    total, count = 0.0, faces.shape[0]
    for f in range(U(count)):
        a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
        first, second = edges_from(verts, a, b, c)
        normal = cross(first, second)
        x, y, z = normal
        x0, y0, z0 = normals[f, U(0)], normals[f, U(1)], normals[f, U(2)]
        length = max(math.sqrt(x * x + y * y + z * z), TINY)
        along = (x * x0 + y * y0 + z * z0) / length
        if not along < cosine:
            continue
        total += cosine - along
        share = -1 / (length * count)  # of d along / d normal = (n0 - along n) / length
        g = (
            np.float32(share * (x0 - along * x / length)),
            np.float32(share * (y0 - along * y / length)),
            np.float32(share * (z0 - along * z / length)),
        )
        by_first, by_second = cross(second, g), cross(g, first)
        for k in range(3):
            axis = U(k)
            grad[b, axis] += by_first[k]
            grad[c, axis] += by_second[k]
            grad[a, axis] -= by_first[k] + by_second[k]
    return total / count
