"""What a fit of hands compares: residuals of keypoints, outlines and priors, with Jacobians.

All hands are in a frame whose unit is the model's metre, whatever the world's unit: a hand's
scale is near 1 there, and the standard deviations of `Weights` are lengths at the hands. Pixels
become lengths through each view's focal length over depth, so image size does not matter either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.fitting.least_squares import Residuals
from models.fitting.stages import Weights
from models.hand import HandModel
from models.hand.kinematics import LAYOUT, SIZE, HandKinematics
from utils.cameras.correction import SIZE as CAMERA_SIZE
from utils.cameras.correction import CorrectableCameras
from utils.parallel import cores, mapped

CAUCHY = 2.0  # standard deviations at which keypoints and outlines lose half their weight
SHAPE_SIZE = 10
LEAST_STD = 0.05  # radians; components that hardly vary in the model's poses may still vary a bit


@dataclass(frozen=True)
class OutlineMatches:
    """N points of one hand's surface, each with the image line that it should lie on.

    Points are given by vertex ids `corners` (N, 3) and barycentrics `bary` (N, 3); the line of
    point i in its `view` (N,) is normal_i . pixel = target_i, with normal (N, 2), target (N,).
    """

    hand: int
    view: Tensor
    corners: Tensor
    bary: Tensor
    normal: Tensor
    target: Tensor
    weight: Tensor  # (N,)


@dataclass
class FitProblem:
    """The unknowns are one vector: 62 numbers a hand, then 6 a view where cameras move.

    Layouts: `models.hand.kinematics.LAYOUT` and `utils.cameras.correction`.
    """

    hands: Sequence[HandKinematics]
    priors: Sequence[PosePrior]
    cameras: CorrectableCameras | None  # None where 3D keypoints alone are compared: no views
    points: Tensor  # (hands, 21, 3) keypoints in 3D, nan where not seen
    pixels: Tensor  # (views, hands, 21, 2), nan where not seen
    confidence: Tensor  # (views, hands, 21)
    weights: Weights = field(default_factory=Weights)
    outlines: Sequence[OutlineMatches] = ()
    moves_cameras: bool = False

    @property
    def cameras_at(self) -> int:
        """Where the cameras' unknowns start, and how many the hands have."""
        return SIZE * len(self.hands)

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.cameras_at + self.moves_cameras * CAMERA_SIZE * len(self.pixels)

    def of_hand(self, hand: int) -> slice:
        """Where a hand's unknowns stand."""
        return slice(SIZE * hand, SIZE * (hand + 1))

    def corrections(self, x: Tensor) -> Tensor:
        """Camera corrections (views, 6) in x; zeros where x holds hands only."""
        corrections = x[self.cameras_at :].reshape(-1, CAMERA_SIZE)
        return corrections if len(corrections) else x.new_zeros(len(self.pixels), CAMERA_SIZE)

    def free(self, names: Sequence[str]) -> Tensor:
        """Mask (P,) of the unknowns that `names` (keys of LAYOUT, and 'cameras') move."""
        mask = torch.zeros(self.size, dtype=torch.bool)
        for hand in range(len(self.hands)):
            for name in set(names) - {"cameras"}:
                mask[self.of_hand(hand)][LAYOUT[name]] = True
        mask[self.cameras_at :] = "cameras" in names
        return mask

    def __call__(self, x: Tensor) -> list[Residuals]:
        """All residuals at x (P,), for `models.fitting.least_squares.minimise`."""
        w = self.weights
        residuals = [self._pose_prior(k, x) for k in range(len(self.hands))]
        residuals += [self._shape_prior(x)]
        if self.moves_cameras:
            residuals += [self._camera_prior(x)]
        if w.keypoints_3d > 0 or w.keypoints_2d > 0:
            for k, hand in enumerate(self.hands):
                points, jacobian = hand.keypoints(x[self.of_hand(k)])
                if w.keypoints_3d > 0:
                    residuals.append(self._keypoints_3d(k, points, jacobian))
                if w.keypoints_2d > 0:
                    residuals.append(self._keypoints_2d(k, x, points, jacobian))
        if w.outlines > 0:
            residuals += mapped(lambda match: self._outline(match, x), self.outlines, cores())
        return residuals

    def _keypoints_3d(self, hand: int, points: Tensor, by_hand: Tensor) -> Residuals:
        seen = self.points[hand].isfinite().all(1)
        value = (points - self.points[hand])[seen] / self.weights.keypoint_sigma
        jacobian = points.new_zeros(len(value), 3, self.size)
        jacobian[..., self.of_hand(hand)] = by_hand[seen] / self.weights.keypoint_sigma
        weight = points.new_full((len(value),), self.weights.keypoints_3d)
        return Residuals("keypoints_3d", value, jacobian, weight, CAUCHY)

    def _keypoints_2d(self, hand: int, x: Tensor, points: Tensor, by_hand: Tensor) -> Residuals:
        seen = self.pixels[:, hand].isfinite().all(2) & (self.confidence[:, hand] > 0)
        view, keypoint = seen.nonzero(as_tuple=True)
        pixel, by_point, by_camera = self.cameras.project(
            view, points[keypoint], self.corrections(x)
        )
        per_px = 1 / (self.cameras.px_per_unit()[view] * self.weights.keypoint_sigma)
        value = (pixel - self.pixels[view, hand, keypoint]) * per_px[:, None]
        jacobian = self._camera_columns(view, by_camera)
        jacobian[..., self.of_hand(hand)] = by_point @ by_hand[keypoint]
        weight = self.weights.keypoints_2d * self.confidence[view, hand, keypoint]
        return Residuals("keypoints_2d", value, jacobian * per_px[:, None, None], weight, CAUCHY)

    def _outline(self, match: OutlineMatches, x: Tensor) -> Residuals:
        """Distances of surface points to their lines."""
        ids, corner = match.corners.unique(return_inverse=True)
        verts, by_hand = self.hands[match.hand].vertices(x[self.of_hand(match.hand)], ids)
        points = (match.bary[..., None] * verts[corner]).sum(1)
        pixel, by_point, by_camera = self.cameras.project(match.view, points, self.corrections(x))
        per_px = 1 / (self.cameras.px_per_unit()[match.view] * self.weights.outline_sigma)
        value = ((match.normal * pixel).sum(1) - match.target) * per_px
        line = (match.normal * per_px[:, None])[:, None]  # (N, 1, 2)
        jacobian = self._camera_columns(match.view, line @ by_camera)
        by_corner = match.bary[..., None] * (line @ by_point)  # (N, 3 corners, 3)
        by_hand = by_hand[corner].flatten(1, 2)  # (N, 9, 62)
        jacobian[..., self.of_hand(match.hand)] = by_corner.flatten(1)[:, None] @ by_hand
        weight = self.weights.outlines * match.weight
        return Residuals("outlines", value[:, None], jacobian, weight, CAUCHY)

    def _camera_columns(self, view: Tensor, by_camera: Tensor) -> Tensor:
        """A Jacobian (N, C, P) with by_camera (N, C, 6) in the columns of each row's view (N,)."""
        jacobian = by_camera.new_zeros(*by_camera.shape[:2], self.size)
        if self.moves_cameras:
            columns = self.cameras_at + CAMERA_SIZE * view[:, None] + torch.arange(CAMERA_SIZE)
            jacobian.scatter_(2, columns[:, None].expand_as(by_camera), by_camera)
        return jacobian

    def _pose_prior(self, hand: int, x: Tensor) -> Residuals:
        pose = x[self.of_hand(hand)][LAYOUT["pose"]]
        value, by_pose = self.priors[hand].residuals(pose, self.weights.limit_sigma)
        jacobian = x.new_zeros(len(value), 1, self.size)
        jacobian[:, 0, self.of_hand(hand)][:, LAYOUT["pose"]] = by_pose
        weight = x.new_full((len(value),), self.weights.pose_prior)
        return Residuals("pose_prior", value[:, None], jacobian, weight)

    def _shape_prior(self, x: Tensor) -> Residuals:
        """Each hand's shape and scale, and their difference between the two."""
        w = self.weights
        own = x.new_tensor([w.shape_sigma] * SHAPE_SIZE + [w.scale_sigma])
        shared = x.new_tensor([w.shared_shape_sigma] * SHAPE_SIZE + [w.shared_scale_sigma])
        each = slice(LAYOUT["shape"].start, LAYOUT["scale"].stop)
        rows = []
        for hand in range(len(self.hands)):
            row = x.new_zeros(SHAPE_SIZE + 1, self.size)
            row[:, self.of_hand(hand)][:, each] = torch.diag(1 / own)
            rows.append(row)
        if len(rows) == 2:
            rows.append((rows[0] - rows[1]) * (own / shared)[:, None])
        return _linear("shape_prior", torch.cat(rows), x)

    def _camera_prior(self, x: Tensor) -> Residuals:
        """Corrections are small, and mostly zero: Cauchy's loss lets few cameras be far off.

        It also anchors the world: a common motion of all cameras costs, and changes nothing else.
        """
        w = self.weights
        sigma = x.new_tensor([w.camera_turn_sigma] * 3 + [w.camera_shift_sigma] * 3)
        rows = x.new_zeros(self.size - self.cameras_at, self.size)
        rows[:, self.cameras_at :] = torch.diag(1 / sigma.repeat(len(self.pixels)))
        return _linear("camera_prior", rows, x, cauchy=1.0)


