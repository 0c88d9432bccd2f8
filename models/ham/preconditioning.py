"""Vertices moved in preconditioned steps (Large Steps in Inverse Rendering, Nicolet 2021)."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from utils.adam import Steps, moments
from utils.cholesky import SparseCholesky
from utils.errors import UserError
from utils.geometry.mesh import uniform_laplacian

TINY = 1e-12  # so that no gradient is no step


class CholeskySolver:
    """Solves A x = b for a sparse symmetric positive definite A (V, V), factorised once.

    On CUDA by cholespy; raises UserError where it is not installed.
    """

    def __init__(self, matrix: sp.spmatrix, device: torch.device | str = "cpu"):
        on_cpu = torch.device(device).type == "cpu"
        self._solve = _solution_on_cpu(matrix) if on_cpu else _solution_on_cuda(matrix, device)

    def __call__(self, b: Tensor) -> Tensor:
        """x (V, C) for b (V, C) float32, differentiable in b (A is symmetric)."""
        return _Solve.apply(self, b)

    def solve(self, b: Tensor) -> Tensor:
        """x for b, without a graph."""
        return self._solve(b.detach().contiguous())


def _solution_on_cpu(matrix: sp.spmatrix) -> Callable[[Tensor], Tensor]:
    factors = SparseCholesky(matrix)
    return lambda b: torch.from_numpy(factors.solve(b.numpy()))


def _solution_on_cuda(
    matrix: sp.spmatrix, device: torch.device | str
) -> Callable[[Tensor], Tensor]:
    if importlib.util.find_spec("cholespy") is None:
        raise UserError(
            "HAM on CUDA needs cholespy, which is not installed: "
            "pip install -r requirements-gpu.txt, or run with --device cpu"
        )
    from cholespy import CholeskySolverF, MatrixType

    coo = matrix.tocoo()
    rows, cols = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (coo.row, coo.col))
    data = torch.from_numpy(coo.data.astype(np.float64)).to(device)
    solver = CholeskySolverF(matrix.shape[0], rows, cols, data, MatrixType.COO)

    def solution(b: Tensor) -> Tensor:
        x = torch.zeros_like(b)
        solver.solve(b, x)
        return x

    return solution


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, solver: CholeskySolver, b: Tensor) -> Tensor:
        ctx.solver = solver
        return solver.solve(b)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[None, Tensor]:
        return None, ctx.solver.solve(grad)


def smoothing_solver(
    faces: np.ndarray, count: int, smoothness: float, device: torch.device | str = "cpu"
) -> CholeskySolver:
    """(I + smoothness L)^-1 of `count` vertices, L the graph Laplacian of faces (F, 3)."""
    matrix = sp.identity(count) + smoothness * uniform_laplacian(faces, count)
    return CholeskySolver(matrix, device)


class PreconditionedVertices:
    """Displacements d = (I + smoothness L)^-1 u with u as the parameter.

    A step in u moves whole neighbourhoods, so that noise in the gradient of one vertex doesn't
    make a spike. L is the graph Laplacian. `start` (V, 3) are the vertices at d = 0.
    """

    def __init__(self, start: Tensor, faces: np.ndarray, smoothness: float):
        self.start = start.detach()
        self._solver = smoothing_solver(faces, len(start), smoothness, start.device)
        self.u = torch.zeros_like(self.start).requires_grad_(True)

    def displacement(self) -> Tensor:
        """d (V, 3)."""
        return self._solver(self.u)

    def verts(self) -> Tensor:
        """start + d (V, 3)."""
        return self.start + self.displacement()


class UniformAdam(Steps):
    """Adam with one step size for all coordinates (Nicolet et al. 2021, section 4.3).

    The second moment is the largest one over the tensor, so the direction of the (already
    preconditioned) gradient is kept. `lr` is in the unit of the parameter.
    """

    def __init__(
        self, params: Sequence[Tensor], lr: float, betas: tuple[float, float] = (0.9, 0.99)
    ):
        super().__init__([{"params": params, "lr": lr}], betas=betas)

    def move(
        self, parameter: Tensor, grad: Tensor, group: dict[str, Any], kept: dict[str, Any]
    ) -> None:
        """See `Steps.move`."""
        first, second, bias1, bias2 = moments(grad, *group["betas"], kept)
        largest = (second.max() / bias2).sqrt() + TINY
        parameter.sub_(first / largest, alpha=group["lr"] * self.factor / bias1)
