"""Layers of a graph network on the vertices of meshes; features are (V, B, C), vertices first.

That order makes every sparse product one pass over rows of B * C numbers that lie together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

GROUP_CHANNELS = 8


class SparseMatrix(nn.Module):
    """A constant sparse matrix (M, N) that maps features (N, ...) to (M, ...), differentiably."""

    def __init__(self, matrix: sp.spmatrix) -> None:
        super().__init__()
        for name, rows in (("forward", matrix.tocsr()), ("backward", matrix.T.tocsr())):
            self.register_buffer(f"{name}_start", _ids(rows.indptr[:-1]), persistent=False)
            self.register_buffer(f"{name}_column", _ids(rows.indices), persistent=False)
            values = torch.from_numpy(rows.data.astype(np.float32))
            self.register_buffer(f"{name}_value", values, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, ...) -> (M, ...)."""
        start, column, value = self.forward_start, self.forward_column, self.forward_value
        if torch.is_grad_enabled():
            rows = _Product.apply(
                x.flatten(1),
                start,
                column,
                value,
                self.backward_start,
                self.backward_column,
                self.backward_value,
            )
        else:  # the same without a graph's overhead, which counts for single hands
            rows = _weighted_rows(x.flatten(1), start, column, value)
        return rows.unflatten(1, x.shape[1:])


def _ids(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))


class _Product(torch.autograd.Function):
    """Sparse times dense as a weighted sum of rows: on CPUs faster than torch.sparse.

    start, column, value are the matrix' rows, back_start and so on those of its transpose.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        start: Tensor,
        column: Tensor,
        value: Tensor,
        back_start: Tensor,
        back_column: Tensor,
        back_value: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(back_start, back_column, back_value)
        return _weighted_rows(x, start, column, value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        start, column, value = ctx.saved_tensors
        by_x = _weighted_rows(grad.contiguous(), start, column, value)
        return by_x, None, None, None, None, None, None


def _weighted_rows(x: Tensor, start: Tensor, column: Tensor, value: Tensor) -> Tensor:
    return F.embedding_bag(column, x, start, mode="sum", per_sample_weights=value.to(x))


class ChebyshevConv(nn.Module):
    """Spectral graph convolution: sum of T_k(L) x W_k for k = 0 ... order.

    Defferrard et al. 2016, equation 4. Evaluated by Clenshaw's recurrence, which applies L to the
    outputs' channels and needs all x W_k at once: one dense product, then `order` sparse ones.
    """

    def __init__(self, operator: SparseMatrix, inputs: int, outputs: int, order: int) -> None:
        super().__init__()
        self.operator, self.outputs, self.order = operator, outputs, order
        self.weight = nn.Parameter(torch.empty(inputs, (order + 1) * outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.normal_(self.weight, std=(1 / (inputs * (order + 1))) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(V, B, inputs) -> (V, B, outputs)."""
        terms = (x @ self.weight).split(self.outputs, dim=-1)
        later, last = terms[-1], None  # b_{k+1}, b_{k+2} of the recurrence
        for term in reversed(terms[1:-1]):
            step = term + 2 * self.operator(later)
            later, last = (step if last is None else step - last), later
        if self.order == 0:
            return later + self.bias
        result = terms[0] + self.operator(later) + self.bias
        return result if last is None else result - last


class GroupNorm(nn.Module):
    """Normalises each sample over all vertices and groups of GROUP_CHANNELS channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.groups = max(channels // GROUP_CHANNELS, 1)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(V, B, C) -> (V, B, C)."""
        mean = self._pooled(x.mean(0))
        variance = self._pooled(x.square().mean(0)) - mean.square()
        scale = self.weight * (variance.clamp(min=0) + 1e-5).rsqrt()
        return torch.addcmul(self.bias - mean * scale, x, scale)

    def _pooled(self, x: Tensor) -> Tensor:
        """(B, C): every channel's value averaged over its group."""
        grouped = x.unflatten(-1, (self.groups, -1))
        return grouped.mean(-1, keepdim=True).expand_as(grouped).flatten(-2)


class GraphBlock(nn.Module):
    """Normalise, rectify, convolve, and add to the input."""

    def __init__(self, operator: SparseMatrix, channels: int, order: int) -> None:
        super().__init__()
        self.norm = GroupNorm(channels)
        self.conv = ChebyshevConv(operator, channels, channels, order)

    def forward(self, x: Tensor) -> Tensor:
        """(V, B, channels) -> (V, B, channels)."""
        return x + self.conv(F.relu(self.norm(x)))
