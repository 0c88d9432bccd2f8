"""Points within pixels: what a pixel shows beside what is at its centre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from utils.render.fragments import Fragments


@dataclass(frozen=True)
class Samples:
    """S covered points of some pixels: pixel (S,) int64 which of these, corners (S, 3) int64
    vertices and bary (S, 3) perspective-correct barycentrics of the face that is seen, depth (S,).
    """

    pixel: Tensor
    corners: Tensor
    bary: Tensor
    depth: Tensor

    def surfaces(self) -> Surfaces:
        """The points of each pixel, nearer and farther than the middle of their depths."""
        if len(self.pixel) == 0:
            return Surfaces(self.pixel, self.depth, self.corners, self.bary, self.pixel)
        pixels = int(self.pixel.max()) + 1
        nearest, farthest = (
            self.depth.new_zeros(pixels).scatter_reduce_(
                0, self.pixel, self.depth, reduce, include_self=False
            )
            for reduce in ("amin", "amax")
        )
        behind = self.depth > ((nearest + farthest) / 2)[self.pixel]
        surface = 2 * self.pixel + behind
        order, count = surface.argsort(), torch.bincount(surface, minlength=2 * pixels)
        shown = count.nonzero()[:, 0]
        pixel, count = shown // 2, count[shown]
        share = count / torch.bincount(self.pixel, minlength=pixels)[pixel]
        weights = self.bary[order] / count.repeat_interleave(count)[:, None]
        return Surfaces(pixel, share, self.corners[order], weights, count.cumsum(0) - count)


@dataclass(frozen=True)
class Surfaces:
    """The one or two surfaces that each of some pixels shows, L in all.

    pixel (L,) int64 which of the pixels, share (L,) of it that shows the surface. Surface l is the
    mean of some points: from first[l] on, corners (S, 3) with barycentrics by their number (S, 3).
    """

    pixel: Tensor
    share: Tensor
    corners: Tensor
    weights: Tensor
    first: Tensor

    def interpolate(self, attributes: Tensor) -> Tensor:
        """Mean vertex attributes (V, C) of each surface (L, C)."""
        return functional.embedding_bag(
            self.corners.flatten(), attributes, 3 * self.first,
            per_sample_weights=self.weights.flatten(), mode="sum",
        )  # fmt: skip

    def blend(self, values: Tensor, otherwise: Tensor) -> Tensor:
        """Pixels (E, C) as the mix of their surfaces' values (L, C); without any, `otherwise`."""
        mixed = torch.zeros_like(otherwise).index_add_(0, self.pixel, self.share[:, None] * values)
        shown = torch.bincount(self.pixel, minlength=len(otherwise))[:, None] > 0
        return torch.where(shown, mixed, otherwise)


def interpolate_at(corners: Tensor, bary: Tensor, attributes: Tensor) -> Tensor:
    """Attributes (V, C) at points (N, C) with corners and bary (N, 3), differentiable in both."""
    return functional.embedding_bag(corners, attributes, per_sample_weights=bary, mode="sum")


def samples_of_drawing(
    rasterize: Callable[[Tensor, Tensor, Tensor, Tensor, float], Fragments],
    fragments: Fragments,
    chosen: Tensor,
    side: int,
    near: float,
) -> Samples:
    """Samples of chosen (E,) fragments from an image `side` times as fine.

    For any backend, given its `rasterize`; see `RenderBackend.samples`.
    """
    verts = fragments.verts_px.detach()
    fine_px = torch.cat(
        [side * verts[..., :2] + (side - 1) / 2 * verts[..., 2:], verts[..., 2:]], 2
    )
    width = fragments.pixel_width / side
    fine = rasterize(fine_px, fragments.faces, fragments.sizes * side, width, near)
    number = numbered(fragments, chosen)
    pixel = number[fine.view.long(), fine.y.long() // side, fine.x.long() // side].long()
    kept = torch.nonzero(pixel >= 0)[:, 0]
    corners = fragments.faces[fine.face[kept].long()].long()
    return Samples(pixel[kept], corners, fine.bary.detach()[kept], fine.depth.detach()[kept])


def numbered(fragments: Fragments, chosen: Tensor) -> Tensor:
    """Maps (B, H, W) int32 of which of the chosen (E,) fragments a pixel is, or -1."""
    height, width = fragments.sizes.amax(0).tolist()
    number = torch.full(
        (len(fragments.sizes), height, width), -1, dtype=torch.int32, device=chosen.device
    )
    view, y, x = (i[chosen].long() for i in (fragments.view, fragments.y, fragments.x))
    number[view, y, x] = torch.arange(len(chosen), dtype=torch.int32, device=chosen.device)
    return number


def nearest_of(drawings: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """inv_z (E, n), face (E, n), bary (E, n, 3): of several, whatever is nearest."""
    inv_z, face, bary = drawings[0]
    for other_z, other_face, other_bary in drawings[1:]:
        nearer = other_z > inv_z
        inv_z[nearer], face[nearer], bary[nearer] = (
            other_z[nearer],
            other_face[nearer],
            other_bary[nearer],
        )
    return inv_z, face, bary
