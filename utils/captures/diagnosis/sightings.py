"""A capture's cameras and detections as arrays that a suspicion can change, and how they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.captures.capture import Capture
from utils.errors import UserError
from utils.keypoints.triangulation import HandKeypoints, triangulate_hands
from utils.keypoints.views import MIN_JOINTS, pixel_distance

FITS = 0.25  # of a hand's size: a detection that is farther (median) shows another hand
FARTHEST = 1e6  # pixels
SMALLEST = 2.0  # pixels: a detection whose box is smaller is no hand
NO_FIT = 1.0  # what a keypoint that fits no hand counts, in sizes of the detected hand


@dataclass(frozen=True)
class Sightings:
    """N views' cameras (OpenCV's convention) and detections.

    K, R (N, 3, 3); t (N, 3); sizes (N, 2) height, width; xy (N, 2, 21, 2) pixels, nan: not
    detected; confidence (N, 2, 21).
    """

    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    sizes: np.ndarray
    xy: np.ndarray
    confidence: np.ndarray

    @staticmethod
    def of(capture: Capture) -> Sightings:
        """Those of a capture. Raises UserError where a keypoint file cannot be read."""
        cameras = capture.camera_arrays
        return Sightings(cameras.K, cameras.R, cameras.t, cameras.sizes, *capture.keypoints)

    def __len__(self) -> int:
        return len(self.K)

    @property
    def cameras(self) -> CameraArrays:
        """The cameras as the suite's other parts take them."""
        return CameraArrays(self.K, self.R, self.t, self.sizes)

    @property
    def detected(self) -> np.ndarray:
        """Keypoints (N, 2, 21) bool of detections that hold enough of them to place a hand."""
        seen = np.isfinite(self.xy).all(-1) & (self.confidence > 0)
        enough = (seen.sum(-1) >= MIN_JOINTS) & (_box_diagonals(self.xy, seen) > SMALLEST)
        return seen & enough[..., None]

    @property
    def hand_sizes(self) -> np.ndarray:
        """Diagonals (N, 2) of the detections' boxes, pixels; 1 where nothing is detected."""
        return np.maximum(_box_diagonals(self.xy, self.detected), 1.0)

    def chosen(self, views: Sequence[int] | np.ndarray) -> Sightings:
        """These views alone."""
        index = np.asarray(views)
        arrays = (self.K, self.R, self.t, self.sizes, self.xy, self.confidence)
        return Sightings(*(x[index] for x in arrays))

    def without(self, views: Sequence[int]) -> Sightings:
        """All views, but nothing detected in these."""
        confidence = self.confidence.copy()
        confidence[list(views)] = 0.0
        return replace(self, confidence=confidence)


def _box_diagonals(xy: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of the boxes of xy (N, 2, 21, 2) where seen (N, 2, 21); 0: nothing seen."""
    low = np.where(seen[..., None], xy, np.inf).min(2)
    high = np.where(seen[..., None], xy, -np.inf).max(2)
    return np.linalg.norm(np.where(seen.any(-1)[..., None], high - low, 0.0), axis=-1)


@dataclass(frozen=True)
class Fit:
    """How well the views agree on hands.

    relative: the median distance of a detected keypoint from its hand in sizes of the detected
    hand, at most NO_FIT, which counts where no hand is known; pixels: the median in pixels of those
    that fit one, nan where none does.
    """

    hands: HandKeypoints | None
    relative: float
    pixels: float
    by_detection: np.ndarray  # (N, 2) each detection's relative median, nan: not detected

    @property
    def fitting(self) -> float:
        """Share of the detections that show one of the hands."""
        known = self.by_detection[np.isfinite(self.by_detection)]
        return float((known < FITS).mean()) if known.size else 0.0

    @property
    def mean(self) -> float:
        """Mean of the detections' relative medians: few views that are far off show in it."""
        known = self.by_detection[np.isfinite(self.by_detection)]
        return float(known.mean()) if known.size else np.nan

    def chosen_mean(self, views: Sequence[int] | np.ndarray) -> float:
        """`mean` of these views alone."""
        return replace(self, by_detection=self.by_detection[np.asarray(views)]).mean

    @property
    def best_of_views(self) -> float:
        """The middle view's better detection, relative: false detections beside it don't count."""
        best = np.fmin(*self.by_detection.T)
        return _median(best)

    def explains(self, before: Fit) -> float:
        """What remains of another fit's residual: this one's relative median over that one's."""
        return self.relative / max(before.relative, 1e-9)


def fit_of(
    sightings: Sightings,
    options: Mapping[str, Any],
    seed: int = 0,
    hands: HandKeypoints | None = None,
) -> Fit:
    """Triangulate (unless `hands` are given) and judge. options: the config's `pose_optim`."""
    if hands is None:
        try:
            hands = triangulate_hands(
                sightings.cameras, sightings.xy, sightings.confidence, options, seed
            )
        except (UserError, np.linalg.LinAlgError):  # absurd cameras make singular systems
            hands = None
    return _judged(sightings, hands)


def _judged(sightings: Sightings, hands: HandKeypoints | None) -> Fit:
    relative = np.where(sightings.detected, NO_FIT, np.nan)  # (N, 2, 21)
    pixels = np.nan
    if hands is not None:
        distance = distances(sightings, hands.points) / sightings.hand_sizes[..., None]
        relative = np.where(np.isfinite(distance), np.fmin(distance, NO_FIT), relative)
        finite = np.isfinite(hands.residuals)
        pixels = float(np.median(hands.residuals[finite])) if finite.any() else np.nan
    by_detection = np.array([[_median(x) for x in view] for view in relative])
    return Fit(hands, _median(relative), pixels, by_detection)


def distances(sightings: Sightings, points: np.ndarray) -> np.ndarray:
    """Pixels (N, 2, 21) from each detection's keypoints to the hand of points (2, 21, 3) that is
    nearer to most of them, FARTHEST behind a camera; nan: not detected, or not known."""
    P = sightings.K @ np.concatenate([sightings.R, sightings.t[..., None]], -1)
    known = np.isfinite(points[..., 0])[None, None] & sightings.detected[:, :, None]
    distance = pixel_distance(P[:, None, None], sightings.xy[:, :, None], points[None, None])
    distance = np.where(known, np.fmin(distance, FARTHEST), np.nan)  # (N, 2, hands, 21)
    medians = [[[_median(hand) for hand in slot] for slot in view] for view in distance]
    nearer = np.argmin(np.nan_to_num(medians, nan=np.inf), -1)  # (N, 2)
    return np.take_along_axis(distance, nearer[..., None, None], 2)[:, :, 0]


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else np.nan
