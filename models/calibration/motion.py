"""A hand that did not keep quite still: its rigid motion from photo to photo, smooth in time.

Photos of a moving hand by known cameras are photos of a still hand by other cameras: those that
move against it. So what comes of it is a camera for each photo, in the hand's frame, and all stages
go on as if the hand had been still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from models.fitting.least_squares import Residuals, minimise, one_thread
from utils.cameras import Cameras
from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.correction import CorrectableCameras
from utils.geometry.rotations import rotation_and_jacobian, skew

STEP_SHIFT, STEP_TURN = 0.0007, 0.004  # metres of the hand and radians, from photo to photo
ANCHOR = 1.0  # sum of all motions: the hand's mean place is its place
CAUCHY = 2.0
STEPS = 25
LEAST_SIGHTINGS = 3  # photos that a keypoint is seen in
# The share of other keypoints' misses that a motion must take. Detectors err alike on all of a
# hand: that looks like a motion, and takes a tenth where there is none.
SUPPORT = 0.2


@dataclass(frozen=True)
class HandMotion:
    """turns (V, 3) rotation vectors about `anchor` (3,), shifts (V, 3), in the cameras' world.

    support: the share of keypoints' misses that it takes away, of keypoints that it was not fitted
    to; scale: world units a metre.
    """

    turns: np.ndarray
    shifts: np.ndarray
    anchor: np.ndarray
    support: float
    scale: float

    @property
    def asked_for(self) -> bool:
        """Whether the keypoints ask for it."""
        return self.support > SUPPORT

    @property
    def reach_mm(self) -> float:
        """How far the hand's middle went from its mean place at most, mm."""
        return float(np.linalg.norm(self.shifts, axis=1).max()) / self.scale * 1000

    def cameras(self, cameras: Sequence[CalibratedCamera]) -> list[CalibratedCamera]:
        """The cameras in the frame of the hand."""
        moved = []
        for camera, turn, shift in zip(cameras, self.turns, self.shifts):
            M = Rotation.from_rotvec(turn).as_matrix()
            t = camera.R @ (self.anchor + shift - M @ self.anchor) + camera.t
            moved.append(replace(camera, R=camera.R @ M, t=t))
        return moved


def find_motion(
    cameras: Cameras, xy: np.ndarray, confidence: np.ndarray, points: np.ndarray, scale: float
) -> HandMotion:
    """The motion that makes keypoints agree.

    cameras: V in the order of time; xy (V, 2, 21, 2) pixels without distortion, nan where not seen;
    confidence (V, 2, 21); points (2, 21, 3): where the keypoints are if the hand is still; scale:
    world units a metre. Its support is measured on one half of the keypoints, with motions of the
    other half, both ways.
    """
    flat, seen_points = xy.reshape(len(xy), -1, 2), points.reshape(-1, 3)
    weight = np.where(np.isfinite(flat).all(2), confidence.reshape(len(xy), -1), 0.0)
    usable = np.isfinite(seen_points).all(1) & ((weight > 0).sum(0) >= LEAST_SIGHTINGS)
    rows = np.flatnonzero(usable)
    with one_thread():
        halves = [_Problem(cameras, flat, weight, seen_points, rows[k::2], scale) for k in (0, 1)]
        whole = _Problem(cameras, flat, weight, seen_points, rows, scale)
        still, moving = [], []
        for fitted, judged in (halves, halves[::-1]):
            motions = fitted.motions(fitted.solve(True))
            still.append(judged.misses(judged.solve(False)))
            moving.append(judged.misses(judged.solve(False, motions)))
        before, after = (float(np.median(np.concatenate(each))) for each in (still, moving))
        motions = whole.motions(whole.solve(True)).numpy()
    return HandMotion(
        motions[:, :3], motions[:, 3:], whole.anchor.numpy(), 1 - after / max(before, 1e-9), scale
    )


