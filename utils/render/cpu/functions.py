"""The CPU kernels with autograd: homogeneous pixels of points, barycentrics, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.render.cpu import interpolate as interpolate_kernels
from utils.render.cpu import raster
from utils.render.cpu.simd import WIDTH
from utils.render.cpu.threads import PIECES, Shares, run, share_fragments, split, thread_count
from utils.render.fragments import Fragments

FEW = 20_000  # points: fewer are not worth a thread


def as_array(tensor: Tensor) -> np.ndarray:
    """The tensor's numbers, C-contiguous."""
    return tensor.detach().contiguous().numpy()


def zeros(count: int, shape: tuple[int, ...], wanted: bool = True) -> np.ndarray:
    """Zeros (count, *shape) to add to; without rows if not wanted."""
    return np.zeros((count, *(shape if wanted else (0,) * len(shape))), np.float32)


def summed(copies: np.ndarray) -> Tensor:
    """The sum over the first dimension."""
    return torch.from_numpy(copies[0]) if len(copies) == 1 else torch.from_numpy(copies).sum(0)


def shares_of(fragments: Fragments) -> Shares:
    """The fragments, dealt out; see `share_fragments`."""
    return share_fragments(fragments.offsets.diff().numpy())


class Transform(torch.autograd.Function):
    """matrices (B, 3, 3) points (V, 3) or (B, V, 3) + offsets (B, 3): (B, V, 3)."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, matrices: Tensor, offsets: Tensor) -> Tensor:
        ctx.save_for_backward(points, matrices)
        B, V = len(matrices), points.shape[-2]
        pixels = np.empty((B, V, 3), np.float32)
        source, matrices, offsets = map(as_array, (points, matrices, offsets))
        source = source.reshape(-1, V, 3)

        def transform_some(first: int, last: int) -> None:
            raster.transform(first, last, source, matrices, offsets, pixels)

        run(transform_some, Transform.cuts(B, V))
        return torch.from_numpy(pixels)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        points, matrices = (as_array(x) for x in ctx.saved_tensors)
        to_points, to_matrices, to_offsets = ctx.needs_input_grad
        (B, V), given = grad.shape[:2], as_array(grad)
        source = points.reshape(-1, V, 3)
        by_points = zeros(len(source), (V, 3), to_points)
        by_cameras = np.empty((B, 3, 4), np.float32)
        jobs = []
        if to_matrices or to_offsets:
            views = split(0, B, min(B, thread_count()) if B * V > FEW else 1)
            jobs += [
                (raster.transform_backward_cameras, *cut, given, source, by_cameras)
                for cut in views
            ]
        if to_points:
            cuts = Transform.cuts(B, V)
            jobs += [(raster.transform_backward, *cut, given, matrices, by_points) for cut in cuts]
        run(lambda kernel, *arguments: kernel(*arguments), jobs)
        cameras = torch.from_numpy(by_cameras)
        return (
            torch.from_numpy(by_points).reshape(points.shape) if to_points else None,
            cameras[..., :3] if to_matrices else None,
            cameras[..., 3] if to_offsets else None,
        )

    @staticmethod
    def cuts(views: int, points: int) -> list[tuple[int, int]]:
        """Which points each thread does."""
        return split(0, points, thread_count() if views * points > FEW else 1)


class Geometry(torch.autograd.Function):
    """Gives barycentrics (N, 3) and depths (N,) their gradient in verts_px."""

    @staticmethod
    def forward(ctx: Any, verts_px: Tensor, fragments: Fragments) -> tuple[Tensor, Tensor]:
        bary, depth = fragments.bary, fragments.depth
        ctx.save_for_backward(verts_px, bary, depth)
        ctx.rest = fragments.faces, fragments.face, shares_of(fragments)
        return bary, depth

    @staticmethod
    def backward(ctx: Any, grad_bary: Tensor, grad_depth: Tensor) -> tuple[Tensor, None]:
        verts_px, bary, depth = map(as_array, ctx.saved_tensors)
        faces, face, shares = ctx.rest
        grad = zeros(shares.copies, verts_px.shape)
        faces, face = faces.numpy(), face.numpy()
        grad_bary, grad_depth = as_array(grad_bary), as_array(grad_depth)

        def add_share(items: np.ndarray, to: np.ndarray) -> None:
            interpolate_kernels.geometry_backward(
                items, verts_px, faces, face, bary, depth, grad_bary, grad_depth, to
            )

        run(add_share, [(items, grad[i % len(grad)]) for i, items in enumerate(shares.items)])
        return summed(grad), None


class Interpolate(torch.autograd.Function):
    """values (N, C) of attributes (V, C) or (B, V, C); gradient in attributes and verts_px.

    With a background, rows of it follow for the rim pixels.
    """

    @staticmethod
    def forward(
        ctx: Any,
        attributes: Tensor,
        verts_px: Tensor,
        fragments: Fragments,
        background: float | None,
    ) -> Tensor:
        bary = fragments.bary.detach()
        ctx.save_for_backward(attributes, verts_px, bary)
        ctx.rest = fragments.faces, fragments.face, fragments.offsets.diff().numpy()
        source = as_array(attributes).reshape(-1, *attributes.shape[-2:])
        N = len(fragments.face)
        rows = N if background is None else len(fragments.pixel_x)
        values = np.empty((rows, source.shape[-1]), np.float32)
        values[N:] = background or 0.0
        faces, face, weights = fragments.faces.numpy(), fragments.face.numpy(), bary.numpy()

        def interpolate_some(items: np.ndarray) -> None:
            spare = np.empty(WIDTH, np.float32)
            interpolate_kernels.interpolate(items, source, faces, face, weights, values, spare)

        run(interpolate_some, [(items,) for items in shares_of(fragments).items])
        return torch.from_numpy(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        attributes, verts_px, bary = map(as_array, ctx.saved_tensors)
        to_attributes, to_verts = ctx.needs_input_grad[:2]
        faces, face, covered = ctx.rest
        # Where views add to the same attributes, each share needs a copy of them.
        shares = share_fragments(covered, PIECES if attributes.ndim == 3 else 1)
        source = attributes.reshape(-1, *attributes.shape[-2:])
        channels = source.shape[2]
        padded = (*source.shape[:2], -(-channels // WIDTH) * WIDTH)
        copies = shares.copies if attributes.ndim == 3 else max(1, len(shares.items))
        grad_attributes = zeros(copies, padded, to_attributes)
        grad_verts = zeros(shares.copies, verts_px.shape, to_verts)
        faces, face, grad = faces.numpy(), face.numpy(), as_array(grad)

        def add_share(items: np.ndarray, i: int) -> None:
            interpolate_kernels.interpolate_backward(
                items, verts_px, source, faces, face, bary, grad,
                grad_attributes[i % copies], grad_verts[i % len(grad_verts)],
            )  # fmt: skip

        run(add_share, [(items, i) for i, items in enumerate(shares.items)])
        by_attributes = None
        if to_attributes:
            by_attributes = summed(grad_attributes)[..., :channels].reshape(attributes.shape)
        return by_attributes, summed(grad_verts) if to_verts else None, None, None


def transform(points: Tensor, matrices: Tensor, offsets: Tensor) -> Tensor:
    """Homogeneous pixels (B, V, 3) float32; see `Transform`."""
    return Transform.apply(points.float(), matrices.float(), offsets.float())


def interpolate(
    fragments: Fragments, attributes: Tensor, background: float | None = None
) -> Tensor:
    """Values (N, C) or (N + R, C) float32; see `RenderBackend.interpolate`."""
    return Interpolate.apply(attributes.float(), fragments.verts_px, fragments, background)
