"""Per-vertex albedo, per-view lighting and per-view gain: how a hand looks in every photo."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.lighting import radiance, sh_basis

ROUNDS = 6  # of the alternation; the residual stops falling after four or five
HUBER_RGB = 0.03  # residuals beyond this weigh less: speculars, cast shadows, other things
MIN_RADIANCE = 0.05
MIN_GAIN = 0.05  # a black photo, or one without a channel, must not divide by zero
RIDGE = 1e-3  # share of the mean diagonal added to the light's normal equations


@dataclass
class Appearance:
    """colour = albedo * radiance(normal) * gain, all sRGB-encoded as the photos are.

    albedo (V, 3); sh_coeff (views, degree^2), radiance about 1 on average; gain (views, 3), whose
    mean over channels is 1 in each view.
    """

    albedo: Tensor
    sh_coeff: Tensor
    gain: Tensor

    @property
    def degree(self) -> int:
        """Number of spherical-harmonics bands."""
        return round(self.sh_coeff.shape[1] ** 0.5)

    def vertex_colors(self, normals: Tensor) -> Tensor:
        """Colours (views, V, 3) of vertices with unit normals (V, 3).

        Shading at vertices costs one basis a vertex for all views; on meshes as fine as the
        pixels it equals shading at pixels.
        """
        shade = radiance(self.sh_coeff, sh_basis(normals, self.degree))
        return self.albedo * shade[..., None] * self.gain[:, None]

    def copy(self) -> Appearance:
        """A copy of its own, without a graph."""
        return Appearance(*(tensor.detach().clone() for tensor in self.parameters()))

    def parameters(self) -> list[Tensor]:
        """Albedo, light, gain."""
        return [self.albedo, self.sh_coeff, self.gain]

    def normalise_(self) -> None:
        """Move scale between factors: each view's gain averages 1; colours stay as they are."""
        with torch.no_grad():
            tint = self.gain.log().mean(0).exp()  # (3,) what all views share is the albedo's
            self.gain /= tint
            self.albedo *= tint
            level = self.gain.mean(1, keepdim=True)
            self.gain /= level
            self.sh_coeff *= level


def vertex_samples(
    faces: Tensor, fragments, pixels: Tensor, weight: Tensor, num_verts: int
) -> tuple[Tensor, Tensor]:
    """Mean photo colour of every vertex in every view.

    pixels (N, 3) and weight (N,) belong to the fragments. Returns colours (views, V, 3) and
    weights (views, V): the summed barycentrics, 0 where a vertex is not seen.
    """
    views = len(fragments.sizes)
    corners = faces[fragments.face.long()] + fragments.view.long()[:, None] * num_verts  # (N, 3)
    share = fragments.bary.detach() * weight[:, None]
    total = pixels.new_zeros(views * num_verts)
    summed = pixels.new_zeros(views * num_verts, 3)
    for k in range(3):
        total.index_add_(0, corners[:, k], share[:, k])
        summed.index_add_(0, corners[:, k], share[:, k : k + 1] * pixels)
    colors = summed / total.clamp(min=1e-8)[:, None]
    return colors.view(views, num_verts, 3), total.view(views, num_verts)


def solve_appearance(
    colors: Tensor, weights: Tensor, normals: Tensor, degree: int, albedo: Tensor | None = None
) -> Appearance:
    """Albedo, light and gain from vertex samples in closed form, by alternation.

    colors (views, V, 3), weights (views, V) as `vertex_samples` gives them; normals (V, 3).
    Each factor is linear given the others; robust weights (Huber) are renewed in every round.
    Vertices that no view sees get the mean albedo. `albedo` (V, 3) is a start, e.g. of a coarser
    level.
    """
    basis = sh_basis(normals, degree)
    views = len(colors)
    seen = weights.sum(0) > 1e-3
    mean_color = (colors * weights[..., None]).sum((0, 1)) / weights.sum().clamp(min=1e-8)
    state = Appearance(
        mean_color.expand_as(normals).clone() if albedo is None else albedo.detach().clone(),
        colors.new_zeros(views, basis.shape[1]),
        colors.new_ones(views, 3),
    )
    state.sh_coeff[:, 0] = 1
    robust = weights
    for _ in range(ROUNDS):
        state.sh_coeff = _solve_light(state, colors, robust, basis)
        state.gain = _solve_gain(state, colors, robust, basis)
        state.albedo = _solve_albedo(state, colors, robust, basis, seen)
        state.normalise_()
        residual = (state.vertex_colors(normals) - colors).abs().mean(-1)
        robust = weights * (HUBER_RGB / residual.clamp(min=HUBER_RGB))
    return state


def _solve_light(state: Appearance, colors: Tensor, weights: Tensor, basis: Tensor) -> Tensor:
    tinted = state.albedo * state.gain[:, None]  # (views, V, 3)
    squared = weights * tinted.square().sum(-1)
    normal = torch.einsum("vi,bv,vj->bij", basis, squared, basis)
    rhs = torch.einsum("vi,bv->bi", basis, weights * (tinted * colors).sum(-1))
    damping = RIDGE * normal.diagonal(dim1=1, dim2=2).mean(1)
    ridge = damping[:, None].expand(-1, basis.shape[1]).clone()
    ridge[:, 0] *= 1e-3
    normal = normal + torch.diag_embed(ridge + 1e-8)
    return torch.linalg.solve(normal, rhs)


def _solve_gain(state: Appearance, colors: Tensor, weights: Tensor, basis: Tensor) -> Tensor:
    shade = radiance(state.sh_coeff, basis).clamp(min=MIN_RADIANCE)
    plain = state.albedo * shade[..., None]
    above = (weights[..., None] * plain * colors).sum(1)
    below = (weights[..., None] * plain.square()).sum(1)
    gain = (above / below.clamp(min=1e-8)).clamp(min=MIN_GAIN)
    return torch.where(below > 1e-8, gain, torch.ones_like(gain))


def _solve_albedo(
    state: Appearance, colors: Tensor, weights: Tensor, basis: Tensor, seen: Tensor
) -> Tensor:
    shade = radiance(state.sh_coeff, basis).clamp(min=MIN_RADIANCE)
    factor = shade[..., None] * state.gain[:, None]
    above = (weights[..., None] * factor * colors).sum(0)
    below = (weights[..., None] * factor.square()).sum(0)
    albedo = (above / below.clamp(min=1e-8)).clamp(0, 1)
    albedo[~seen] = albedo[seen].mean(0) if seen.any() else 0.5
    return albedo
