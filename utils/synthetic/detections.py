"""Keypoints as a hand detector would give them: noisy, sometimes wrong, missing or swapped."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from utils.cameras import Cameras

REFERENCE_WIDTH = 640  # pixels; errors below are at this image width and grow with it
NOISE_SD = 2.0  # pixels, each axis
OUTLIER_SHARE, OUTLIER_DISTANCE = 0.05, (20.0, 60.0)  # of the keypoints; pixels
MISSED_SHARE = 1 / 8  # of the views: one hand is not found
SWAPPED_SHARE = 1 / 10  # of the views with two hands: left and right are exchanged
OTHER = {"left": "right", "right": "left"}


@dataclass
class Detections:
    """`views`: one dict a view as pose/*.json holds it; the rest says what is wrong in them."""

    views: list[dict[str, list[float]]]
    missed: dict[int, str] = field(default_factory=dict)  # view: true side
    swapped: list[int] = field(default_factory=list)  # views
    outliers: list[tuple[int, str, int]] = field(default_factory=list)  # view, true side, keypoint


def detect(
    keypoints: dict[str, np.ndarray], cameras: Cameras, rng: np.random.Generator
) -> Detections:
    """Detect `keypoints`, (21, 3) in world units by true side, in every view of `cameras`.

    x and y are 2u/W - 1 and 2v/H - 1 of pixels u, v; z is a depth relative to the wrist of no
    particular scale, as MediaPipe's.
    """
    count = len(cameras)
    order = rng.permutation(count).tolist()
    n_missed = max(1, round(count * MISSED_SHARE))
    n_swapped = max(1, round(count * SWAPPED_SHARE)) if len(keypoints) == 2 else 0
    found = Detections([])
    found.missed = {view: str(rng.choice(list(keypoints))) for view in order[:n_missed]}
    found.swapped = sorted(order[n_missed : n_missed + n_swapped])
    for view in range(count):
        named: dict[str, list[float]] = {"Left": [], "Right": []}
        for side, points in keypoints.items():
            values, outliers = _one_hand(points, cameras[view], rng)
            if found.missed.get(view) == side:
                continue
            called = OTHER[side] if view in found.swapped else side
            named[called.title()] = values.ravel().round(7).tolist()
            found.outliers += [(view, side, int(k)) for k in outliers]
        found.views.append(named)
    return found


def _one_hand(
    points: np.ndarray, camera: Cameras, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Values (21, 3) of one hand in one view, and which of its keypoints are outliers."""
    height, width = camera.sizes[0].tolist()
    R, t, K = camera.R[0].numpy(), camera.t[0].numpy(), camera.K[0].numpy()
    in_camera = points @ R.T + t
    wrong, angle = rng.random(21) < OUTLIER_SHARE, rng.uniform(0, 2 * np.pi, 21)
    jump = wrong * rng.uniform(*OUTLIER_DISTANCE, 21) * [np.cos(angle), np.sin(angle)]
    error = (rng.normal(0, NOISE_SD, (21, 2)) + jump.T) * width / REFERENCE_WIDTH
    px = (in_camera @ K.T)[:, :2] / in_camera[:, 2:] + error
    depth = (in_camera[:, 2] - in_camera[0, 2]) * 5 - 1
    return np.column_stack([2 * px / [width, height] - 1, depth]), np.flatnonzero(wrong)
