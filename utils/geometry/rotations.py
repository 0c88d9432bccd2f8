"""Rotations as the solvers need them: the exponential map, its derivative and its inverse."""

from __future__ import annotations

import torch
from torch import Tensor

SMALL_ANGLE = 1e-3  # radians; below, the series' first term is exact to float32's precision


def skew(r: Tensor) -> Tensor:
    """[r]x (..., 3, 3) of r (..., 3): skew(r) @ v = r x v."""
    x, y, z = r.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*r.shape, 3)


def rotation_matrices(rotvecs: Tensor) -> Tensor:
    """Rodrigues' formula: axis-angle (..., 3) radians -> rotation matrices (..., 3, 3).

    Smooth at zero, where the derivative is exact too.
    """
    return rotation_and_jacobian(rotvecs)[0]


def rotation_and_jacobian(rotvecs: Tensor) -> tuple[Tensor, Tensor]:
    """R = exp([r]x) (..., 3, 3) of rotvecs r (..., 3) and the left Jacobian (..., 3, 3).

    exp([r + dr]x) = exp([left dr]x) exp([r]x) to first order (Sola et al. 2018, eq. 145).
    """
    angle = rotvecs.norm(dim=-1).clamp(min=1e-12)[..., None, None]
    K, identity = skew(rotvecs), torch.eye(3).to(rotvecs)
    half = (angle / 2).sin() / (angle / 2)
    sine = angle.sin() / angle
    versine = half * half / 2  # (1 - cos) / angle^2 without cancellation
    rest = torch.where(
        angle > SMALL_ANGLE, (angle - angle.sin()) / angle**3, torch.full_like(angle, 1 / 6)
    )
    return identity + sine * K + versine * K @ K, identity + versine * K + rest * K @ K


def rotation_vectors(rotation: Tensor) -> Tensor:
    """Axis-angle (B, 3) of rotation matrices (B, 3, 3) that turn by less than pi."""
    twice = rotation - rotation.transpose(1, 2)
    axis = torch.stack([twice[:, 2, 1], twice[:, 0, 2], twice[:, 1, 0]], 1) / 2  # sin(a) * axis
    sine = axis.norm(dim=1, keepdim=True)
    cosine = (rotation.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) - 1) / 2
    return axis * torch.atan2(sine, cosine) / sine.clamp(min=1e-9)


def random_rotations(count: int, random: torch.Generator) -> Tensor:
    """Uniform rotations as axis-angle (count, 3), radians, angles up to pi."""
    q = torch.randn(count, 4, generator=random)
    q = q / q.norm(dim=1, keepdim=True) * q[:, :1].sign()
    half = q[:, 1:].norm(dim=1, keepdim=True)
    return 2 * torch.atan2(half, q[:, :1]) * q[:, 1:] / half.clamp(min=1e-12)
