"""Per-vertex albedo, light and gain of every view, highlights: how a hand looks in every photo."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.appearance.light import Highlights, radiance, sh_basis, towards_cameras
from utils.cameras import Cameras
from utils.render import Fragments, Renderer


@dataclass
class Appearance:
    """colour = (albedo * radiance(normal) + highlights) * gain, sRGB-encoded as the photos are.

    albedo (V, 3); sh_coeff (views, degree^2), radiance about 1 on average; gain (views, 3), whose
    geometric mean over the views is 1 in each channel; lobes (LOBES, 3), the amounts of
    `models.appearance.light`, shared by all views; None: no highlights.
    """

    albedo: Tensor
    sh_coeff: Tensor
    gain: Tensor
    lobes: Tensor | None = None

    @property
    def degree(self) -> int:
        """Number of spherical-harmonics bands."""
        return round(self.sh_coeff.shape[1] ** 0.5)

    def vertex_colors(self, normals: Tensor, highlights: Tensor | None = None) -> Tensor:
        """Colours (views, V, 3) of vertices with unit normals (V, 3).

        Shading at vertices costs one basis a vertex for all views; on meshes as fine as the
        pixels it equals shading at pixels. `highlights` (views, V, 3) as `highlights_in` gives
        them; without them, the diffuse part alone.
        """
        shade = radiance(self.sh_coeff, sh_basis(normals, self.degree))
        colors = self.albedo * shade[..., None]
        if highlights is not None:
            colors = colors + highlights
        return colors * self.gain[:, None]

    def highlights_in(self, cameras: Cameras, verts: Tensor, normals: Tensor) -> Tensor | None:
        """Highlights (views, V, 3) before the gain, seen by cameras; None where there are none."""
        if self.lobes is None:
            return None
        towards = towards_cameras(verts, cameras.centers().to(verts))
        return Highlights(self.lobes)(normals, towards)

    def colors_in(self, cameras: Cameras, verts: Tensor, normals: Tensor) -> Tensor:
        """Colours (views, V, 3) of vertices (V, 3) with unit normals in as many cameras."""
        return self.vertex_colors(normals, self.highlights_in(cameras, verts, normals))

    def copy(self) -> Appearance:
        """A copy of its own, without a graph."""
        return Appearance(
            albedo=self.albedo.detach().clone(),
            sh_coeff=self.sh_coeff.detach().clone(),
            gain=self.gain.detach().clone(),
            lobes=None if self.lobes is None else self.lobes.detach().clone(),
        )

    def to(self, device: torch.device | str) -> Appearance:
        """The same on another device."""
        return Appearance(
            albedo=self.albedo.to(device),
            sh_coeff=self.sh_coeff.to(device),
            gain=self.gain.to(device),
            lobes=None if self.lobes is None else self.lobes.to(device),
        )

    def as_dict(self) -> dict[str, Tensor | None]:
        """The tensors by name, on the CPU, for a file."""
        return vars(self.copy().to("cpu"))

    def parameters(self) -> list[Tensor]:
        """What gradients refine: albedo, light, gain."""
        return [self.albedo, self.sh_coeff, self.gain]

    def normalise_(self) -> None:
        """What all views share of the gain becomes the hands' own; colours stay as they are."""
        with torch.no_grad():
            tint = self.gain.log().mean(0).exp()  # (3,)
            self.gain /= tint
            self.albedo *= tint
            if self.lobes is not None:
                self.lobes *= tint


def vertex_samples(
    renderer: Renderer, fragments: Fragments, pixels: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean photo colour of every vertex in every view.

    pixels (N, 3) and weight (N,) belong to the fragments that `renderer` drew. Returns colours
    (views, V, 3) and weights (views, V): the summed barycentrics, 0 where a vertex is not seen.
    """
    given = torch.cat([pixels, torch.ones_like(weight)[:, None]], 1) * weight[:, None]
    # Each pixel is shared out to its face's corners: the transpose of interpolation, as a
    # gradient. (Of a number: to one of anything else, torch imports sympy first.)
    with torch.enable_grad():
        corners = pixels.new_zeros(*fragments.verts_px.shape[:2], 4, requires_grad=True)
        shared_out = (renderer.interpolate(fragments, corners) * given).sum()
    (summed,) = torch.autograd.grad(shared_out, corners)
    colors, total = summed[..., :3], summed[..., 3]
    return colors / total.clamp(min=1e-8)[..., None], total


def light_for_unseen(appearance: Appearance, views: int) -> Appearance:
    """The same albedo under a light and gain for `views` cameras that were not fitted.

    The mean of the fitted views' lights, which are all given in world axes.
    """
    return Appearance(
        appearance.albedo,
        appearance.sh_coeff.mean(0, keepdim=True).expand(views, -1),
        appearance.gain.mean(0, keepdim=True).expand(views, -1),
        appearance.lobes,
    )
