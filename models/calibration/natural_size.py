"""How large the world is if the hands in it are of natural size: a guess, with its spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.fitting.least_squares import minimise
from models.fitting.problem import FitProblem, PosePrior
from models.fitting.stages import Weights
from models.fitting.start import natural_scale, rigid_start
from models.hand import HandModel
from models.hand.kinematics import LAYOUT, HandKinematics
from utils.cameras import Similarity
from utils.errors import UserError
from utils.keypoints import SIDES
from utils.keypoints.views import hands_in
from utils.render.cpu.threads import one_thread

STEPS = 40
SCALE_IS_FREE = 10.0  # standard deviation of the scale's logarithm
MIDDLE_TIP = 12  # keypoint
LEAST_SPREAD = 0.03  # relative: adults' hands of one shape still differ so much in size


@dataclass(frozen=True)
class NaturalSize:
    """Metres a world unit, and one standard deviation of that, relative."""

    metres_per_unit: float
    relative_error: float


def natural_size(models: Mapping[str, HandModel], points: np.ndarray) -> NaturalSize:
    """The scale at which hands `points` (2, 21, 3), world units, are likeliest of the model.

    models: float64, by side. Shape and scale are fitted together under the model's prior of
    shapes, whose spread the error holds. Raises UserError where no hand is seen well enough.
    """
    fit = fit_to_points(models, points)
    with one_thread():
        H = sum(block.normal_equations()[0] for block in fit.problem(fit.x))
    scale = fit.world_from_near.scale * float(fit.hands()[:, LAYOUT["scale"]].mean().exp())
    at = LAYOUT["scale"].start
    spread = float(torch.linalg.pinv(H, hermitian=True)[at, at].clamp(min=0).sqrt())
    return NaturalSize(1 / scale, float(np.hypot(spread, LEAST_SPREAD)))


@dataclass(frozen=True)
class PointFit:
    """Hands of the model at keypoints in 3D; they are near the origin of a frame of their own."""

    sides: list[str]
    models: list[HandModel]
    problem: FitProblem
    x: Tensor
    world_from_near: Similarity

    def miss(self) -> float:
        """Mean distance of keypoints from the model's, in lengths of the hand; the worst hand's."""
        misses = []
        for hand, x, seen in zip(self.problem.hands, self.hands(), self.problem.points):
            points, _ = hand.keypoints(x)
            length = (points[MIDDLE_TIP] - points[0]).norm()
            misses.append(float(((points - seen).norm(dim=1) / length).nanmean()))
        return max(misses)

    def hands(self) -> Tensor:
        """Each hand's vector (H, 62), as `models.hand.kinematics` lays it out."""
        return self.x.reshape(len(self.sides), -1)


def fit_to_points(models: Mapping[str, HandModel], points: np.ndarray) -> PointFit:
    """Fit pose, shape, place and scale to `points` (2, 21, 3), world units, nan unseen.

    models: float64, by side. Raises UserError where no hand is seen well enough.
    """
    sides = [side for side in hands_in(points) if side in models]
    if not sides:
        raise UserError("no hand is seen well enough to guess the scale by its size")
    chosen = [SIDES.index(side) for side in sides]
    hands = [HandKinematics(models[side]) for side in sides]
    rough, centre = natural_scale(hands, points[chosen]), np.nanmean(points.reshape(-1, 3), 0)
    near = (points[chosen] - centre) / rough
    nothing = torch.zeros(0, len(hands), 21, 2, dtype=torch.float64)
    problem = FitProblem(
        hands=hands,
        priors=[PosePrior(models[side]) for side in sides],
        cameras=None,
        points=torch.from_numpy(near),
        pixels=nothing,
        confidence=nothing[..., 0],
        weights=Weights(keypoints_3d=1.0, scale_sigma=SCALE_IS_FREE),
    )
    with one_thread():
        x = torch.cat([rigid_start(hand, seen) for hand, seen in zip(hands, near)])
        x = minimise(problem, x, problem.free(list(LAYOUT)), STEPS)
    return PointFit(
        sides,
        [models[side] for side in sides],
        problem,
        x,
        Similarity(float(rough), torch.from_numpy(centre)),
    )
