"""Vertices moved in preconditioned steps (Large Steps in Inverse Rendering, Nicolet 2021)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from utils.geometry.mesh import uniform_laplacian


class CholeskySolver:
    """Solves A x = b for a sparse symmetric positive definite A (V, V), factorised once."""

    def __init__(self, matrix: sp.spmatrix, device: torch.device | str = "cpu"):
        from cholespy import CholeskySolverF, MatrixType

        coo = matrix.tocoo()
        rows, cols = (torch.from_numpy(x.astype(np.int64)).to(device) for x in (coo.row, coo.col))
        data = torch.from_numpy(coo.data.astype(np.float64)).to(device)
        self._solver = CholeskySolverF(matrix.shape[0], rows, cols, data, MatrixType.COO)

    def __call__(self, b: Tensor) -> Tensor:
        """x (V, C) for b (V, C) float32, differentiable in b (A is symmetric)."""
        return _Solve.apply(self, b)

    def solve(self, b: Tensor) -> Tensor:
        """x for b, without a graph."""
        b = b.detach().contiguous()
        x = torch.zeros_like(b)
        self._solver.solve(b, x)
        return x


class _Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, solver: CholeskySolver, b: Tensor) -> Tensor:
        ctx.solver = solver
        return solver.solve(b)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[None, Tensor]:
        return None, ctx.solver.solve(grad)


class PreconditionedVertices:
    """Displacements d = (I + smoothness L)^-1 u with u as the parameter.

    A step in u moves whole neighbourhoods, so that noise in the gradient of one vertex doesn't
    make a spike. L is the graph Laplacian. `start` (V, 3) are the vertices at d = 0.
    """

    def __init__(self, start: Tensor, faces: np.ndarray, smoothness: float):
        self.start = start.detach()
        laplacian = uniform_laplacian(faces, len(start))
        self._solver = CholeskySolver(
            sp.identity(len(start)) + smoothness * laplacian, start.device
        )
        self.u = torch.zeros_like(self.start).requires_grad_(True)

    def displacement(self) -> Tensor:
        """d (V, 3)."""
        return self._solver(self.u)

    def verts(self) -> Tensor:
        """start + d (V, 3)."""
        return self.start + self.displacement()


class UniformAdam(torch.optim.Optimizer):
    """Adam with one step size for all coordinates (Nicolet et al. 2021, section 4.3).

    The second moment is the largest one over the tensor, so the direction of the (already
    preconditioned) gradient is kept. `lr` is in the unit of the parameter.
    """

    def __init__(self, params, lr: float, betas: tuple[float, float] = (0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._update(param, group)

    def _update(self, param: Tensor, group: dict) -> None:
        state = self.state[param]
        if not state:
            state.update(step=0, m1=torch.zeros_like(param), m2=torch.zeros_like(param))
        beta1, beta2 = group["betas"]
        state["step"] += 1
        state["m1"].lerp_(param.grad, 1 - beta1)
        state["m2"].lerp_(param.grad.square(), 1 - beta2)
        m1 = state["m1"] / (1 - beta1 ** state["step"])
        m2 = state["m2"].max() / (1 - beta2 ** state["step"])
        param.sub_(m1 / (m2.sqrt() + 1e-12), alpha=group["lr"])
