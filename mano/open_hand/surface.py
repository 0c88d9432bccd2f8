"""The hand's surface: cut out of the body and split into triangles."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from mano.open_hand.anatomy import CUBES, wrist_frame
from mano.open_hand.makehuman import MakeHuman, Phenotype

CUT_ABOVE_WRIST = 0.011  # metres on the forearm's side of MakeHuman's wrist joint
REACH = 0.26  # metres from the wrist that no part of a hand exceeds
RIM_EDGES = 20


def cut_hand(body: MakeHuman) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cut the right hand off the base mesh.

    Returns ids (V,) of the base mesh's vertices, quads (Q, 4) into them, uvs (T, 2) and quad_uvs
    (Q, 4) into those. Raises AssertionError if the rim is not one loop of RIM_EDGES edges.
    """
    verts = body.body(Phenotype())
    faces = np.array(body.groups["body"])
    quads, quad_uvs = faces[:, :, 0], faces[:, :, 1]
    cubes = np.stack([verts[body.cube_vertices(name)].mean(0) for name in CUBES])
    local = (verts - cubes[0]) @ wrist_frame(cubes).T
    inside = (local[:, 0] < CUT_ABOVE_WRIST) & (np.linalg.norm(local, axis=1) < REACH)
    chosen = inside[quads].all(1)
    quads, quad_uvs = quads[chosen], quad_uvs[chosen]
    chosen = _component_of(quads, seed=quads.ravel()[local[quads.ravel(), 0].argmin()])
    ids, quads = np.unique(quads[chosen], return_inverse=True)
    uv_ids, quad_uvs = np.unique(quad_uvs[chosen], return_inverse=True)
    quads, quad_uvs = quads.reshape(-1, 4), quad_uvs.reshape(-1, 4)
    rim = boundary_edges(quads)
    assert len(rim) == RIM_EDGES and (np.bincount(rim.ravel())[np.unique(rim)] == 2).all()
    return ids, quads, body.uvs[uv_ids], quad_uvs


def _component_of(quads: np.ndarray, seed: int) -> np.ndarray:
    """(Q,) bool: quads connected to vertex `seed` through edges."""
    a, b = quads.ravel(), np.roll(quads, -1, axis=1).ravel()
    size = quads.max() + 1
    graph = sp.coo_matrix((np.ones(len(a)), (a, b)), (size, size))
    labels = connected_components(graph, directed=False)[1]
    return labels[quads[:, 0]] == labels[seed]


def boundary_edges(polygons: np.ndarray) -> np.ndarray:
    """(E, 2) directed edges of (F, k) polygons that no neighbour shares."""
    edges = np.stack([polygons, np.roll(polygons, -1, axis=1)], axis=2).reshape(-1, 2)
    _, first, counts = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True
    )
    return edges[first[counts == 1]]


def split_quads(
    verts: np.ndarray, quads: np.ndarray, quad_uvs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Split each quad along the diagonal that leaves the larger smallest angle.

    verts (V, 3), quads and quad_uvs (Q, 4) -> faces and face_uvs, both (2 Q, 3).
    """
    first, second = ((0, 1, 2), (0, 2, 3)), ((0, 1, 3), (1, 2, 3))

    def worst(split: tuple) -> np.ndarray:
        return np.min([_smallest_angle(verts, quads[:, list(c)]) for c in split], axis=0)

    better = (worst(first) >= worst(second))[:, None, None]
    corners = np.where(better, np.array(first), np.array(second)).reshape(len(quads), 6)
    faces = np.take_along_axis(quads, corners, axis=1).reshape(-1, 3)
    return faces, np.take_along_axis(quad_uvs, corners, axis=1).reshape(-1, 3)


def _smallest_angle(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    p = verts[faces]
    ahead, back = np.roll(p, -1, axis=1) - p, np.roll(p, 1, axis=1) - p
    cosine = (ahead * back).sum(2)
    cosine /= np.linalg.norm(ahead, axis=2) * np.linalg.norm(back, axis=2)
    return np.arccos(np.clip(cosine.max(1), -1, 1))
