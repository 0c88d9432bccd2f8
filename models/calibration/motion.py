"""A hand that did not keep quite still: its rigid motion from photo to photo, smooth in time.

Photos of a moving hand by known cameras are photos of a still hand by other cameras: those that
move against it. So what comes of it is a camera for each photo, in the hand's frame, and all stages
go on as if the hand had been still.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from models.fitting.least_squares import Residuals, minimise
from utils.cameras import Cameras
from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.correction import CorrectableCameras
from utils.geometry.rotations import rotation_and_jacobian, skew
from utils.render.cpu.threads import one_thread

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
    seen = Sightings.of(cameras, xy, confidence, points)
    halves, whole = problems(lambda rows: MotionProblem(seen, rows, scale), seen.rows)
    with one_thread():
        support = share_taken(halves, lambda half: slice(0), MotionProblem.moves)
        return whole.motion(whole.solve(whole.moves()), support)


@dataclass(frozen=True)
class Sightings:
    """Keypoints of both hands in a row, seen by V cameras in the order of time.

    xy (V, 42, 2), weight (V, 42), points (42, 3); rows: those that are seen often enough.
    """

    cameras: Cameras
    xy: np.ndarray
    weight: np.ndarray
    points: np.ndarray
    rows: np.ndarray

    @staticmethod
    def of(
        cameras: Cameras, xy: np.ndarray, confidence: np.ndarray, points: np.ndarray
    ) -> Sightings:
        """Arguments as `find_motion`'s."""
        flat, points = xy.reshape(len(xy), -1, 2), points.reshape(-1, 3)
        weight = np.where(np.isfinite(flat).all(2), confidence.reshape(len(xy), -1), 0.0)
        usable = np.isfinite(points).all(1) & ((weight > 0).sum(0) >= LEAST_SIGHTINGS)
        return Sightings(cameras, flat, weight, points, np.flatnonzero(usable))


Made = TypeVar("Made", bound="MotionProblem")


def problems(
    make: Callable[[np.ndarray], Made], rows: np.ndarray
) -> tuple[tuple[Made, Made], Made]:
    """The problems of one and the other half of the rows, and of all."""
    return (make(rows[::2]), make(rows[1::2])), make(rows)


def share_taken(
    halves: Sequence[Made], less: Callable[[Made], slice], more: Callable[[Made], slice]
) -> float:
    """The share of misses that letting `more` of the unknowns move than `less` takes away.

    It is measured on one half of the keypoints, with movements of the other half, both ways.
    """

    def miss(free: Callable[[Made], slice]) -> float:
        misses = [judge.judge(fit.solve(free(fit))) for fit, judge in zip(halves, halves[::-1])]
        return float(np.median(np.concatenate(misses)))

    return 1 - miss(more) / max(miss(less), 1e-9)


