"""Small corrections of calibrated cameras, about the hands that they all look at.

A view's correction is six numbers: a rotation vector (3, radians) about the `anchor`, and a shift
(3) along the camera's axes in units of the anchor's depth z, so that all six are small, alike in
size and independent of the world's unit:

    x_cam' = exp(rotation) (x_cam - anchor_cam) + anchor_cam + z shift
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from utils.cameras.pinhole import Cameras
from utils.geometry.rotations import rotation_and_jacobian, skew

SIZE = 6  # unknowns a view


@dataclass(frozen=True)
class CorrectableCameras:
    """Cameras with the point about which they are corrected."""

    cameras: Cameras
    anchor: Tensor  # (3,) the hands' centre, world units

    @property
    def anchors_cam(self) -> Tensor:
        """The anchor in each camera's frame (B, 3)."""
        return self.cameras.R @ self.anchor + self.cameras.t

    def px_per_unit(self) -> Tensor:
        """Pixels that one world unit spans at the anchor (B,), focal length over depth."""
        K = self.cameras.K
        return (K[:, 0, 0] * K[:, 1, 1]).sqrt() / self.anchors_cam[:, 2]

    def corrected(self, correction: Tensor) -> Cameras:
        """The cameras with `correction` (B, 6) applied."""
        turn, _ = rotation_and_jacobian(correction[:, :3])
        anchors = self.anchors_cam
        moved = anchors + anchors[:, 2:] * correction[:, 3:]
        t = (turn @ (self.cameras.t - anchors)[..., None])[..., 0] + moved
        return replace(self.cameras, R=turn @ self.cameras.R, t=t)

    def project(
        self, view: Tensor, points: Tensor, correction: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (N, 2) of points (N, 3), each in its own `view` (N,), in corrected cameras.

        Also their derivatives by the point (N, 2, 3) and by that view's correction (N, 2, 6).
        """
        turn, left = rotation_and_jacobian(correction[:, :3])
        R, t, K = (x[view] for x in (self.cameras.R, self.cameras.t, self.cameras.K))
        anchors = self.anchors_cam[view]
        arm = (turn[view] @ ((R @ points[..., None])[..., 0] + t - anchors)[..., None])[..., 0]
        cam = arm + anchors + anchors[:, 2:] * correction[view, 3:]
        px = (K @ cam[..., None])[..., 0]
        pixel = px[:, :2] / px[:, 2:]
        by_cam = (K[:, :2] - pixel[..., None] * K[:, 2:]) / px[:, 2:, None]  # (N, 2, 3)
        by_rotation = -skew(arm) @ left[view]
        by_shift = anchors[:, 2, None, None] * torch.eye(3).to(points)
        by_correction = by_cam @ torch.cat([by_rotation, by_shift.expand_as(by_rotation)], 2)
        return pixel, by_cam @ turn[view] @ R, by_correction

    def shift_px(self, correction: Tensor) -> Tensor:
        """How far `correction` (B, 6) moves the anchor in each image (B,), pixels."""
        still = self.cameras.project(self.anchor[None])[:, 0]
        return (self.corrected(correction).project(self.anchor[None])[:, 0] - still).norm(dim=1)