def _linear(name: str, jacobian: Tensor, x: Tensor, cauchy: float | None = None) -> Residuals:
    """Residuals jacobian (N, P) @ x, one by one."""
    weight = x.new_ones(len(jacobian))
    return Residuals(name, (jacobian @ x)[:, None], jacobian[:, None], weight, cauchy)


class PosePrior:
    """Prior of one hand's 45 pose angles, relative to the model's hands_mean.

    Poses are likely about `centre` (45,), by default the mean, and as far from it as the model's
    own poses are from theirs, times `spread`.
    """

    def __init__(self, model: HandModel, centre: Tensor | None = None, spread: float = 1.0):
        std = model.hands_std.detach().double().cpu().clamp(min=LEAST_STD)
        components = model.hands_components.detach().double().cpu()
        self.whiten = components / (spread * std[:, None])  # (45, 45)
        self.centre = std.new_zeros(len(std)) if centre is None else centre
        self.low, self.high = model.pose_limits.detach().double().cpu()

    def residuals(self, pose: Tensor, limit_sigma: float) -> tuple[Tensor, Tensor]:
        """Residuals (90,) of unit variance of pose (45,), and their Jacobian (90, 45).

        The second half is how far angles lie beyond their limits, in units of limit_sigma (rad).
        """
        beyond = (pose - self.high).clamp(min=0) + (pose - self.low).clamp(max=0)
        wall = torch.diag((beyond != 0).to(pose)) / limit_sigma
        value = torch.cat([self.whiten @ (pose - self.centre), beyond / limit_sigma])
        return value, torch.cat([self.whiten, wall])
