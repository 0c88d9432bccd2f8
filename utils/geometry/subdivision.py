"""Loop subdivision as sparse matrices, so that anything on a mesh's vertices can follow it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from utils.geometry.mesh import edge_numbers, sparse_tensor


@dataclass(frozen=True)
class Subdivision:
    """A mesh after some levels of Loop subdivision: V' vertices, F' = 4^levels F faces.

    The first V of the new vertices are the old ones, moved. `matrix` (V', V) is convex: rows are
    non-negative and sum to 1, so it carries positions, skinning weights, colours and labels.
    """

    matrix: sp.csr_matrix  # (V', V) float64
    faces: np.ndarray  # (F', 3) int64
    parent_face: np.ndarray  # (F',) the old face each new face lies on
    uv: np.ndarray | None = None  # (T', 2)
    face_uv: np.ndarray | None = None  # (F', 3)

    def carry(self, values: Tensor) -> Tensor:
        """Values (..., V, C) on old vertices -> (..., V', C), differentiable."""
        flat = values.movedim(-2, 0).reshape(values.shape[-2], -1)
        if values.requires_grad or values.device.type != "cpu":
            carried = torch.sparse.mm(self._torch_matrix.to(values), flat)
        else:  # SciPy takes a quarter of the time
            carried = torch.from_numpy(self.matrix @ flat.numpy()).to(values)
        return carried.reshape(-1, *values.shape[:-2], values.shape[-1]).movedim(0, -2)

    def carry_labels(self, labels: np.ndarray) -> np.ndarray:
        """Labels (V,) that are constant on connected parts (left, right) -> (V',)."""
        first = self.matrix.indices[self.matrix.indptr[:-1]]
        return np.asarray(labels)[first]

    def carry_regressor(self, regressor: np.ndarray) -> np.ndarray:
        """Regressor (J, V) of points from old vertices -> (J, V') that gives the same points.

        Only the first V columns are used: the old vertices' block of the matrix is inverted.
        """
        size = self.matrix.shape[1]
        solved = splu(self.matrix[:size].T.tocsc()).solve(np.asarray(regressor, float).T)
        return np.hstack([solved.T, np.zeros((len(regressor), self.matrix.shape[0] - size))])

    @cached_property
    def _torch_matrix(self) -> Tensor:
        return sparse_tensor(self.matrix, like=torch.zeros(0, dtype=torch.float64))


def subdivide(
    faces: np.ndarray,
    n_verts: int,
    levels: int,
    uv: np.ndarray | None = None,
    face_uv: np.ndarray | None = None,
) -> Subdivision:
    """Subdivide `levels` times (Loop 1987; borders by cubic B-splines, as in trimesh).

    faces (F, 3) of a manifold mesh, possibly with borders and several parts. UVs are halved
    linearly on their own mesh face_uv (F, 3), so that seams stay where they are.
    """
    faces = np.asarray(faces, np.int64)
    matrix = sp.identity(n_verts, format="csr")
    parent = np.arange(len(faces))
    for _ in range(levels):
        step, faces = _loop_step(faces, matrix.shape[0])
        matrix = (step @ matrix).tocsr()
        parent = np.repeat(parent, 4)
        if uv is not None and face_uv is not None:
            edges, slots = _edges(np.asarray(face_uv, np.int64))
            face_uv = _quarter(face_uv, slots + len(uv))
            uv = np.concatenate([uv, uv[edges].mean(1)])
    return Subdivision(matrix, faces, parent, uv, face_uv)


def _edges(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unique edges (E, 2) and for each face the slots (F, 3) of its edges 01, 12, 20."""
    numbers, stride = edge_numbers(faces)
    edges, slots = np.unique(numbers, return_inverse=True)
    edges = np.stack(np.divmod(edges, stride), 1).astype(faces.dtype)
    return edges, slots.reshape(faces.shape)


def _quarter(faces: np.ndarray, midpoints: np.ndarray) -> np.ndarray:
    """(4 F, 3): three corner faces and the middle one, in the old face's orientation."""
    (a, b, c), (ab, bc, ca) = faces.T, midpoints.T
    quarters = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.stack([np.stack(quarter, axis=1) for quarter in quarters], axis=1).reshape(-1, 3)


def _loop_step(faces: np.ndarray, n_verts: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """One level: (n_verts + E, n_verts) matrix and the four times as many faces."""
    edges, slots = _edges(faces)
    uses = np.bincount(slots.ravel(), minlength=len(edges))
    if uses.max(initial=0) > 2:
        raise ValueError("an edge has more than two faces; Loop subdivision needs a manifold mesh")
    border = uses == 1
    matrix = sp.vstack(
        [_old_vertices(edges, border, n_verts), _midpoints(faces, slots, edges, border, n_verts)]
    )
    return matrix.tocsr(), _quarter(faces, slots + n_verts)


def _midpoints(
    faces: np.ndarray, slots: np.ndarray, edges: np.ndarray, border: np.ndarray, n_verts: int
) -> sp.csr_matrix:
    """New vertices: 3/8 of each end and 1/8 of each opposite corner; borders: 1/2 of each end."""
    count = len(edges)
    ends = np.where(border, 1 / 2, 3 / 8)
    opposite = np.roll(faces, 1, axis=1)  # of edges 01, 12, 20
    rows = np.concatenate([np.arange(count), np.arange(count), slots.ravel()])
    cols = np.concatenate([edges[:, 0], edges[:, 1], opposite.ravel()])
    values = np.concatenate([ends, ends, np.where(border[slots.ravel()], 0, 1 / 8)])
    return _sparse(rows, cols, values, (count, n_verts))


def _old_vertices(edges: np.ndarray, border: np.ndarray, n_verts: int) -> sp.csr_matrix:
    """Old vertices: 1 - k beta of themselves and beta of each of k neighbours (Loop's weights).

    On a border: 3/4 of themselves and 1/8 of each neighbour along it.
    """
    on_border = np.zeros(n_verts, bool)
    on_border[edges[border]] = True
    pairs = np.concatenate([edges, edges[:, ::-1]])
    along = np.concatenate([border, border])
    used = np.where(on_border[pairs[:, 0]], along, True)
    pairs = pairs[used]
    degree = np.maximum(np.bincount(pairs[:, 0], minlength=n_verts), 1)
    beta = (5 / 8 - (3 / 8 + np.cos(2 * np.pi / degree) / 4) ** 2) / degree
    beta[on_border] = 1 / 8
    total = np.bincount(pairs[:, 0], beta[pairs[:, 0]], minlength=n_verts)
    vertex = np.arange(n_verts)
    rows, cols = np.concatenate([vertex, pairs[:, 0]]), np.concatenate([vertex, pairs[:, 1]])
    return _sparse(rows, cols, np.concatenate([1 - total, beta[pairs[:, 0]]]), (n_verts, n_verts))


def _sparse(
    rows: np.ndarray, cols: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> sp.csr_matrix:
    matrix = sp.coo_matrix((values, (rows, cols)), shape).tocsr()
    matrix.eliminate_zeros()
    return matrix
