"""Triangle meshes as arrays and tensors: normals, edges, Laplacians. One routine for each."""

from __future__ import annotations

import hashlib

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from utils.geometry.kept import kept_by_faces

COTANGENT_RANGE = (0.02, 20.0)  # keeps slivers from dominating or turning weights negative


def face_normals(verts: Tensor, faces: Tensor) -> Tensor:
    """Cross products of the faces' edges (F, 3): unit direction times twice the area."""
    a, b, c = (verts[faces[:, k]] for k in range(3))
    return torch.linalg.cross(b - a, c - a)


def vertex_normals(verts: Tensor, faces: Tensor) -> Tensor:
    """Unit normals (V, 3), area-weighted over the faces around each vertex.

    verts (V, 3) float, faces (F, 3) int64, counter-clockwise seen from outside.
    """
    if verts.device.type == "cpu" and verts.dtype == torch.float32:
        from utils.geometry.normals import VertexNormals

        return VertexNormals.apply(verts, faces)
    scaled = face_normals(verts, faces)
    summed = torch.zeros_like(verts)
    for k in range(3):
        summed = summed.index_add(0, faces[:, k], scaled)
    return torch.nn.functional.normalize(summed, dim=1)


def mesh_name(verts: np.ndarray, faces: np.ndarray) -> str:
    """A short name that differs for every mesh: a hash of vertices (V, 3) and faces (F, 3).

    Vertices count in single precision.
    """
    digest = hashlib.sha256(verts.astype("<f4").tobytes())
    digest.update(faces.astype("<i4").tobytes())
    return digest.hexdigest()[:16]


@kept_by_faces
def edges_of(faces: np.ndarray) -> np.ndarray:
    """Unique undirected edges (E, 2) of faces (F, 3), lower vertex first, in order."""
    numbers, stride = edge_numbers(faces)
    return np.stack(np.divmod(np.unique(numbers), stride), 1).astype(np.asarray(faces).dtype)


@kept_by_faces
def boundary_vertices(faces: np.ndarray) -> np.ndarray:
    """Ids of the vertices on open borders (a hand's wrist loop)."""
    numbers, stride = edge_numbers(faces)
    numbers, counts = np.unique(numbers, return_counts=True)
    return np.unique(np.stack(np.divmod(numbers[counts == 1], stride))).astype(faces.dtype)


@kept_by_faces
def open_edges(faces: Tensor) -> Tensor:
    """Directed edges (E, 2) that only one face has."""
    edges = faces.long()[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    low, high = edges.amin(1), edges.amax(1)
    number = low * (int(edges.max()) + 1) + high  # rows would take ten times as long to compare
    _, inverse, count = number.unique(return_inverse=True, return_counts=True)
    return edges[count[inverse] == 1]


def edge_numbers(faces: np.ndarray) -> tuple[np.ndarray, int]:
    """The three edges of every face (3 F,), each as lower vertex * stride + upper; the stride.

    Numbers are compared in a tenth of the time that rows take.
    """
    ends = np.asarray(faces, np.int64)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    stride = int(ends.max(initial=0)) + 1
    return ends.min(1) * stride + ends.max(1), stride


def uniform_laplacian(faces: np.ndarray, num_verts: int) -> sp.csr_matrix:
    """Graph Laplacian (V, V): degree on the diagonal, -1 for each edge."""
    i, j = edges_of(faces).T
    adjacency = sp.coo_matrix((np.ones(len(i)), (i, j)), (num_verts, num_verts))
    adjacency = (adjacency + adjacency.T).tocsr()
    return sp.diags(np.asarray(adjacency.sum(1)).ravel()).tocsr() - adjacency


def cotangent_laplacian(verts: np.ndarray, faces: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """Stiffness (V, V), positive semi-definite, and lumped vertex areas (V,).

    The discretisation of Meyer et al. 2003 with cotangents clipped to COTANGENT_RANGE.
    x^T L x approximates the integral of |grad x|^2 over the surface, whatever its resolution.
    """
    from utils.geometry.cotangents import cotangents

    angles, areas = cotangents(verts, faces)
    weights = np.tile(np.clip(angles, *COTANGENT_RANGE).T.ravel() / 2, 2)
    starts, ends = faces.T.ravel(), np.roll(faces, -1, axis=1).T.ravel()
    places = np.concatenate([starts, ends]), np.concatenate([ends, starts])
    off = sp.coo_matrix((weights, places), (len(verts), len(verts))).tocsr()
    return sp.diags(np.asarray(off.sum(1)).ravel()).tocsr() - off, areas


def sparse_tensor(matrix: sp.spmatrix, like: Tensor) -> Tensor:
    """A scipy matrix as a coalesced torch tensor with the dtype and device of `like`."""
    coo = matrix.tocoo()
    indices = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
    values = torch.from_numpy(coo.data)
    tensor = torch.sparse_coo_tensor(indices, values, coo.shape, check_invariants=False)
    return tensor.to(device=like.device, dtype=like.dtype).coalesce()
