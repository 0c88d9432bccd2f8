"""Positional encoding along the axes of an icosahedron, the network's view of small numbers.

Unlike sines of x, y and z, those along directions spread evenly over the sphere treat all
orientations nearly alike (mip-NeRF 360, Barron et al. 2022, appendix).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def icosahedral_directions() -> Tensor:
    """The six axes (6, 3) of a regular icosahedron through opposite corners, unit vectors."""
    golden = (1 + math.sqrt(5)) / 2
    corners = [(0, 1, golden), (0, 1, -golden)]
    corners = [corner[k:] + corner[:k] for corner in corners for k in range(3)]
    return torch.nn.functional.normalize(torch.tensor(corners, dtype=torch.float32), dim=1)


def encoded_size(bands: int) -> int:
    """Numbers that `encode` makes of three."""
    return 3 + 12 * bands


def encode(points: Tensor, bands: int) -> Tensor:
    """Points (..., 3) and the sines and cosines of their six icosahedral coordinates.

    Band b has frequency pi 2^(b-1): points within [-1, 1] meet no wave twice in the first band.
    Returns (..., 3 + 12 bands); 0 bands leaves the points alone.
    """
    along = points @ icosahedral_directions().to(points).T * (math.pi / 2)
    waves = [along * 2**band for band in range(bands)]
    return torch.cat([points, *map(torch.sin, waves), *map(torch.cos, waves)], -1)
