"""Cameras on a circle around the hands."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from utils.cameras.pinhole import Cameras

FILLS = 0.9  # of the image's shorter side


def orbit_cameras(points: Tensor, seen_from: Cameras, count: int, size: tuple[int, int]) -> Cameras:
    """`count` cameras of `size` (height, width) on a circle about points (V, 3), looking at them.

    The circle's axis points up in the pictures of `seen_from`, on average, and it starts at the
    first of them, at their median distance; the points fill the image from everywhere.
    """
    points = points.to(seen_from.R)
    centre = (points.amin(0) + points.amax(0)) / 2
    up = torch.nn.functional.normalize(-seen_from.R[:, 1].sum(0), dim=0)
    offsets = seen_from.centers() - centre
    distance = float(offsets.norm(dim=1).median())
    out = offsets[0] - (offsets[0] @ up) * up
    if float(out.norm()) < 1e-6 * distance:  # the first camera looks along the axis
        out = seen_from.R[0, 0]
    out = torch.nn.functional.normalize(out, dim=0)
    side = torch.linalg.cross(up, out)
    angles = [2 * math.pi * k / count for k in range(count)]
    outward = torch.stack([math.cos(a) * out + math.sin(a) * side for a in angles])
    rows = torch.linalg.cross(-up.expand_as(outward), -outward), -up.expand_as(outward), -outward
    R = torch.stack(rows, 1)
    centres = centre + distance * outward
    t = -(R @ centres[..., None])[..., 0]
    radius = float((points - centre).norm(dim=1).max())
    height, width = size
    focal = FILLS * min(size) / 2 * math.sqrt(max(distance**2 - radius**2, 1e-12)) / radius
    K = torch.tensor([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    K = K.to(R).expand(count, -1, -1)
    return Cameras(K, R, t, torch.tensor([size] * count))
