"""Spherical-harmonics lighting of a diffuse surface (paper section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor


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
