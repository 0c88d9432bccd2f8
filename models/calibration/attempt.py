"""One way of starting a calibration by hands, followed to its end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from models.calibration.certainty import covariance_of, hand_sigmas
from models.calibration.pose_of_view import CLEARLY, LEAST_POINTS, hand_pose, misnamed
from models.calibration.problem import CalibrationProblem
from models.calibration.sightings import HandSightings, exchanged
from models.fitting.least_squares import minimise
from models.fitting.problem import PosePrior
from models.fitting.start import rigid_start
from models.hand import HandModel
from models.hand.kinematics import LAYOUT, SIZE, HandKinematics
from utils.cameras import Cameras
from utils.cameras.correction import CorrectableCameras
from utils.errors import UserError
from utils.keypoints import KEYPOINTS, SIDES
from utils.keypoints.triangulation import triangulate_hands

KNOWN_FOCAL_SIGMA, UNKNOWN_FOCAL_SIGMA = 0.03, 0.7  # of its logarithm
ROUNDS, STEPS, LAST_STEPS = 3, 12, 40
LEAST_VIEWS = 3


@dataclass(frozen=True)
class HandCalibration:
    """Cameras found by hands, in the first hand's frame: metres of a hand of likely size.

    cameras: V; hands: 62 numbers each, (frame, side) of each in `which`; sigma_px (V,): standard
    deviation of where each camera shows the hands, pixels; residual_px: median of the keypoints';
    focal_sigma: of the focal length's logarithm.
    """

    cameras: Cameras
    hands: list[Tensor]
    which: list[tuple[int, int]]
    swaps: np.ndarray  # (V, F) bool: left and right were exchanged
    sigma_px: np.ndarray
    residual_px: float
    focal_sigma: float
    facts: dict = field(default_factory=dict)

    @property
    def moments(self) -> int:
        """Frames whose hands have a part in it."""
        return len({frame for frame, _ in self.which})


class Attempt:
    """One start of the focal length, followed to its end.

    First the most seen hand's frame, then the other frames, whose hands are named and triangulated
    by the cameras so far. options: the config's section pose_optim.
    """

    def __init__(
        self,
        models: Mapping[str, HandModel],
        sightings: HandSightings,
        focal: float,
        shared: bool,
        known: bool,
        options: Mapping[str, Any],
    ):
        self.models, self.options = models, options
        self.kinematics = {side: HandKinematics(model) for side, model in models.items()}
        self.sightings, self.focal, self.shared, self.known = sightings, focal, shared, known
        count = len(sightings.sizes)
        self.K = np.tile(np.diag([focal, focal, 1.0]), (count, 1, 1))
        self.K[:, :2, 2] = (sightings.sizes[:, ::-1] - 1) / 2
        self.swaps = np.zeros(sightings.xy.shape[:2], bool)
        self.poses = np.full((count, 6), np.nan)
        self.cost = np.inf
        self.first = 0  # frame
        self.hands: dict[tuple[int, int], Tensor] = {}  # by frame and side, 62 numbers each

    def begin(self) -> bool:
        """Place all views and hands at this focal length; False where that leads nowhere."""
        order = [pair for pair in self.sightings.hands() if SIDES[pair[1]] in self.models]
        if not order:
            return False
        self.first = order[0][0]
        self.hands = {order[0]: self._start_hand(order[0])}
        for _ in range(ROUNDS):
            if self._place_views() < LEAST_VIEWS:
                return False
            self._adjust(STEPS, focal=False)
        for pair in order[1:]:
            if pair[0] == self.first:
                self._add_hand(pair)
        self._place_views()
        self._adjust(STEPS, focal=False)
        self._add_frames({frame for frame, _ in order} - {self.first})
        return True

    def finish(self) -> None:
        """Let the focal length go, too."""
        for _ in range(2):
            self._adjust(LAST_STEPS, focal=True)
            self._place_views()
        self._adjust(LAST_STEPS, focal=True)

    def _start_hand(self, pair: tuple[int, int]) -> Tensor:
        """The mean hand, its middle at the origin."""
        x = torch.zeros(SIZE, dtype=torch.float64)
        points = self.kinematics[SIDES[pair[1]]].keypoints(x)[0]
        x[LAYOUT["trans"]] = -points.mean(0)
        return x

    def _points(self) -> np.ndarray:
        """Keypoints (F, 2, 21, 3) of the hands so far, nan for others."""
        points = np.full((*self.sightings.xy.shape[1:3], KEYPOINTS, 3), np.nan)
        for (frame, side), x in self.hands.items():
            points[frame, side] = self.kinematics[SIDES[side]].keypoints(x)[0].numpy()
        return points

    def _place_views(self) -> int:
        """PnP of every view on the hands so far, under either naming; how many it places."""
        points = self._points()
        for view in range(len(self.K)):
            pose, cost = self._placed(view, points)
            self.poses[view] = pose if np.isfinite(cost) else np.nan
        return len(self._views())

    def _placed(self, view: int, points: np.ndarray) -> tuple[np.ndarray, float]:
        """One view's pose and cost, by the detector's names unless others suit clearly better.

        The first frame's hands give a pose under either naming, by which those of other frames are
        named.
        """
        K, xy = self.K[view], self.sightings.xy[view]
        tried = []
        for other in (False, True):
            swaps = self.swaps[view].copy()
            swaps[self.first] = other
            named = exchanged(xy, swaps)
            pose, _ = hand_pose(points[self.first], named[self.first], K)
            swaps ^= misnamed(points, named, pose, K)
            tried.append((swaps, *hand_pose(points, exchanged(xy, swaps), K)))
        self.swaps[view], *placed = tried[int(tried[1][2] < CLEARLY * tried[0][2])]
        return tuple(placed)

    def _views(self) -> np.ndarray:
        return np.flatnonzero(np.isfinite(self.poses).all(1))

    def _cameras(self, views: np.ndarray) -> Cameras:
        R = np.full((len(views), 3, 3), np.nan)
        placed = np.isfinite(self.poses[views]).all(1)
        R[placed] = Rotation.from_rotvec(self.poses[views][placed, :3]).as_matrix()
        sizes = torch.from_numpy(self.sightings.sizes[views].astype(np.int64))
        return Cameras.of(self.K[views], R, self.poses[views, 3:], sizes)

    def _problem(self) -> CalibrationProblem:
        views, pairs = self._views(), list(self.hands)
        sides = sorted({side for _, side in pairs})
        named = self.sightings.exchanged(self.swaps).chosen(views)
        anchor = torch.from_numpy(np.nanmean(self._points().reshape(-1, 3), 0))
        group = torch.zeros(len(views), dtype=torch.int64)
        group = group if self.shared else torch.arange(len(views))
        frames, columns = [f for f, _ in pairs], [s for _, s in pairs]
        guess = float(np.log(self.focal)) - np.log(self.K[views, 0, 0])
        guess = guess[:1] if self.shared else guess
        return CalibrationProblem(
            hands=[self.kinematics[SIDES[s]] for s in columns],
            side_of=[sides.index(s) for s in columns],
            priors=[PosePrior(self.models[SIDES[s]]) for s in columns],
            cameras=CorrectableCameras(self._cameras(views), anchor),
            group_of=group,
            pixels=torch.from_numpy(named.xy[:, frames, columns]),
            confidence=torch.from_numpy(named.confidence[:, frames, columns]),
            focal_sigma=KNOWN_FOCAL_SIGMA if self.known else UNKNOWN_FOCAL_SIGMA,
            focal_guess=torch.from_numpy(guess),
        )

    def _unknowns(self, problem: CalibrationProblem) -> Tensor:
        x = torch.zeros(problem.size, dtype=torch.float64)
        for k, own in enumerate(self.hands.values()):
            x[problem.columns(k)] = own[:-1]
        return x

    def _adjust(self, steps: int, focal: bool) -> None:
        """Bundle adjustment of all that is placed."""
        problem = self._problem()
        x = minimise(problem, self._unknowns(problem), problem.free(focal), steps)
        self._take(problem, x)

    def _take(self, problem: CalibrationProblem, x: Tensor) -> None:
        cameras = problem.zoomed(x).corrected(problem.corrections(x))
        views = self._views()
        self.K[views] = cameras.K.numpy()
        if self.shared:
            self.K[:, :2, :2] = cameras.K[0, :2, :2].numpy()
        turns = Rotation.from_matrix(cameras.R.numpy()).as_rotvec()
        self.poses[views] = np.concatenate([turns, cameras.t.numpy()], 1)
        self.hands = {pair: problem.hand(k, x) for k, pair in enumerate(self.hands)}
        per_view = sum(block.cost() for block in problem(x)) / max(len(views), 1)
        self.cost = per_view * len(self.K) / len(views)

    def _add_hand(self, pair: tuple[int, int]) -> None:
        """Place the first frame's other hand by the views so far."""
        xy = self.sightings.exchanged(self.swaps).xy[:, pair[0], pair[1]]
        self._start(pair, _triangulated(self.K, self.poses, xy))

    def _add_frames(self, frames: Collection[int]) -> None:
        """Name and place the hands of other frames by the views so far."""
        views = self._views()
        cameras, seen = self._cameras(views), self.sightings.chosen(views)
        for frame in sorted(frames):
            xy, confidence = seen.xy[:, frame], seen.confidence[:, frame]
            try:
                found = triangulate_hands(cameras, xy, confidence, self.options)
            except UserError:  # no two views agree about this frame: the others have to do
                continue
            self.swaps[views, frame] = found.swapped
            for side, name in enumerate(SIDES):
                if name in self.models:
                    self._start((frame, side), found.points[side])
        if frames:
            self._adjust(STEPS, focal=False)

    def _start(self, pair: tuple[int, int], points: np.ndarray) -> None:
        """Start a hand at its keypoints (21, 3), if enough of them are known."""
        if np.isfinite(points).all(1).sum() < LEAST_POINTS:
            return
        x = rigid_start(self.kinematics[SIDES[pair[1]]], points)
        same_side = [own for (_, side), own in self.hands.items() if side == pair[1]]
        if same_side:
            x[LAYOUT["shape"]] = same_side[0][LAYOUT["shape"]]
        self.hands[pair] = x

    def result(self) -> HandCalibration:
        """Cameras of all views; those that could not be placed have nan."""
        problem = self._problem()
        x = self._unknowns(problem)
        views = self._views()
        covariance = covariance_of(problem, x)
        sigma = np.full(len(self.K), np.nan)
        sigma[views] = hand_sigmas(problem, x, covariance)
        focal = covariance[problem.focal_at :, problem.focal_at :].diagonal().sqrt()
        projected = problem.zoomed(x).cameras.project(problem.keypoints(x).flatten(0, 1))
        miss = (projected.reshape(problem.pixels.shape) - problem.pixels).norm(dim=3)
        return HandCalibration(
            cameras=self._cameras(np.arange(len(self.K))),
            hands=list(self.hands.values()),
            which=list(self.hands),
            swaps=self.swaps,
            sigma_px=sigma,
            residual_px=float(miss.nanmedian()),
            focal_sigma=float(focal.median()),
            facts={"cost": self.cost, "focal": self.K[views, 0, 0].tolist()},
        )


def _triangulated(K: np.ndarray, poses: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Points (21, 3) seen at xy (V, 21, 2): robust by medians over pairs of views; nan unseen."""
    placed = np.flatnonzero(np.isfinite(poses).all(1))
    P = {k: K[k] @ np.column_stack([cv2.Rodrigues(poses[k, :3])[0], poses[k, 3:]]) for k in placed}
    found = []
    for a in placed:
        for b in placed[placed > a]:
            homogeneous = cv2.triangulatePoints(P[a], P[b], xy[a].T.copy(), xy[b].T.copy())
            found.append((homogeneous[:3] / homogeneous[3]).T)
    if not found:
        return np.full((xy.shape[1], 3), np.nan)
    return np.nanmedian(np.stack(found), 0)
