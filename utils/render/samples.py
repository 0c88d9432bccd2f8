"""Points within pixels: what a pixel shows beside what is at its centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from utils.render.fragments import Fragments


@dataclass(frozen=True)
class Samples:
    """S covered points of some pixels: pixel (S,) int64 which of these, corners (S, 3) int64
    vertices and bary (S, 3) perspective-correct barycentrics of the face that is seen.
    """

    pixel: Tensor
    corners: Tensor
    bary: Tensor

    def interpolate(self, attributes: Tensor) -> Tensor:
        """Vertex attributes (V, C) at the points (S, C)."""
        return interpolate_at(self.corners, self.bary, attributes)

    def mean_of(self, values: Tensor, otherwise: Tensor) -> Tensor:
        """Means (E, C) over each pixel's points of values (S, C); without any, `otherwise`."""
        summed = torch.zeros_like(otherwise).index_add_(0, self.pixel, values)
        count = torch.bincount(self.pixel, minlength=len(otherwise))[:, None]
        return torch.where(count > 0, summed / count.clamp(min=1), otherwise)


def interpolate_at(corners: Tensor, bary: Tensor, attributes: Tensor) -> Tensor:
    """Attributes (V, C) at points (N, C) with corners and bary (N, 3), differentiable in both."""
    return functional.embedding_bag(corners, attributes, per_sample_weights=bary, mode="sum")


def samples_of_drawing(
    backend: Any, fragments: Fragments, chosen: Tensor, side: int, near: float
) -> Samples:
    """Samples of chosen (E,) fragments from an image `side` times as fine: for any backend."""
    verts = fragments.verts_px.detach()
    fine_px = torch.cat(
        [side * verts[..., :2] + (side - 1) / 2 * verts[..., 2:], verts[..., 2:]], 2
    )
    width = fragments.pixel_width / side
    fine = backend.rasterize(fine_px, fragments.faces, fragments.sizes * side, width, near)
    number = numbered(fragments, chosen)
    pixel = number[fine.view.long(), fine.y.long() // side, fine.x.long() // side].long()
    kept = torch.nonzero(pixel >= 0)[:, 0]
    corners = fragments.faces[fine.face[kept].long()].long()
    return Samples(pixel[kept], corners, fine.bary[kept])


def numbered(fragments: Fragments, chosen: Tensor) -> Tensor:
    """Maps (B, H, W) int32 of which of the chosen (E,) fragments a pixel is, or -1."""
    height, width = fragments.sizes.amax(0).tolist()
    number = torch.full(
        (len(fragments.sizes), height, width), -1, dtype=torch.int32, device=chosen.device
    )
    view, y, x = (part[chosen].long() for part in (fragments.view, fragments.y, fragments.x))
    number[view, y, x] = torch.arange(len(chosen), dtype=torch.int32, device=chosen.device)
    return number


def nearest_of(parts: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    """inv_z (E, n), face (E, n), bary (E, n, 3): of several, whatever is nearest."""
    inv_z, face, bary = parts[0]
    for other_z, other_face, other_bary in parts[1:]:
        nearer = other_z > inv_z
        inv_z[nearer], face[nearer], bary[nearer] = (
            other_z[nearer],
            other_face[nearer],
            other_bary[nearer],
        )
    return inv_z, face, bary