class MotionProblem:
    """Unknowns: places of some keypoints (3 each), then turn and shift of each view (6).

    A subclass may add unknowns of its own, which displace the keypoints before they are moved.
    """

    more = 0  # unknowns of a subclass

    def __init__(self, seen: Sightings, rows: np.ndarray, scale: float):
        weight = torch.from_numpy(seen.weight[:, rows])
        self.rows = torch.from_numpy(rows)
        self.anchor = torch.from_numpy(seen.points[seen.rows].mean(0))
        self.cameras = CorrectableCameras(seen.cameras.to("cpu", torch.float64), self.anchor)
        self.view, self.point = (weight > 0).nonzero(as_tuple=True)
        self.xy = torch.from_numpy(seen.xy[:, rows])[self.view, self.point]
        self.weight = weight[self.view, self.point]
        self.views, self.scale = len(seen.cameras), scale
        self.at = 3 * len(rows)
        self.more_at = self.at + 6 * self.views
        self.start = torch.zeros(self.more_at + self.more, dtype=torch.float64)
        self.start[: self.at] = torch.from_numpy(seen.points[rows]).flatten()
        self.sigma = 1.0
        self.sigma = max(float(np.median(self.misses(self.start))), 1e-6)

    def motions(self, x: Tensor) -> Tensor:
        """Turns and shifts (V, 6) in x."""
        return x[self.at : self.more_at].reshape(-1, 6)

    def motion(self, x: Tensor, support: float) -> HandMotion:
        """The rigid motion in x."""
        motions = self.motions(x).numpy()
        return HandMotion(motions[:, :3], motions[:, 3:], self.anchor.numpy(), support, self.scale)

    def moves(self) -> slice:
        """Where the unknowns of a rigid motion stand in x."""
        return slice(self.at, self.more_at)

    def solve(self, free: slice) -> Tensor:
        """The best x, of which places and the slice `free` may move and all else is zero."""
        return self._solve(self.start, free)

    def judge(self, x: Tensor) -> np.ndarray:
        """Distances (N,) of all sightings, pixels, where movements are those of another's x."""
        own = self.start.clone()
        own[self.at :] = x[len(x) - len(own) + self.at :]
        return self.misses(self._solve(own, slice(0)))

    def misses(self, x: Tensor) -> np.ndarray:
        """Distances (N,) of all sightings from where x puts them, pixels."""
        return (self._pixels(x)[0] - self.xy).norm(dim=1).numpy()

    def __call__(self, x: Tensor) -> list[Residuals]:
        """Residuals at x."""
        pixel, jacobian = self._pixels(x)
        value = (pixel - self.xy) / self.sigma
        seen = Residuals("keypoints", value, jacobian / self.sigma, self.weight, CAUCHY)
        return [seen, self._smooth(x)]

    def _solve(self, x: Tensor, also_free: slice) -> Tensor:
        free = torch.zeros(len(x), dtype=torch.bool)
        free[: self.at] = free[also_free] = True
        return minimise(self, x, free, STEPS)

    def _arms(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Sighted keypoints (N, 3) from the anchor; their derivative (N, 3, more) by x's end."""
        return x[: self.at].reshape(-1, 3)[self.point] - self.anchor, None

    def _pixels(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels (N, 2) and their derivative (N, 2, P)."""
        motions, (arm, by_more) = self.motions(x), self._arms(x)
        turn, left = rotation_and_jacobian(motions[:, :3])
        arm = (turn[self.view] @ arm[..., None])[..., 0]
        moved = arm + self.anchor + motions[self.view, 3:]
        pixel, by_moved, _ = self.cameras.project(self.view, moved, x.new_zeros(self.views, 6))
        by_point = by_moved @ turn[self.view]
        by_motion = torch.cat([by_moved @ (-skew(arm) @ left[self.view]), by_moved], 2)
        jacobian = x.new_zeros(len(pixel), 2, len(x))
        for first, rank, block in ((0, self.point, by_point), (self.at, self.view, by_motion)):
            width = block.shape[2]
            columns = first + width * rank[:, None] + torch.arange(width)
            jacobian.scatter_(2, columns[:, None].expand_as(block), block)
        if by_more is not None:
            jacobian[..., self.more_at :] = by_point @ by_more
        return pixel, jacobian

    def _smooth(self, x: Tensor) -> Residuals:
        """Motions change little from photo to photo, and their mean is zero."""
        sigma = x.new_tensor([STEP_TURN] * 3 + [STEP_SHIFT * self.scale] * 3)
        columns = torch.eye(len(x), dtype=x.dtype)[self.at : self.more_at]
        all_motions = columns.reshape(self.views, 6, -1)
        steps = (all_motions[1:] - all_motions[:-1]) / sigma[:, None]
        mean = ANCHOR * all_motions.sum(0, keepdim=True) / sigma[:, None]
        rows = torch.cat([steps, mean]).flatten(0, 1)
        return Residuals("smooth", (rows @ x)[:, None], rows[:, None], x.new_ones(len(rows)))
