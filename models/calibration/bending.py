"""A hand whose fingers did not keep quite still: its pose from photo to photo, smooth in time.

As `models.calibration.motion`, with the hand model's fingers bending beneath the rigid motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from models.calibration.motion import SUPPORT as MOTION_SUPPORT
from models.calibration.motion import (
    HandMotion,
    MotionProblem,
    Sightings,
    problems,
    share_taken,
)
from models.calibration.natural_size import PointFit
from models.fitting.least_squares import Residuals
from models.fitting.problem import LEAST_STD
from models.hand import HandModel
from models.hand.kinematics import LAYOUT, SIZE
from utils.cameras import Cameras
from utils.keypoints import KEYPOINTS, SIDES
from utils.render.cpu.threads import one_thread

COMPONENTS = 15  # of the model's poses in which fingers may bend
PHOTOS_A_KNOT = 3.0  # of the spline in time
SPREAD, STEP = 0.3, 0.15  # of the model's own poses: about the mean, and from knot to knot
MEAN = 0.01  # likewise: the mean pose is the mean
# The share of other keypoints' misses that bending must take beyond a rigid motion.
SUPPORT = 0.1


@dataclass(frozen=True)
class HandBending:
    """poses (V, H, 45): what each photo adds to the pose of the hands of `fit`, radians.

    moves: whether keypoints ask for a rigid motion on top, `motion`; support: the share of
    keypoints' misses that bending takes away beyond such a motion, of keypoints that it was not
    fitted to.
    """

    poses: np.ndarray
    motion: HandMotion
    moves: bool
    support: float
    fit: PointFit

    @property
    def asked_for(self) -> bool:
        """Whether the keypoints ask for it."""
        return self.support > SUPPORT

    def vertices(self, hand: int) -> tuple[np.ndarray, np.ndarray]:
        """A hand's vertices (N, 3) in the mean pose, and as photos show them (V, N, 3).

        World units, without the rigid motion.
        """
        return self._posed(hand, self.fit.problem.hands[hand].vertices)

    def keypoints(self, hand: int) -> tuple[np.ndarray, np.ndarray]:
        """A hand's keypoints (21, 3) and (V, 21, 3) likewise."""
        return self._posed(hand, self.fit.problem.hands[hand].keypoints)

    def _posed(
        self, hand: int, points_of: Callable[[Tensor], tuple[Tensor, Tensor]]
    ) -> tuple[np.ndarray, np.ndarray]:
        x, apply = self.fit.hands()[hand], self.fit.world_from_near.apply
        poses = torch.from_numpy(self.poses[:, hand])
        bent = [apply(points_of(_with_pose(x, pose))[0]) for pose in poses]
        return apply(points_of(x)[0]).numpy(), torch.stack(bent).numpy()

    @property
    def degrees(self) -> float:
        """How far a joint turned from its mean at most."""
        turns = self.poses.reshape(*self.poses.shape[:2], -1, 3)
        return float(np.degrees(np.linalg.norm(turns, axis=-1).max()))


def find_bending(
    cameras: Cameras,
    xy: np.ndarray,
    confidence: np.ndarray,
    points: np.ndarray,
    fit: PointFit,
    moves: bool,
) -> HandBending:
    """How hands bent while they were photographed; arguments as `find_motion`'s.

    fit: the model's hands at `points`; moves: whether keypoints ask for a rigid motion where
    fingers are still. One goes with bending only where they do, or ask for it besides bending.
    """
    seen = Sightings.of(cameras, xy, confidence, points)
    fingers = _Fingers(fit, len(cameras))
    halves, whole = problems(lambda rows: _BendingProblem(seen, rows, fingers), seen.rows)
    still, bends, both = (lambda _: slice(0)), _BendingProblem.bends, _BendingProblem.both
    with one_thread():
        support = share_taken(halves, *((_BendingProblem.moves, both) if moves else (still, bends)))
        beyond = share_taken(halves, bends, both)
        moves = moves or beyond > MOTION_SUPPORT
        x = whole.solve(both(whole) if moves else bends(whole))
    poses = fingers.poses(x[whole.more_at :]).numpy()
    return HandBending(poses, whole.motion(x, beyond), moves, support, fit)