class _Problem:
    """Unknowns: places of some keypoints (3 each), then turn and shift of each view (6)."""

    def __init__(
        self,
        cameras: Cameras,
        xy: np.ndarray,
        weight: np.ndarray,
        points: np.ndarray,
        rows: np.ndarray,
        scale: float,
    ):
        self.anchor = torch.from_numpy(points[rows].mean(0))
        self.cameras = CorrectableCameras(cameras.to("cpu", torch.float64), self.anchor)
        self.start = torch.from_numpy(points[rows].copy())
        self.view, self.point = torch.from_numpy(weight[:, rows] > 0).nonzero(as_tuple=True)
        self.xy = torch.from_numpy(xy[:, rows])[self.view, self.point]
        self.weight = torch.from_numpy(weight[:, rows])[self.view, self.point]
        self.views, self.scale = len(cameras), scale
        self.at = 3 * len(rows)
        start = torch.cat([self.start.flatten(), torch.zeros(6 * self.views).double()])
        self.sigma = 1.0
        self.sigma = max(float(np.median(self.misses(start))), 1e-6)

    def motions(self, x: Tensor) -> Tensor:
        """Turns and shifts (V, 6) in x."""
        return x[self.at :].reshape(-1, 6)

    def solve(self, moving: bool, motions: Tensor | None = None) -> Tensor:
        """The best x: motions free, or as given (none: the hand is still)."""
        x = torch.cat([self.start.flatten(), torch.zeros(6 * self.views).double()])
        if motions is not None:
            x[self.at :] = motions.flatten()
        free = torch.ones(len(x), dtype=torch.bool)
        free[self.at :] = moving
        return minimise(self, x, free, STEPS)

    def misses(self, x: Tensor) -> np.ndarray:
        """Distances (N,) of all sightings from where x puts them, pixels."""
        return (self._pixels(x)[0] - self.xy).norm(dim=1).numpy()

    def __call__(self, x: Tensor) -> list[Residuals]:
        """Residuals at x."""
        pixel, by_point, by_motion = self._pixels(x)
        jacobian = x.new_zeros(len(pixel), 2, len(x))
        columns = 3 * self.point[:, None] + torch.arange(3)
        jacobian.scatter_(2, columns[:, None].expand_as(by_point), by_point)
        columns = self.at + 6 * self.view[:, None] + torch.arange(6)
        jacobian.scatter_(2, columns[:, None].expand_as(by_motion), by_motion)
        value = (pixel - self.xy) / self.sigma
        seen = Residuals("keypoints", value, jacobian / self.sigma, self.weight, CAUCHY)
        return [seen, self._smooth(x)]

    def _pixels(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (N, 2), and their derivatives by points (N, 2, 3) and motions (N, 2, 6)."""
        motions = self.motions(x)
        turn, left = rotation_and_jacobian(motions[:, :3])
        arm = x[: self.at].reshape(-1, 3)[self.point] - self.anchor
        arm = (turn[self.view] @ arm[..., None])[..., 0]
        moved = arm + self.anchor + motions[self.view, 3:]
        none = x.new_zeros(self.views, 6)
        pixel, by_moved, _ = self.cameras.project(self.view, moved, none)
        by_turn = by_moved @ (-skew(arm) @ left[self.view])
        return pixel, by_moved @ turn[self.view], torch.cat([by_turn, by_moved], 2)

    def _smooth(self, x: Tensor) -> Residuals:
        """Motions change little from photo to photo, and their mean is zero."""
        sigma = x.new_tensor([STEP_TURN] * 3 + [STEP_SHIFT * self.scale] * 3)
        all_motions = torch.eye(len(x), dtype=x.dtype)[self.at :].reshape(self.views, 6, -1)
        steps = (all_motions[1:] - all_motions[:-1]) / sigma[:, None]
        mean = ANCHOR * all_motions.sum(0, keepdim=True) / sigma[:, None]
        rows = torch.cat([steps, mean]).flatten(0, 1)
        return Residuals("smooth", (rows @ x)[:, None], rows[:, None], x.new_ones(len(rows)))
