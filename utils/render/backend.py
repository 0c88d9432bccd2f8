"""What the renderer asks of a backend, the thing that draws: the protocol of all of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from utils.cameras import Cameras
from utils.render.fragments import Fragments, Pairs
from utils.render.samples import Samples, samples_of_drawing


@runtime_checkable
class RenderBackend(Protocol):
    """The operations that `Renderer` is made of. Backends hold no state.

    B views, V vertices, F faces; N fragments (covered pixels) and R rim pixels beside them. A
    backend derives from this class and must write the abstract operations; the others work as they
    stand, for a backend that knows a faster way to replace.
    """

    @abstractmethod
    def check_available(self, device: torch.device) -> None:
        """Raise UserError unless this machine can draw vertices that lie on `device`."""

    def px_from_world(self, cameras: Cameras, verts: Tensor) -> Tensor:
        """Homogeneous pixels (B, V, 3) = (x z, y z, z) of verts (V, 3) or (B, V, 3), world units.

        In the vertices' own precision; differentiable in verts and the cameras' K, R and t.
        """
        return cameras.px_from_world(verts)

    @abstractmethod
    def rasterize(
        self, verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor, near: float
    ) -> Fragments:
        """The covered pixels of all views, the nearest face at each, with rim pixels and rim pairs.

        verts_px (B, V, 3) float32 homogeneous pixels; faces (F, 3) int32; sizes (B, 2) int64
        height, width, on the CPU; pixel_width (B,) float32, a pixel's width at depth 1. Faces are
        seen from both sides and end at the depth `near`. The fragments' bary and depth are
        differentiable in verts_px.
        """

    @abstractmethod
    def interpolate(
        self, fragments: Fragments, attributes: Tensor, background: float | None = None
    ) -> Tensor:
        """Vertex attributes (V, C) or (B, V, C) at the fragments: (N, C) float32.

        With a background (N + R, C): rows of that number follow for the rim pixels. Differentiable
        in attributes and in the fragments' verts_px.
        """

    @abstractmethod
    def surface_pairs(self, fragments: Fragments) -> Pairs:
        """Neighbouring fragments between which one part of the surface hides another.

        In any order; p and q are fragments, never rim pixels.
        """

    @abstractmethod
    def boundary_gradient(
        self, fragments: Fragments, pairs: list[Pairs], values: Tensor, grad: Tensor
    ) -> Tensor:
        """Gradient (B, V, 3) float32 of verts_px from all pairs: `silhouette.surface_forces`.

        values, grad (N + R, C) float32: an image on fragments, then rim pixels, and the gradient
        of a loss in it. Pairs may name rim pixels. Not differentiable itself.
        """

    def samples(self, fragments: Fragments, chosen: Tensor, side: int, near: float) -> Samples:
        """What is seen at side x side points, evenly spread, of chosen (E,) int64 fragments.

        `pixel` of the result counts in `chosen`. Not differentiable.
        """
        return samples_of_drawing(self.rasterize, fragments, chosen, side, near)
