"""Numba kernel for the cotangents of a mesh's angles, and the areas around its vertices."""

import math

import numpy as np

from utils.compiled import FAST, U, njit
from utils.geometry.normals import cross, edges_from

SMALLEST = 1e-20  # twice a face's area, to divide by


def cotangents(verts: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of faces (F, 3): the cotangent (F, 3) of the angle opposite edge k, k + 1; and areas (V,).

    verts (V, 3) any unit; a vertex's area is a third of the faces' around it.
    """
    verts, faces = np.ascontiguousarray(verts, np.float64), np.ascontiguousarray(faces, np.int64)
    angles, areas = np.empty(faces.shape), np.zeros(len(verts))
    _measure(verts, faces, angles, areas)
    return angles, areas


@njit(**FAST)
def _measure(verts, faces, angles, areas):
    for f in range(U(faces.shape[0])):
        corners = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
        u, v = edges_from(verts, corners[0], corners[1], corners[2])
        x, y, z = cross(u, v)
        twice = math.sqrt(x * x + y * y + z * z)
        for k in range(3):
            opposite = corners[(k + 2) % 3]
            u, v = edges_from(verts, opposite, corners[k], corners[(k + 1) % 3])
            along = u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
            angles[f, U(k)] = along / max(twice, SMALLEST)
            areas[corners[k]] += twice / 6
