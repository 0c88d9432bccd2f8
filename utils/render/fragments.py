"""What rasterisation leaves: covered pixels, the pixels beside them and their boundary pairs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

FLAT = 2.0**-20  # square pixels: faces of less (twice the) area are seen edge on: no gradient
STEP = 2.0  # pixel widths of depth: less between two pixels is never an occlusion
STEEP = 4.0  # steps a pixel: a steeper surface is as good as an occlusion


@dataclass
class Pairs:
    """Neighbouring pixels between which what is seen changes by occlusion.

    p, q (P,) int: slots of the left or upper and of the right or lower pixel, counted over all
    fragments and then all rim pixels; axis (P,) int: 0 for left-right pairs, 1 for upper-lower.
    """

    p: Tensor
    q: Tensor
    axis: Tensor


@dataclass
class Fragments:
    """The covered pixels of B views, sorted by view, then row, then column.

    view, y, x, face (N,) int32 (they index tensors as they are); bary (N, 3) float32,
    perspective-correct barycentrics, and depth (N,) float32, in the unit of verts_px' z: both
    differentiable in verts_px; front (N,) bool, see `front_facing`.
    sizes (B, 2) int64 height, width on the CPU; faces (F, 3) int32; verts_px (B, V, 3) float32
    homogeneous pixels, part of the autograd graph; offsets (B + 1,) int64 on the CPU: the
    fragments of view i are offsets[i]:offsets[i + 1].
    pixel_view, pixel_y, pixel_x (N + R,) int32: the N covered pixels followed by the R rim pixels,
    which are the image's uncovered pixels that share an edge with a covered one.
    """

    view: Tensor
    y: Tensor
    x: Tensor
    face: Tensor
    bary: Tensor
    depth: Tensor
    front: Tensor
    sizes: Tensor
    faces: Tensor
    verts_px: Tensor
    offsets: Tensor
    pixel_view: Tensor
    pixel_y: Tensor
    pixel_x: Tensor
    rim_pairs: Pairs
    slots: Any = field(repr=False)  # the backend's map, to find pairs within the surface
    pixel_width: Tensor = field(repr=False)  # (B,) at depth 1: 1 / focal length
    surface_pairs: Pairs | None = field(default=None, repr=False)  # found when first needed

    def __len__(self) -> int:
        return len(self.face)

    def front_facing(self) -> Tensor:
        """(N,) bool: the face turns its outer side (where it runs counter-clockwise) to us.

        False of faces seen edge on.
        """
        return self.front

    def covered(self) -> list[np.ndarray]:
        """The covered pixels of every view, (H, W) bool."""
        images = [np.zeros(size, bool) for size in self.sizes.tolist()]
        y, x, ends = self.y.cpu().numpy(), self.x.cpu().numpy(), self.offsets.tolist()
        for image, rows in zip(images, map(slice, ends, ends[1:])):
            image[y[rows], x[rows]] = True
        return images

    def part(self, chosen: Tensor) -> Fragments:
        """Some of the fragments, (n,) int64 in ascending order, to interpolate at.

        Rim and pairs are left out.
        """
        names = ("view", "y", "x", "face", "bary", "depth", "front")
        own = {name: getattr(self, name)[chosen] for name in names}
        none = self.face[:0]
        return replace(
            self,
            **own,
            offsets=torch.searchsorted(chosen, self.offsets.to(chosen.device)).cpu(),
            pixel_view=own["view"],
            pixel_y=own["y"],
            pixel_x=own["x"],
            rim_pairs=Pairs(none, none, none),
            slots=None,
            surface_pairs=None,
        )


@dataclass
class PixelValues:
    """Values at the covered pixels and the rim pixels beside them.

    view, y, x (M,) int32; value (M,) or (M, C) float32, in the autograd graph; the first
    `covered` of them are the fragments in their order, the others are rim pixels.
    """

    view: Tensor
    y: Tensor
    x: Tensor
    value: Tensor
    covered: int