class _Fingers:
    """Poses of H hands in V photos as a spline in time of the model's own components."""

    def __init__(self, fit: PointFit, views: int):
        self.hands, self.x = fit.problem.hands, fit.hands()
        self.sides = [SIDES.index(side) for side in fit.sides]
        self.scale = fit.world_from_near.scale
        self.directions = torch.stack([_directions(model) for model in fit.models])  # (H, n, 45)
        self.basis = _spline(views)  # (V, knots)
        self.shape = self.basis.shape[1], len(self.hands), COMPONENTS

    def poses(self, knots: Tensor) -> Tensor:
        """What photos add to the poses (V, H, 45)."""
        weights = torch.einsum("vk,khc->vhc", self.basis, knots.reshape(self.shape))
        return torch.einsum("vhc,hcp->vhp", weights, self.directions)

    def offsets(self, knots: Tensor) -> tuple[Tensor, Tensor]:
        """How far keypoints (V, 42, 3) are displaced, world units; derivative (V, 42, 3, H n)."""
        poses, (_, H, n) = self.poses(knots), self.shape
        moved = poses.new_zeros(len(poses), len(SIDES) * KEYPOINTS, 3)
        slopes = poses.new_zeros(*moved.shape, H, n)
        for h, (hand, x, side) in enumerate(zip(self.hands, self.x, self.sides)):
            rows = slice(KEYPOINTS * side, KEYPOINTS * (side + 1))
            resting, _ = hand.keypoints(x)
            for view, pose in enumerate(poses[:, h]):
                points, by_hand = hand.keypoints(_with_pose(x, pose))
                moved[view, rows] = points - resting
                slopes[view, rows, :, h] = by_hand[..., LAYOUT["pose"]] @ self.directions[h].T
        return self.scale * moved, self.scale * slopes.flatten(3)

    def prior(self, knots: Tensor, at: int, size: int) -> Residuals:
        """Knots are near the mean pose and each other, and the mean of all photos is the mean."""
        count, rest = self.shape[0], self.shape[1] * self.shape[2]
        near = torch.eye(count, dtype=knots.dtype) / SPREAD
        steps = torch.diff(torch.eye(count, dtype=knots.dtype), dim=0) / STEP
        mean = self.basis.mean(0, keepdim=True) / MEAN
        rows = torch.cat([near, steps, mean])
        rows = torch.einsum("rk,ce->rcke", rows, torch.eye(rest, dtype=knots.dtype))
        rows = rows.reshape(-1, count * rest)
        jacobian = knots.new_zeros(len(rows), 1, size)
        jacobian[:, 0, at:] = rows
        return Residuals("bending", (rows @ knots)[:, None], jacobian, knots.new_ones(len(rows)))


class _BendingProblem(MotionProblem):
    """A motion's unknowns, and then the knots of bending fingers."""

    def __init__(self, seen: Sightings, rows: np.ndarray, fingers: _Fingers):
        self.fingers, self.more = fingers, int(np.prod(fingers.shape))
        super().__init__(seen, rows, fingers.scale)

    def bends(self) -> slice:
        """Where the unknowns of bending stand in x."""
        return slice(self.more_at, None)

    def both(self) -> slice:
        """Those of a rigid motion and of bending."""
        return slice(self.at, None)

    def __call__(self, x: Tensor) -> list[Residuals]:
        """Residuals at x."""
        return [*super().__call__(x), self.fingers.prior(x[self.more_at :], self.more_at, len(x))]

    def _arms(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        arm, _ = super()._arms(x)
        offsets, slopes = self.fingers.offsets(x[self.more_at :])
        at = self.view, self.rows[self.point]
        by_knot = torch.einsum("nk,nac->nakc", self.fingers.basis[self.view], slopes[at])
        return arm + offsets[at], by_knot.flatten(2)


def _with_pose(x: Tensor, pose: Tensor) -> Tensor:
    """A hand's vector (62,) with (45,) added to its pose."""
    added = x.new_zeros(SIZE)
    added[LAYOUT["pose"]] = pose
    return x + added


def _directions(model: HandModel) -> Tensor:
    """The components (n, 45) in which the model's poses differ most, one deviation each."""
    std = model.hands_std.detach().double().cpu().clamp(min=LEAST_STD)
    components = std[:, None] * model.hands_components.detach().double().cpu()
    return components[std.argsort(descending=True)[:COMPONENTS]]


def _spline(views: int) -> Tensor:
    """A clamped cubic B-spline's basis at each view's time (V, knots)."""
    count = max(int(np.ceil(views / PHOTOS_A_KNOT)), 4)
    inner = np.linspace(0, 1, count - 2)[1:-1]
    knots = np.concatenate([np.zeros(4), inner, np.ones(4)])
    return torch.from_numpy(BSpline.design_matrix(np.linspace(0, 1, views), knots, 3).toarray())
