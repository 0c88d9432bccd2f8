"""Rotations as the solvers need them: the exponential map, its derivative and its inverse."""

from __future__ import annotations

import torch
from torch import Tensor

SMALL_ANGLE_SQUARED = 1e-6  # below, series are exact to float64's precision


def skew(r: Tensor) -> Tensor:
    """[r]x (..., 3, 3) of r (..., 3): skew(r) @ v = r x v."""
    x, y, z = r.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*r.shape, 3)


def rotation_matrices(rotvecs: Tensor) -> Tensor:
    """Rodrigues' formula: axis-angle (..., 3) radians -> rotation matrices (..., 3, 3).

    Smooth at zero, where the derivative is exact too.
    """
    K, sine, versine, _ = _rodrigues_terms(rotvecs)
    return _identity(rotvecs) + sine * K + versine * (K @ K)


def rotation_and_jacobian(rotvecs: Tensor) -> tuple[Tensor, Tensor]:
    """R = exp([r]x) (..., 3, 3) of rotvecs r (..., 3) and the left Jacobian (..., 3, 3).

    exp([r + dr]x) = exp([left dr]x) exp([r]x) to first order (Sola et al. 2018, eq. 145).
    """
    K, sine, versine, rest = _rodrigues_terms(rotvecs)
    identity, square = _identity(rotvecs), K @ K
    return identity + sine * K + versine * square, identity + versine * K + rest * square


def _rodrigues_terms(rotvecs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """[r]x (..., 3, 3); sin a / a, (1 - cos a) / a^2 and (a - sin a) / a^3 (..., 1, 1), a = |r|."""
    squared = (rotvecs * rotvecs).sum(-1)[..., None, None]
    small = squared < SMALL_ANGLE_SQUARED
    safe = torch.where(small, torch.ones_like(squared), squared)
    angle = safe.sqrt()
    half = torch.sin(angle / 2)
    sine = torch.where(small, 1 - squared / 6, torch.sin(angle) / angle)
    # 2 sin^2(a/2) = 1 - cos(a) without cancellation at small angles.
    versine = torch.where(small, 0.5 - squared / 24, 2 * half * half / safe)
    rest = torch.where(small, 1 / 6 - squared / 120, (1 - sine) / safe)
    return skew(rotvecs), sine, versine, rest


def _identity(like: Tensor) -> Tensor:
    return torch.eye(3, dtype=like.dtype, device=like.device)


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
