"""Robust triangulation of two hands from detections whose names and keypoints may be wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.errors import UserError
from utils.keypoints.ghosts import without_ghost
from utils.keypoints.order import SIDES
from utils.keypoints.refine import refine_points
from utils.keypoints.search import assign_detections, best_pairs, find_hands
from utils.keypoints.views import HandViews, pixel_distance

if TYPE_CHECKING:
    from utils.cameras import Cameras


@dataclass(frozen=True)
class HandKeypoints:
    """Triangulated hands, left then right, and how the N views' detections fit them."""

    points: np.ndarray  # (2, 21, 3) world units; nan: not seen by two agreeing views
    assigned: np.ndarray  # (N, 2) detection (0 or 1) that shows the hand in the view; -1: none
    xy: np.ndarray  # (N, 2, 21, 2) pixels, those detections; nan: not observed
    residuals: np.ndarray  # (N, 2, 21) pixels; nan: not observed
    inliers: np.ndarray  # (N, 2, 21) bool
    noise: float  # pixels: robust standard deviation of a detected coordinate
    detected: np.ndarray  # (N, 2) bool, by the detector's name: enough keypoints to be used

    @property
    def swapped(self) -> np.ndarray:
        """Views (N,) bool in which a hand bears the other one's name."""
        return (self.assigned == [1, 0]).any(1)


def triangulate_hands(
    cameras: Cameras | CameraArrays,
    xy: np.ndarray,
    confidence: np.ndarray,
    options: Mapping[str, Any],
    seed: int = 0,
) -> HandKeypoints:
    """Triangulate both hands from keypoints xy (N, 2, 21, 2) pixels, confidence (N, 2, 21).

    Detections come as the detector named them, left then right, nan where nothing was detected;
    the names may be wrong in any view. `options` is the config's section `pose_optim`. Raises
    UserError where no hand is detected, or none by two views that agree.
    """
    views = HandViews.of(cameras, xy, confidence, options["fit_radius"])
    _check_enough(views)
    hands = find_hands(views, options["min_fit"], seed)
    for restart in (True, False):
        assigned = assign_detections(hands, views, options["min_fit"])
        if restart:
            hands = np.stack([best_pairs(views, assigned, hand, seed) for hand in (0, 1)])
        chosen, weights = views.chosen(assigned)
        hands, noise = refine_points(
            views.P, chosen, weights, hands, options["cauchy_scale"], options["bone_symmetry"]
        )
        hands = without_ghost(hands, views, assigned)
    return _judged(views, hands, assigned, noise, options["inlier_scale"])


def _check_enough(views: HandViews) -> None:
    detected = (views.weights.sum(-1) > 0).any(1)
    if len(detected) < 2:
        raise UserError("pose: the capture has 1 view; triangulation needs at least 2")
    if not detected.any():
        raise UserError(
            f"pose: no hand is detected in any of {len(detected)} views; detect again "
            "or look at the images"
        )
    if detected.sum() == 1:
        raise UserError(
            f"pose: a hand is detected only in view {int(detected.argmax())} of {len(detected)}; "
            "triangulation needs it in at least 2"
        )


def _judged(
    views: HandViews, hands: np.ndarray, assigned: np.ndarray, noise: float, inlier_scale: float
) -> HandKeypoints:
    """Residuals and inliers; joints with fewer than two inliers are not seen."""
    chosen, weights = views.chosen(assigned)
    distance = np.where(weights > 0, pixel_distance(views.P[:, None], chosen, hands), np.nan)
    inliers = np.fmin(distance, np.inf) <= inlier_scale * noise
    seen = inliers.sum(0) >= 2  # (2, 21)
    if not seen.any():
        raise UserError("pose: no keypoint fits two views; check the cameras and the keypoints")
    observed = (weights > 0) & seen
    return HandKeypoints(
        points=np.where(seen[..., None], hands, np.nan),
        assigned=np.where(seen.any(1), assigned, -1),
        xy=np.where(observed[..., None], chosen, np.nan),
        residuals=np.where(observed, distance, np.nan),
        inliers=inliers & observed,
        noise=noise,
        detected=views.weights.any(-1),
    )


def report(hands: HandKeypoints, names: Sequence[str]) -> dict[str, Any]:
    """What keypoints_3d_S.json holds: a summary, the views (by name) and each residual."""
    return {
        "unit": "pixels; hands and joints as in the .xyz: left then right, MediaPipe's order",
        "noise": hands.noise,
        "summary": {side: _side_summary(hands, k) for k, side in enumerate(SIDES)},
        "views": [_view_report(hands, view, name) for view, name in enumerate(names)],
        "views_per_joint": hands.inliers.sum(0),
        "residuals": hands.residuals,
        "inliers": hands.inliers,
    }


def _side_summary(hands: HandKeypoints, k: int) -> dict[str, Any]:
    residuals, inliers = hands.residuals[:, k], hands.inliers[:, k]
    observed = np.isfinite(residuals)
    if not observed.any():
        return {"joints": 0, "views": 0}
    return {
        "joints": int(np.isfinite(hands.points[k, :, 0]).sum()),
        "views": int(observed.any(1).sum()),
        "median_residual": float(np.median(residuals[observed])),
        "median_inlier_residual": float(np.median(residuals[inliers])),
        "inlier_share": float(inliers.sum() / observed.sum()),
    }


def _view_report(hands: HandKeypoints, view: int, name: str) -> dict[str, Any]:
    residuals = hands.residuals[view][np.isfinite(hands.residuals[view])]
    detected_as = [SIDES[slot] if slot >= 0 else None for slot in hands.assigned[view]]
    return {
        "view": view,
        "name": name,
        "shows": {
            f"{side} hand": f"detection '{detection}'" if detection else None
            for side, detection in zip(SIDES, detected_as)
        },
        "swapped": bool(hands.swapped[view]),
        "median_residual": float(np.median(residuals)) if len(residuals) else None,
        "outliers": int((np.isfinite(hands.residuals[view]) & ~hands.inliers[view]).sum()),
    }


def summary_lines(hands: HandKeypoints) -> list[str]:
    """What a user should read of the result."""
    lines = []
    for k, side in enumerate(SIDES):
        facts = _side_summary(hands, k)
        if not facts["joints"]:
            lines.append(f"{side} hand: not seen by enough views that agree")
            continue
        lines.append(
            f"{side} hand: {facts['joints']} of {hands.points.shape[1]} keypoints from "
            f"{facts['views']} views, median residual {facts['median_residual']:.1f} px, "
            f"{100 * facts['inlier_share']:.0f} % inliers"
        )
    swapped = np.nonzero(hands.swapped)[0]
    if len(swapped):
        lines.append(f"left and right named wrongly in views {', '.join(map(str, swapped))}")
    unused = np.nonzero((hands.assigned < 0).all(1))[0]
    if len(unused):
        lines.append(f"no fitting hand detected in views {', '.join(map(str, unused))}")
    return lines
