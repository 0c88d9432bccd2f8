"""Bundle adjustment of cameras, focal lengths and hands together over keypoints.

The world is the first hand's: its place is fixed, and so is every hand's scale, for nothing in
photos tells the size of the world. The hand model's priors of pose and shape are the only ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from models.fitting.least_squares import Residuals
from models.fitting.problem import CAUCHY, PosePrior
from models.hand.kinematics import LAYOUT, HandKinematics
from utils.cameras.correction import SIZE as CAMERA_SIZE
from utils.cameras.correction import CorrectableCameras

OWN = 51  # unknowns of a hand in a frame: place and pose
SHAPE = 10


@dataclass
class CalibrationProblem:
    """The unknowns: place and pose of each hand, shapes by side, views, focal lengths.

    x holds 51 numbers a hand, 10 a side, 6 a view (`utils.cameras.correction`), and the logarithm
    of each group's focal length over the one in `cameras`.
    """

    hands: Sequence[HandKinematics]  # (H)
    side_of: Sequence[int]  # (H) rank of the hand's side among those there are
    priors: Sequence[PosePrior]  # (H)
    cameras: CorrectableCameras  # (V)
    group_of: Tensor  # (V) which focal length each view has
    pixels: Tensor  # (V, H, 21, 2), nan where not seen
    confidence: Tensor  # (V, H, 21)
    keypoint_sigma: float = 0.004  # metres at the hands
    shape_sigma: float = 1.0
    limit_sigma: float = 0.05  # radians
    focal_sigma: float = 0.7  # of the logarithm, about `focal_guess`
    alike_sigma: float = 0.12  # of the logarithm, about the mean of all groups
    focal_guess: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.float64))

    @property
    def shapes_at(self) -> int:
        """Where the shapes' unknowns start."""
        return OWN * len(self.hands)

    @property
    def views_at(self) -> int:
        """Where the views' unknowns start."""
        return self.shapes_at + SHAPE * (max(self.side_of) + 1)

    @property
    def focal_at(self) -> int:
        """Where the focal lengths' unknowns start."""
        return self.views_at + CAMERA_SIZE * len(self.cameras.cameras)

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.focal_at + int(self.group_of.max()) + 1

    def columns(self, hand: int) -> Tensor:
        """Where the 62 unknowns of a hand stand in x; its scale has none: (61,)."""
        shape = self.shapes_at + SHAPE * self.side_of[hand]
        own = OWN * hand + torch.arange(OWN)
        return torch.cat([own, shape + torch.arange(SHAPE)])

    def hand(self, hand: int, x: Tensor) -> Tensor:
        """A hand's own vector (62,), as `models.hand.kinematics` lays it out."""
        return torch.cat([x[self.columns(hand)], x.new_zeros(1)])

    def corrections(self, x: Tensor) -> Tensor:
        """The views' corrections (V, 6)."""
        return x[self.views_at : self.focal_at].reshape(-1, CAMERA_SIZE)

    def zoomed(self, x: Tensor) -> CorrectableCameras:
        """The cameras with the focal lengths of x."""
        K = self.cameras.cameras.K.clone()
        zoom = x[self.focal_at :].exp()[self.group_of]
        K[:, :2, :2] *= zoom[:, None, None]
        return replace(self.cameras, cameras=replace(self.cameras.cameras, K=K))

    def free(self, focal: bool, hands: bool = True) -> Tensor:
        """Mask (P,) of what moves; the first hand's place never does."""
        mask = torch.ones(self.size, dtype=torch.bool)
        if not hands:
            mask[: self.views_at] = False
        mask[LAYOUT["trans"]] = mask[LAYOUT["rotation"]] = False
        mask[self.focal_at :] = focal
        return mask

    def keypoints(self, x: Tensor) -> Tensor:
        """Keypoints (H, 21, 3) of all hands."""
        return torch.stack(
            [hand.keypoints(self.hand(k, x))[0] for k, hand in enumerate(self.hands)]
        )

    def __call__(self, x: Tensor) -> list[Residuals]:
        """All residuals at x (P,), for `models.fitting.least_squares.minimise`."""
        cameras, residuals = self.zoomed(x), []
        for k, hand in enumerate(self.hands):
            points, by_hand = hand.keypoints(self.hand(k, x))
            residuals.append(self._keypoints(k, cameras, x, points, by_hand))
            residuals.append(self._pose_prior(k, x))
        return [*residuals, self._shape_prior(x), self._focal_prior(x)]

    def _keypoints(
        self, hand: int, cameras: CorrectableCameras, x: Tensor, points: Tensor, by_hand: Tensor
    ) -> Residuals:
        seen = self.pixels[:, hand].isfinite().all(2) & (self.confidence[:, hand] > 0)
        view, keypoint = seen.nonzero(as_tuple=True)
        pixel, by_point, by_view = cameras.project(view, points[keypoint], self.corrections(x))
        per_px = 1 / (self.cameras.px_per_unit()[view] * self.keypoint_sigma)
        value = (pixel - self.pixels[view, hand, keypoint]) * per_px[:, None]
        jacobian = self.pixel_jacobian(hand, view, cameras, pixel, by_view)
        jacobian[..., self.columns(hand)] += by_point @ by_hand[keypoint][..., :-1]
        weight = self.confidence[view, hand, keypoint]
        return Residuals("keypoints_2d", value, jacobian * per_px[:, None, None], weight, CAUCHY)

    def pixel_jacobian(
        self,
        hand: int,
        view: Tensor,
        cameras: CorrectableCameras,
        pixel: Tensor,
        by_view: Tensor,
    ) -> Tensor:
        """How pixels (N, 2) in views (N,) move with views and focal lengths alone (N, 2, P)."""
        jacobian = pixel.new_zeros(len(pixel), 2, self.size)
        columns = self.views_at + CAMERA_SIZE * view[:, None] + torch.arange(CAMERA_SIZE)
        jacobian.scatter_(2, columns[:, None].expand_as(by_view), by_view)
        from_centre = pixel - cameras.cameras.K[view, :2, 2]
        columns = self.focal_at + self.group_of[view]
        jacobian.scatter_(2, columns[:, None, None].expand(-1, 2, 1), from_centre[..., None])
        return jacobian

    def _pose_prior(self, hand: int, x: Tensor) -> Residuals:
        pose = self.hand(hand, x)[LAYOUT["pose"]]
        value, by_pose = self.priors[hand].residuals(pose, self.limit_sigma)
        jacobian = x.new_zeros(len(value), 1, self.size)
        jacobian[:, 0, OWN * hand : OWN * (hand + 1)][:, LAYOUT["pose"]] = by_pose
        return Residuals("pose_prior", value[:, None], jacobian, x.new_ones(len(value)))

    def _shape_prior(self, x: Tensor) -> Residuals:
        """Shapes are near the mean; two sides are one person's."""
        count = self.views_at - self.shapes_at
        rows = torch.eye(self.size, dtype=x.dtype)[self.shapes_at : self.views_at]
        rows = rows / self.shape_sigma
        if count > SHAPE:
            rows = torch.cat([rows, (rows[:SHAPE] - rows[SHAPE:]) / 0.3])
        return Residuals("shape_prior", (rows @ x)[:, None], rows[:, None], x.new_ones(len(rows)))

    def _focal_prior(self, x: Tensor) -> Residuals:
        """Focal lengths are near the guess together, and nearer each other: a rig's are alike."""
        rows = torch.eye(self.size, dtype=x.dtype)[self.focal_at :]
        away = x[self.focal_at :] - self.focal_guess
        common = rows.mean(0, keepdim=True) / self.focal_sigma
        apart = (rows - rows.mean(0)) / self.alike_sigma
        value = torch.cat(
            [away.mean()[None] / self.focal_sigma, (away - away.mean()) / self.alike_sigma]
        )
        rows = torch.cat([common, apart])
        return Residuals("focal_prior", value[:, None], rows[:, None], x.new_ones(len(rows)))
