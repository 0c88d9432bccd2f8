"""Rotations as the solvers need them: the exponential map and its derivative."""

from __future__ import annotations

import torch
from torch import Tensor


def rotation_and_jacobian(r: Tensor) -> tuple[Tensor, Tensor]:
    """R = exp([r]x) (N, 3, 3) of r (N, 3) and the left Jacobian (N, 3, 3).

    exp([r + dr]x) = exp([left dr]x) exp([r]x) to first order (Sola et al. 2018, eq. 145).
    """
    angle = r.norm(dim=1).clamp(min=1e-12)[:, None, None]
    K = skew(r)
    eye = torch.eye(3).to(r)
    half = (angle / 2).sin() / (angle / 2)
    a = angle.sin() / angle
    b = half * half / 2  # (1 - cos) / angle^2 without cancellation
    c = torch.where(angle > 1e-3, (angle - angle.sin()) / angle**3, torch.full_like(angle, 1 / 6))
    return eye + a * K + b * K @ K, eye + b * K + c * K @ K


def skew(r: Tensor) -> Tensor:
    """[r]x (..., 3, 3) of r (..., 3): skew(r) @ v = r x v."""
    x, y, z = r.unbind(-1)
    o = torch.zeros_like(x)
    return torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*r.shape, 3)
