"""Vertex normals on the CPU as one kernel, with their gradient in closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.compiled import FAST, SMALL, U, njit

TINY = np.float32(1e-12)  # as torch.nn.functional.normalize divides by at least


@njit(**SMALL)
def edges_from(verts, a, b, c):
    """The edges b - a and c - a of a face."""
    first = (
        verts[b, U(0)] - verts[a, U(0)],
        verts[b, U(1)] - verts[a, U(1)],
        verts[b, U(2)] - verts[a, U(2)],
    )
    second = (
        verts[c, U(0)] - verts[a, U(0)],
        verts[c, U(1)] - verts[a, U(1)],
        verts[c, U(2)] - verts[a, U(2)],
    )
    return first, second


@njit(**SMALL)
def cross(u, v):
    """u x v of tuples."""
    return u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]


@njit(**FAST)
def _sum_normals(verts, faces, normals, lengths):
    """normals (V, 3), zeros before: unit sums of the faces' cross products; their lengths."""
    for f in range(U(faces.shape[0])):
        a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
        first, second = edges_from(verts, a, b, c)
        normal = cross(first, second)
        for k in range(U(3)):
            normals[a, k] += normal[k]
            normals[b, k] += normal[k]
            normals[c, k] += normal[k]
    for i in range(U(normals.shape[0])):
        x, y, z = normals[i, U(0)], normals[i, U(1)], normals[i, U(2)]
        length = max(np.float32(math.sqrt(x * x + y * y + z * z)), TINY)
        lengths[i] = length
        normals[i, U(0)], normals[i, U(1)], normals[i, U(2)] = x / length, y / length, z / length


@njit(**FAST)
def _sum_gradients(verts, faces, normals, lengths, grad, sums, result):
    """result (V, 3), zeros before: the gradient in verts of grad (V, 3) in the normals.

    sums (V, 3) is room for the gradient in the sums of cross products.
    """
    for i in range(U(grad.shape[0])):
        along = np.float32(0)
        for k in range(U(3)):
            along += grad[i, k] * normals[i, k]
        for k in range(U(3)):
            sums[i, k] = (grad[i, k] - along * normals[i, k]) / lengths[i]
    for f in range(U(faces.shape[0])):
        a, b, c = U(faces[f, U(0)]), U(faces[f, U(1)]), U(faces[f, U(2)])
        first, second = edges_from(verts, a, b, c)
        g = (
            sums[a, U(0)] + sums[b, U(0)] + sums[c, U(0)],
            sums[a, U(1)] + sums[b, U(1)] + sums[c, U(1)],
            sums[a, U(2)] + sums[b, U(2)] + sums[c, U(2)],
        )
        by_first, by_second = cross(second, g), cross(g, first)
        for k in range(U(3)):
            result[b, k] += by_first[k]
            result[c, k] += by_second[k]
            result[a, k] -= by_first[k] + by_second[k]


class VertexNormals(torch.autograd.Function):
    """`utils.geometry.mesh.vertex_normals` of float32 verts (V, 3) on the CPU."""

    @staticmethod
    def forward(ctx: Any, verts: Tensor, faces: Tensor) -> Tensor:
        normals, lengths = torch.zeros_like(verts), verts.new_empty(len(verts))
        arrays = (x.detach().contiguous().numpy() for x in (verts, faces, normals, lengths))
        _sum_normals(*arrays)
        ctx.save_for_backward(verts, faces, normals, lengths)
        return normals

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        arrays = [x.detach().contiguous().numpy() for x in (*ctx.saved_tensors, grad)]
        result = torch.zeros_like(grad, memory_format=torch.contiguous_format)
        _sum_gradients(*arrays, np.empty(grad.shape, np.float32), result.numpy())
        return result, None
