"""Coarse to fine meshes of one hand model, and the matrices that a graph network needs of them.

Level 0 is the model's own mesh; every further one keeps a subset of its vertices
(`utils.geometry.decimation`). A vertex is up-sampled from the corners of the coarse face nearest to
it, by barycentric coordinates in the rest pose (CoMA: Ranjan et al. 2018, section 3.2).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra

from utils.errors import UserError
from utils.geometry.decimation import decimate
from utils.geometry.mesh import edges_of, uniform_laplacian
from utils.io.decoding import decoding
from utils.io.files import atomic_path

LEAST_WEIGHT = 1e-9  # barycentrics below are rounding errors
VERSION = 1  # of the cached files; counts up when a change here makes them stale


@dataclass(frozen=True)
class Level:
    """One mesh: which of level 0's vertices it keeps (V,), and its faces (F, 3) among them."""

    ids: np.ndarray
    faces: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def chebyshev_operator(self) -> sp.csr_matrix:
        """The scaled graph Laplacian (V, V), whose eigenvalues lie in [-1, 1].

        2 L / 2 - I with the normalised Laplacian L = I - D^-1/2 A D^-1/2, whose eigenvalues 2
        bounds (Defferrard et al. 2016, section 2.1).
        """
        laplacian = uniform_laplacian(self.faces, len(self))
        degrees = laplacian.diagonal()
        adjacency = sp.diags(degrees) - laplacian
        scale = sp.diags(1 / np.sqrt(np.maximum(degrees, 1)))
        return (-scale @ adjacency @ scale).tocsr()


def build_hierarchy(verts: np.ndarray, faces: np.ndarray, counts: Sequence[int]) -> list[Level]:
    """Levels of a mesh (V, 3), (F, 3): itself, then one for each of the falling `counts`."""
    counts = [int(count) for count in counts]
    falling = all(a > b for a, b in zip([len(verts), *counts], counts))
    if not counts or not falling or counts[-1] < 4:
        raise UserError(
            f"gcn.levels = {counts}: expected falling numbers of vertices, less than the hand's "
            f"{len(verts)} and at least 4"
        )
    coarse = [Level(ids, f) for ids, f in decimate(verts, faces, counts)]
    return [Level(np.arange(len(verts)), np.asarray(faces, np.int64)), *coarse]


def cached_hierarchy(
    verts: np.ndarray, faces: np.ndarray, counts: Sequence[int], folder: Path | None = None
) -> list[Level]:
    """`build_hierarchy`, computed once for each mesh; kept in `folder` (default: user's cache)."""
    digest = hashlib.sha256(repr((VERSION, list(counts))).encode())
    digest.update(np.ascontiguousarray(verts, np.float64).tobytes())
    digest.update(np.ascontiguousarray(faces, np.int64).tobytes())
    path = (folder or cache_folder()) / f"hierarchy_{digest.hexdigest()[:16]}.npz"
    kept = _kept_levels(path)
    if kept:
        return kept
    levels = build_hierarchy(verts, faces, counts)
    arrays = {f"ids_{k}": level.ids for k, level in enumerate(levels)}
    arrays |= {f"faces_{k}": level.faces for k, level in enumerate(levels)}
    with atomic_path(path) as beside:
        np.savez_compressed(beside, **arrays)
    return levels


def _kept_levels(path: Path) -> list[Level]:
    """The levels in a file; none where there is none, or it is damaged."""
    try:
        with decoding(path, "damaged"), np.load(path, allow_pickle=False) as file:
            numbers = range(len(file.files) // 2)
            return [Level(file[f"ids_{k}"], file[f"faces_{k}"]) for k in numbers]
    except UserError:
        return []


def cache_folder() -> Path:
    """Where results that only depend on shipped files are kept: $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hand-reconstruction"


def upsampling(verts: np.ndarray, fine: Level, coarse: Level) -> sp.csr_matrix:
    """Matrix (fine, coarse) that interpolates on the coarse mesh; rows sum to 1, none negative.

    verts (V, 3) of level 0. Only the neighbourhood that a vertex was merged into may lend to it,
    so that a finger never borrows from the next one.
    """
    import trimesh

    points, corners = verts[fine.ids], verts[coarse.ids][coarse.faces]  # (n, 3), (F, 3, 3)
    vertex, face = _lenders(verts, fine, coarse)
    closest = trimesh.triangles.closest_point(corners[face], points[vertex])
    distance = np.linalg.norm(closest - points[vertex], axis=1)
    order = np.lexsort((distance, vertex))
    first = order[np.unique(vertex[order], return_index=True)[1]]
    weights = trimesh.triangles.points_to_barycentric(corners[face[first]], closest[first])
    weights = np.where(weights < LEAST_WEIGHT, 0, weights)
    weights /= weights.sum(1, keepdims=True)
    rows = np.repeat(vertex[first], 3)
    shape = (len(fine), len(coarse))
    matrix = sp.csr_matrix((weights.ravel(), (rows, coarse.faces[face[first]].ravel())), shape)
    matrix.eliminate_zeros()
    return matrix


def _lenders(verts: np.ndarray, fine: Level, coarse: Level) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (vertex of `fine`, face of `coarse`): the faces that may lend to a vertex.

    Those at the kept vertex that is nearest along the surface, and at its neighbours.
    """
    edges = edges_of(fine.faces)
    start, end = verts[fine.ids][edges.T]
    lengths = np.linalg.norm(start - end, axis=1)
    graph = sp.csr_matrix((lengths, tuple(edges.T)), (len(fine), len(fine)))
    kept = np.searchsorted(fine.ids, coarse.ids)
    *_, source = dijkstra(graph, False, kept, return_predecessors=True, min_only=True)
    owner = np.full(len(fine), -1)
    owner[kept] = np.arange(len(coarse))
    assigned = sp.csr_matrix(
        (np.ones(len(fine)), (np.arange(len(fine)), owner[source])), (len(fine), len(coarse))
    )
    corners = coarse.faces.ravel(), np.repeat(np.arange(len(coarse.faces)), 3)
    touches = sp.csr_matrix((np.ones(coarse.faces.size), corners))  # (coarse, F)
    vertex, face = (assigned @ touches @ touches.T @ touches).nonzero()
    return vertex, face
