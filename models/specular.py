"""Highlights: light that stands still in the world, mirrored by rough skin.

Distant light mirrored by a rough surface depends on the direction of reflection alone, up to
Fresnel's factor (the split-sum approximation; Karis 2013). It is a sum of spherical Gaussians
(Wang et al. 2009) about fixed directions, whose amounts are never negative, as light is not.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LOBES = 64  # spread evenly over the sphere
SHARPNESS = 8.0  # of a lobe: half as bright 24 degrees off, as wide as skin's highlights are
GRAZING = 6.0  # how much brighter a highlight is at a grazing angle (Schlick), less what is masked


def towards_cameras(verts: Tensor, centers: Tensor) -> Tensor:
    """Unit vectors (views, V, 3) from vertices (V, 3) to camera centres (views, 3)."""
    return torch.nn.functional.normalize(centers[:, None] - verts, dim=-1)


def lobe_responses(normals: Tensor, towards: Tensor) -> Tensor:
    """What each lobe adds (V, LOBES) where unit normals (V, 3) are seen from `towards` (V, 3)."""
    facing = (normals * towards).sum(-1, keepdim=True)
    mirrored = 2 * facing * normals - towards
    lobes = torch.exp(SHARPNESS * (mirrored @ _directions(normals).T - 1))
    return lobes * (1 + GRAZING * (1 - facing.clamp(0, 1)) ** 5)


def highlights(lobes: Tensor, normals: Tensor, towards: Tensor) -> Tensor:
    """Highlights (views, V, 3) of lobes' amounts (LOBES, 3), views seen from (views, V, 3)."""
    return torch.stack([lobe_responses(normals, view) @ lobes for view in towards])


def _directions(like: Tensor) -> Tensor:
    """Directions (LOBES, 3) of the lobes: Fibonacci's spiral."""
    k = np.arange(LOBES) + 0.5
    polar, around = np.arccos(1 - 2 * k / LOBES), np.pi * (1 + np.sqrt(5)) * k
    points = [np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)]
    return torch.from_numpy(np.stack(points, 1)).to(like)
