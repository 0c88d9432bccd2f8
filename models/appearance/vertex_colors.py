"""Colours of the vertices that each view sees, on the CPU: kernels with autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.appearance import kernels
from models.appearance.light import GRAZING, RADIUS, Highlights
from models.appearance.model import Appearance
from utils.cameras import Cameras
from utils.render.cpu.functions import FEW
from utils.render.cpu.threads import PIECES, run, split, thread_count


def seen_colors(
    appearance: Appearance, cameras: Cameras, verts: Tensor, normals: Tensor, seen: Tensor
) -> Tensor:
    """`Appearance.colors_in` (views, V, 3) where seen (views, V) bool; 0 elsewhere.

    Float32 tensors on the CPU. Differentiable in albedo, light, gain, verts, normals and cameras,
    not in the highlights' lobes.
    """
    with torch.no_grad():
        shining = appearance.lobes is not None
        table = kernel_table(Highlights(appearance.lobes) if shining else None)
    centers = cameras.centers().to(verts)
    lit = appearance.albedo, appearance.sh_coeff, appearance.gain
    return _SeenColors.apply(*lit, normals, verts, centers, table, seen)


def kernel_table(highlights: Highlights | None) -> Tensor:
    """The highlights' table (side, 2 side, 3), as the kernels take it; without rows if there are
    none."""
    if highlights is None:
        return torch.zeros(0, 0, 3)
    return highlights.table[0].permute(1, 2, 0).contiguous()


class _SeenColors(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        arrays = [tensor.detach().contiguous().numpy() for tensor in tensors]
        *given, table, seen = arrays
        ctx.arrays = [*given, table, np.float32(RADIUS), np.float32(GRAZING), seen.view(np.uint8)]
        views, count, functions = *seen.shape, given[1].shape[1]
        colors = np.empty((views, count, 3), np.float32)

        def color_some(first: int, last: int) -> None:
            basis = np.empty(functions, np.float32)
            kernels.vertex_colors(first, last, *ctx.arrays, basis, colors)

        run(color_some, split(0, count, thread_count()))
        return torch.from_numpy(colors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        albedo, light, gain, normals, verts, centers = ctx.arrays[:6]
        by_albedo, by_normals, by_verts = (np.zeros_like(x) for x in (albedo, normals, verts))
        pieces = thread_count() * (PIECES if len(verts) > FEW else 1)
        cuts, grad_np = split(0, len(verts), pieces), grad.contiguous().numpy()
        sums = [np.zeros((len(cuts), *x.shape)) for x in (light, gain, centers)]

        def add_some(first: int, last: int, i: int) -> None:
            basis, by_basis = np.empty((2, light.shape[1]), np.float32)
            by_light, by_gain, by_centers = (total[i] for total in sums)
            kernels.vertex_colors_backward(
                first, last, *ctx.arrays, grad_np, basis, by_basis, by_albedo, by_light, by_gain,
                by_normals, by_verts, by_centers,
            )  # fmt: skip

        run(add_some, [(*cut, i) for i, cut in enumerate(cuts)])
        by_light, by_gain, by_centers = (total.sum(0).astype(np.float32) for total in sums)
        found = by_albedo, by_light, by_gain, by_normals, by_verts, by_centers
        return *(torch.from_numpy(x) for x in found), None, None
