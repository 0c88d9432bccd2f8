"""Light: spherical harmonics on diffuse skin (paper section 3.2), and highlights.

Highlights are light that stands still in the world, mirrored by rough skin. Distant light mirrored
by a rough surface depends on the direction of reflection alone, up to a factor that grows towards
grazing angles (the split-sum approximation; Karis 2013). It is a sum of spherical Gaussians (Wang
et al. 2009) about fixed directions, whose amounts are never negative, as light is not.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

LOBES = 64  # spread evenly over the sphere
SHARPNESS = 10.0  # of a lobe: half as bright 21 degrees off, as wide as skin's highlights are
SIDE = 96  # points along a side of each of the two maps of `Highlights`
RADIUS = 0.95  # of a hemisphere in its map, whose half side is 1
GRAZING = 3.0  # how much brighter a highlight is at a grazing angle
GRAZING_POWER = 1.5  # of 1 - cosine: roughness and sRGB's curve leave little of Schlick's steep 5


def sh_basis(normals: Tensor, degree: int = 3) -> Tensor:
    """Real spherical harmonics (..., degree^2) of unit normals (..., 3), without their constants.

    Order 1, y, z, x, xy, yz, 2z^2 - x^2 - y^2, zx, x^2 - y^2, so that stored coefficients mean
    what the reference's do. `degree` 1, 2 or 3 gives 1, 4 or 9 functions; irradiance holds hardly
    more than nine (Ramamoorthi and Hanrahan 2001). Raises ValueError on any other degree.
    """
    if degree not in (1, 2, 3):
        raise ValueError(f"degree is {degree}; expected 1, 2 or 3")
    x, y, z = normals.unbind(-1)
    bands = [torch.ones_like(x)]
    if degree > 1:
        bands += [y, z, x]
    if degree > 2:
        bands += [x * y, y * z, 2 * z * z - x * x - y * y, z * x, x * x - y * y]
    return torch.stack(bands, -1)


def radiance(sh_coeff: Tensor, basis: Tensor) -> Tensor:
    """Shading (views, V) of vertices with `basis` (V, n) under `sh_coeff` (views, n)."""
    return sh_coeff @ basis.T


def light_spread(sh_coeff: Tensor) -> Tensor:
    """Mean squared difference of the views' light (views, n) from their mean.

    Lamps stand still in the world; what differs between views is what the model can't say.
    """
    return (sh_coeff - sh_coeff.mean(0)).square().mean()


def towards_cameras(verts: Tensor, centers: Tensor) -> Tensor:
    """Unit vectors (views, V, 3) from vertices (V, 3) to camera centres (views, 3)."""
    return torch.nn.functional.normalize(centers[:, None] - verts, dim=-1)


def lobe_responses(normals: Tensor, towards: Tensor) -> Tensor:
    """What each lobe adds (V, LOBES) where unit normals (V, 3) are seen from `towards` (V, 3)."""
    facing, mirrored = mirrored_at(normals, towards)
    return torch.exp(SHARPNESS * (mirrored @ _directions(normals).T - 1)) * _grazing(facing)


class Highlights:
    """Highlights of given lobes, tabulated: quick, and differentiable in normals and places.

    lobes (LOBES, 3). The sum of lobes is smooth, so that bilinear interpolation in two maps of
    hemispheres gives it to 1 %. The maps are paraboloids' mirror images (Heidrich and Seidel 1998),
    side by side, each with a margin beyond its hemisphere.
    """

    def __init__(self, lobes: Tensor):
        values = _lobes_on_maps(lobes.device, lobes.dtype) @ lobes
        self.table = values.movedim(-1, 0)[None]  # (1, 3, SIDE, 2 SIDE): y, then x

    def __call__(self, normals: Tensor, towards: Tensor) -> Tensor:
        """(views, V, 3) of unit normals (V, 3) seen from unit `towards` (views, V, 3)."""
        facing, mirrored = mirrored_at(normals, towards)
        x, y, z = mirrored.to(self.table).unbind(-1)
        scale = RADIUS / (1 + z.abs())
        where = torch.stack([(x * scale + torch.where(z < 0, -1, 1)) / 2, y * scale], -1)
        shine = torch.nn.functional.grid_sample(self.table, where[None], align_corners=True)
        return shine[0].movedim(0, -1).to(normals) * _grazing(facing)


@lru_cache(maxsize=2)
def _lobes_on_maps(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Every lobe (SIDE, 2 SIDE, LOBES) at the maps' points: the same in all steps."""
    y, x = (torch.linspace(-1, 1, n, device=device, dtype=dtype) for n in (SIDE, 2 * SIDE))
    y, x = torch.meshgrid(y, x, indexing="ij")
    up = torch.where(x < 0, -1, 1).to(x)
    u, v = (2 * x - up) / RADIUS, y / RADIUS
    squared = u * u + v * v
    points = torch.stack([2 * u, 2 * v, (1 - squared) * up], -1) / (1 + squared)[..., None]
    return torch.exp(SHARPNESS * (points @ _directions(points).T - 1))


def mirrored_at(normals: Tensor, towards: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine (..., 1) of `towards` to the normal, and `towards` mirrored by the normal (..., 3)."""
    facing = (normals * towards).sum(-1, keepdim=True)
    return facing, 2 * facing * normals - towards


def _grazing(facing: Tensor) -> Tensor:
    return 1 + GRAZING * (1 - facing.clamp(0, 1)) ** GRAZING_POWER


def spiral(count: int) -> Tensor:
    """Unit vectors (count, 3) spread evenly over the sphere: Fibonacci's spiral."""
    k = np.arange(count) + 0.5
    polar, around = np.arccos(1 - 2 * k / count), np.pi * (1 + np.sqrt(5)) * k
    points = [np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)]
    return torch.from_numpy(np.stack(points, 1))


def _directions(like: Tensor) -> Tensor:
    """Directions (LOBES, 3) of the lobes."""
    return spiral(LOBES).to(like)
