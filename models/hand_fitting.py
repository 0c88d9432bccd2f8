"""Fitting the hand model to keypoints, outlines and, where the data ask for it, to cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.fit_problem import KEYPOINTS, FitProblem, Weights
from models.hand_kinematics import LAYOUT, HandKinematics
from models.hand_model import HandModel
from models.hand_start import natural_scale, rigid_start
from models.pose_prior import PosePrior
from utils.camera_correction import Views
from utils.cameras import Cameras, Similarity
from utils.errors import UserError
from utils.hand_search import assign_detections
from utils.least_squares import minimise, one_thread
from utils.multiview import MIN_JOINTS, HandViews

SIDES = ("left", "right")


@dataclass(frozen=True)
class FittedHand:
    """One hand's parameters in world coordinates, float64, shapes as mano_out's S.pt has them."""

    model: HandModel
    pose: Tensor  # (1, 48) axis-angle, 3 global and 45 relative to hands_mean
    shape: Tensor  # (1, 10)
    trans: Tensor  # (1, 3) world units
    scale: Tensor  # (1,) world units per metre

    @property
    def side(self) -> str:
        """'left' or 'right'."""
        return self.model.side

    def verts(self) -> Tensor:
        """Vertices (V, 3), world units."""
        return self.model(self.pose, self.shape, self.trans, self.scale)[0][0].detach()

    def keypoints(self) -> Tensor:
        """Keypoints (21, 3), world units."""
        points = self.model.joints_and_tips(self.pose, self.shape, self.trans, self.scale)
        return points[0].detach()

    def as_dict(self) -> dict[str, Any]:
        """What mano_out/S.pt holds of a hand, float32 parameters."""
        tensors = {
            name: getattr(self, name).float() for name in ("pose", "shape", "trans", "scale")
        }
        kind = {"hand_model": self.model.kind, "flat_hand_mean": False}
        return {"type": self.side, **tensors, **kind}


@dataclass
class Fit:
    """Result of `fit_hands`: hands left first, cameras (corrected or as given), metrics."""

    hands: list[FittedHand]
    cameras: Cameras
    metrics: dict[str, Any] = field(default_factory=dict)


def hands_in(points: np.ndarray) -> list[str]:
    """Sides of which points (2, 21, 3) hold enough keypoints to fit a hand."""
    seen = np.isfinite(points).all(2).sum(1)
    return [side for side, count in zip(SIDES, seen) if count >= MIN_JOINTS]


def fit_hands(
    models: Sequence[HandModel],
    points: np.ndarray,
    cameras: Cameras,
    xy: np.ndarray,
    confidence: np.ndarray,
    options: Mapping[str, Any],
) -> Fit:
    """Fit one or two hands.

    models: float64 hand models in any order; points (2, 21, 3) world units, left then right, nan
    where not seen; xy (N, 2, 21, 2) pixels and confidence (N, 2, 21) as detected, names not to be
    trusted; options: the config's section `mano_optim`. Raises UserError when no hand has enough
    keypoints.
    """
    models = sorted(models, key=lambda model: SIDES.index(model.side))
    sides = hands_in(points)
    models = [model for model in models if model.side in sides]
    if not models:
        raise UserError(
            f"keypoints: no hand has {MIN_JOINTS} of {KEYPOINTS} keypoints in 3D; look at "
            "pose_optim.py's overlays and detect again"
        )
    problem, world_from_fit, x = _start(models, points, cameras, xy, confidence, options)
    metrics: dict[str, Any] = {"stages": []}
    for stage in options["stages"]:
        x = run_stage(problem, stage, options, x)
        metrics["stages"].append({"name": stage["name"], **keypoint_errors(problem, x)})
    hands = [
        _in_world(model, x[problem.hand_slice(k)], world_from_fit) for k, model in enumerate(models)
    ]
    return Fit(hands, cameras, metrics)


def _start(models, points, cameras, xy, confidence, options):
    """The problem in the frame whose unit is the hands' own metre, that frame, and a start."""
    hands = [HandKinematics(model) for model in models]
    chosen = [SIDES.index(model.side) for model in models]
    scale = natural_scale(hands, points[chosen])
    centre = np.nanmean(points[chosen].reshape(-1, 3), 0)
    world_from_fit = Similarity(scale, torch.from_numpy(centre))
    near = (points - centre) / scale
    pixels, weights = match_detections(points, cameras, xy, confidence)
    views = Views(
        cameras.to(dtype=torch.float64).normalised(world_from_fit), torch.zeros(3).double()
    )
    problem = FitProblem(
        hands,
        [PosePrior(model) for model in models],
        views,
        torch.from_numpy(near[chosen]),
        torch.from_numpy(pixels[:, chosen]),
        torch.from_numpy(weights[:, chosen]),
    )
    x = torch.zeros(problem.size, dtype=torch.float64)
    for k, hand in enumerate(hands):
        x[problem.hand_slice(k)] = rigid_start(hand, near[chosen[k]])
    return problem, world_from_fit, x


def match_detections(
    points: np.ndarray, cameras: Cameras, xy: np.ndarray, confidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Detections by the hand they show, whatever the detector named them.

    Pixels (N, 2, 21, 2), nan where not seen, and confidences (N, 2, 21).
    """
    views = HandViews.of(cameras, xy, confidence, FIT_RADIUS)
    assigned = assign_detections(points, views, MIN_FIT)
    pixels, weights = views.chosen(assigned)
    return np.where(weights[..., None] > 0, pixels, np.nan), weights


FIT_RADIUS, MIN_FIT = 0.25, 0.3  # see pose_optim's keys fit_radius and min_fit


def run_stage(
    problem: FitProblem, stage: Mapping[str, Any], options: Mapping[str, Any], x: Tensor
) -> Tensor:
    """One stage of the config's list: its weights, its free unknowns, its steps."""
    settings = {**options, **stage}
    weights = Weights(**{k: settings[k] for k in Weights.__annotations__ if k in settings})
    free = problem.free(stage["free"])
    with one_thread():
        return minimise(problem.with_weights(weights), x, free, stage["steps"])


def keypoint_errors(problem: FitProblem, x: Tensor) -> dict[str, Any]:
    """Median distances of the keypoints in 3D (metres of the model) and in pixels."""
    apart, pixels = [], []
    cameras = problem.views.corrected(problem.corrections(x))
    for k, hand in enumerate(problem.hands):
        fitted, _ = hand.keypoints(x[problem.hand_slice(k)])
        apart.append((fitted - problem.points[k]).norm(dim=1))
        pixels.append((cameras.project(fitted) - problem.pixels[:, k]).norm(dim=2))
    return {
        "keypoint_median_mm": float(torch.stack(apart).nanmedian()) * 1000,
        "keypoint_median_px": float(torch.stack(pixels).nanmedian()),
    }


def _in_world(model: HandModel, x: Tensor, world_from_fit: Similarity) -> FittedHand:
    """Parameters in world units of one hand's unknowns x (62,).

    The model turns about its wrist joint, so its own offset only needs the scale's change.
    """
    scale = x[LAYOUT["scale"]].exp() * world_from_fit.scale
    trans = world_from_fit.apply(x[LAYOUT["trans"]])
    pose = torch.cat([x[LAYOUT["rotation"]], x[LAYOUT["pose"]]])
    return FittedHand(model, pose[None], x[LAYOUT["shape"]][None], trans[None], scale)
