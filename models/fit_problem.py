"""What a fit of hands compares: residuals of keypoints, outlines and priors, with Jacobians.

All hands are in a frame whose unit is the model's metre, whatever the world's unit: a hand's
scale is near 1 there, and the standard deviations of `Weights` are lengths at the hands. Pixels
become lengths through each view's focal length over depth, so image size does not matter either.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from models.hand_kinematics import LAYOUT, SIZE, HandKinematics
from models.pose_prior import PosePrior
from utils.camera_correction import SIZE as CAMERA_SIZE
from utils.camera_correction import Views
from utils.least_squares import Residuals

KEYPOINTS = 21
PER_PX = ("trans", "rotation", "pose", "shape", "scale", "cameras")  # names that may be free


@dataclass(frozen=True)
class Weights:
    """Standard deviations (metres of the model unless said otherwise) and weights of the terms."""

    keypoints_3d: float = 0.0  # weight; 0: not used
    keypoints_2d: float = 0.0  # weight; 0: not used
    outlines: float = 0.0  # weight of a view's outline against that of a hand's 21 keypoints
    keypoint_sigma: float = 0.004  # error of a keypoint, and where Cauchy's loss turns
    outline_sigma: float = 0.0015  # error of an outline
    pose_prior: float = 1.0  # weight of the pose's prior
    limit_sigma: float = 0.05  # radians beyond a joint's limit
    shape_sigma: float = 1.0  # of each shape component; the model's own is 1
    shared_shape_sigma: float = 0.3  # difference of the two hands' components
    scale_sigma: float = 0.05  # relative; scale and first shape component trade off
    shared_scale_sigma: float = 0.01  # relative difference of the two hands
    camera_shift_sigma: float = 0.003  # of a camera's shift at the hands, as a share of the depth
    camera_turn_sigma: float = 0.005  # radians, of a camera's rotation about the hands


@dataclass(frozen=True)
class OutlineMatches:
    """Points of one hand's surface and the image lines that they should lie on.

    normal . pixel(point) = target, of points given by vertex ids (N, 3) and bary (N, 3).
    """

    hand: int
    view: Tensor  # (N,)
    corners: Tensor  # (N, 3) vertex ids
    bary: Tensor  # (N, 3)
    normal: Tensor  # (N, 2)
    target: Tensor  # (N,) pixels
    weight: Tensor  # (N,)


@dataclass
class FitProblem:
    """The unknowns are one vector: 62 numbers a hand, then 6 a view (`utils.camera_correction`)."""

    hands: list[HandKinematics]
    priors: list[PosePrior]
    views: Views
    points: Tensor  # (hands, 21, 3) keypoints in 3D, nan where not seen
    pixels: Tensor  # (views, hands, 21, 2), nan where not seen
    confidence: Tensor  # (views, hands, 21)
    weights: Weights = field(default_factory=Weights)
    outlines: list[OutlineMatches] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return SIZE * len(self.hands) + CAMERA_SIZE * len(self.views.cameras)

    def hand_slice(self, hand: int) -> slice:
        """Where a hand's unknowns stand."""
        return slice(SIZE * hand, SIZE * (hand + 1))

    def corrections(self, x: Tensor) -> Tensor:
        """Camera corrections (views, 6) in x."""
        return x[SIZE * len(self.hands) :].reshape(-1, CAMERA_SIZE)

    def free(self, names: list[str]) -> Tensor:
        """Mask (P,) of the unknowns that `names` (keys of LAYOUT, and 'cameras') move."""
        mask = torch.zeros(self.size, dtype=torch.bool)
        for hand in range(len(self.hands)):
            for name in set(names) - {"cameras"}:
                mask[self.hand_slice(hand)][LAYOUT[name]] = True
        if "cameras" in names:
            mask[SIZE * len(self.hands) :] = True
        return mask

    def with_weights(self, weights: Weights) -> FitProblem:
        """The same data, weighed otherwise."""
        return replace(self, weights=weights)

    def __call__(self, x: Tensor) -> list[Residuals]:
        """All residuals at x, for `utils.least_squares.minimise`."""
        w = self.weights
        keypoints = [hand.keypoints(x[self.hand_slice(k)]) for k, hand in enumerate(self.hands)]
        parts = self._priors(x)
        if w.keypoints_3d > 0:
            parts += [self._keypoints_3d(k, *keypoints[k]) for k in range(len(self.hands))]
        if w.keypoints_2d > 0:
            parts += [self._keypoints_2d(k, x, *keypoints[k]) for k in range(len(self.hands))]
        if w.outlines > 0:
            parts += [self._outline(match, x) for match in self.outlines]
        return parts

    def _residuals(self, name, value, columns, weight=None, cauchy=None) -> Residuals:
        """Residuals (N, C) whose Jacobian is given by {slice of the unknowns: (N, C, n)}."""
        jacobian = torch.zeros(*value.shape, self.size, dtype=value.dtype)
        for where, part in columns.items():
            jacobian[..., where[0] : where[1]] = part
        weight = torch.ones(len(value), dtype=value.dtype) if weight is None else weight
        return Residuals(name, value, jacobian, weight, cauchy)

    def _columns(self, hand: int) -> tuple[int, int]:
        return SIZE * hand, SIZE * (hand + 1)

    def _keypoints_3d(self, hand: int, points: Tensor, jacobian: Tensor) -> Residuals:
        seen = self.points[hand].isfinite().all(1)
        sigma = self.weights.keypoint_sigma
        value = (points - self.points[hand])[seen] / sigma
        weight = self.weights.keypoints_3d * torch.ones(len(value), dtype=value.dtype)
        columns = {self._columns(hand): jacobian[seen] / sigma}
        return self._residuals("keypoints_3d", value, columns, weight, cauchy=2.0)

    def _projected(self, view, x, points, jacobian):
        """Pixels (N, 2) of points (N, 3), Jacobian by the hand (N, 2, 62) and all cameras."""
        pixel, by_point, by_camera = self.views.project(view, points, self.corrections(x))
        by_cameras = torch.zeros(len(view), 2, self.size, dtype=x.dtype)
        start = SIZE * len(self.hands)
        columns = start + CAMERA_SIZE * view[:, None] + torch.arange(CAMERA_SIZE)
        by_cameras.scatter_(2, columns[:, None].expand(-1, 2, -1), by_camera)
        return pixel, by_point @ jacobian, by_cameras

    def _keypoints_2d(self, hand: int, x: Tensor, points: Tensor, jacobian: Tensor) -> Residuals:
        seen = self.pixels[:, hand].isfinite().all(2) & (self.confidence[:, hand] > 0)
        view, keypoint = seen.nonzero(as_tuple=True)
        pixel, by_hand, full = self._projected(view, x, points[keypoint], jacobian[keypoint])
        length = 1 / (self.views.px_per_unit()[view] * self.weights.keypoint_sigma)
        value = (pixel - self.pixels[view, hand, keypoint]) * length[:, None]
        first, last = self._columns(hand)
        full[..., first:last] = by_hand
        full *= length[:, None, None]
        weight = self.weights.keypoints_2d * self.confidence[view, hand, keypoint]
        return Residuals("keypoints_2d", value, full, weight, cauchy=2.0)

    def _outline(self, match: OutlineMatches, x: Tensor) -> Residuals:
        ids, corner = match.corners.unique(return_inverse=True)
        verts, jacobian = self.hands[match.hand].vertices(x[self.hand_slice(match.hand)], ids)
        points = (match.bary[..., None] * verts[corner]).sum(1)
        by_hand = torch.einsum("nk,nkcp->ncp", match.bary, jacobian[corner])
        pixel, by_hand, full = self._projected(match.view, x, points, by_hand)
        first, last = self._columns(match.hand)
        full[..., first:last] = by_hand
        length = 1 / (self.views.px_per_unit()[match.view] * self.weights.outline_sigma)
        value = ((match.normal * pixel).sum(1) - match.target) * length
        J = (match.normal[:, None] @ full)[:, 0] * length[:, None]
        weight = self.weights.outlines * match.weight
        return Residuals("outlines", value[:, None], J[:, None], weight, cauchy=2.0)

    def _priors(self, x: Tensor) -> list[Residuals]:
        w, parts = self.weights, []
        for k, prior in enumerate(self.priors):
            hand = x[self.hand_slice(k)]
            start = SIZE * k
            value, jacobian = prior.residuals(hand[LAYOUT["pose"]], w.limit_sigma)
            columns = {(start + 6, start + 51): jacobian[:, None]}
            weight = w.pose_prior * torch.ones(len(value), dtype=x.dtype)
            parts.append(self._residuals("pose_prior", value[:, None], columns, weight))
            sigma = torch.tensor([w.shape_sigma] * 10 + [w.scale_sigma], dtype=x.dtype)
            columns = {(start + 51, start + 62): torch.diag(1 / sigma)[:, None]}
            parts.append(self._residuals("shape_prior", (hand[51:] / sigma)[:, None], columns))
        if len(self.hands) == 2:
            parts.append(self._shared(x))
        sigma = [w.camera_turn_sigma] * 3 + [w.camera_shift_sigma] * 3
        inverse = 1 / torch.tensor(sigma, dtype=x.dtype).repeat(len(self.views.cameras))
        value = (x[SIZE * len(self.hands) :] * inverse)[:, None]
        columns = {(SIZE * len(self.hands), self.size): torch.diag(inverse)[:, None]}
        parts.append(self._residuals("camera_prior", value, columns, cauchy=1.0))
        return parts

    def _shared(self, x: Tensor) -> Residuals:
        w = self.weights
        sigma = torch.tensor([w.shared_shape_sigma] * 10 + [w.shared_scale_sigma], dtype=x.dtype)
        difference = (x[51:62] - x[SIZE + 51 : SIZE + 62]) / sigma
        inverse = torch.diag(1 / sigma)[:, None]
        columns = {(51, 62): inverse, (SIZE + 51, SIZE + 62): -inverse}
        return self._residuals("shared_shape", difference[:, None], columns)
