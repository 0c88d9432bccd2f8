"""Detected keypoints of a view as the demo layout has them: pose/%02d.json."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.io.files import load_json, save_json
from utils.keypoints import KEYPOINTS, SIDES

POSE_KEYS = tuple(side.capitalize() for side in SIDES)  # left then right, as in the 42 rows
DIGITS = 7


def load_pose(path: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One view's keypoints: pixels (2, 21, 2), left then right, and confidences (2, 21).

    size (height, width) of the photo; nan and 0 where a hand was not detected. Raises UserError on
    a missing file, missing sides and lists of the wrong length.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing; put detected keypoints there (MediaPipe's 21 a hand, x and y "
            "as 2u/W - 1 and 2v/H - 1; [] for a hand not seen)"
        )
    data, (height, width) = load_json(path), size
    xy, confidence = np.full((2, KEYPOINTS, 2), np.nan), np.zeros((2, KEYPOINTS))
    for hand, side in enumerate(POSE_KEYS):
        values = _hand_values(data, side, path)
        if len(values) == 0:
            continue
        xy[hand] = (values[:, :2] + 1) / 2 * [width, height]
        weights = _hand_confidence(data, side, path)
        confidence[hand] = np.where(np.isfinite(xy[hand]).all(1), weights, 0.0)
    return xy, confidence


def save_pose(
    path: str | Path,
    xy: np.ndarray,
    confidence: np.ndarray,
    size: tuple[int, int],
    z: np.ndarray | None = None,
) -> None:
    """Write one view's keypoints xy (2, 21, 2), pixels, left then right, nan: not seen.

    confidence (2, 21) in [0, 1]; size (height, width) of the photo; z (2, 21) depth relative to
    the wrist in pixels, as MediaPipe guesses it (2 z / width - 1 is written, as in the demo
    captures; nothing here reads it).
    """
    height, width = size
    z = np.zeros((len(POSE_KEYS), KEYPOINTS)) if z is None else z
    data = {}
    for hand, name in enumerate(POSE_KEYS):
        seen = np.isfinite(xy[hand]).all(1) & (confidence[hand] > 0)
        if not seen.any():
            data[name] = []
            continue
        values = np.column_stack([2 * xy[hand] / [width, height] - 1, 2 * z[hand] / width - 1])
        data[name] = np.where(seen[:, None], values, np.nan).round(DIGITS)
        data[f"{name}_confidence"] = np.where(seen, confidence[hand], 0.0).round(3)
    save_json(path, data)


def _hand_values(data: dict, side: str, path: Path) -> np.ndarray:
    """One hand's values (21, 3), or (0, 3) where it was not detected."""
    if not isinstance(data, dict) or side not in data:
        raise UserError(f"{path} has no '{side}' list; expected {{'Left': [...], 'Right': [...]}}")
    try:
        values = np.asarray(data[side], float).ravel()
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: '{side}' holds something other than numbers") from error
    if values.size not in (0, 3 * KEYPOINTS):
        raise UserError(
            f"{path}: '{side}' holds {values.size} numbers, expected {3 * KEYPOINTS} "
            "(21 keypoints times x, y, z) or none"
        )
    return values.reshape(-1, 3)


def _hand_confidence(data: dict, side: str, path: Path) -> np.ndarray:
    """One hand's optional confidences: (21,), one a keypoint, or () for all of them."""
    key = f"{side}_confidence"
    try:
        weights = np.asarray(data.get(key, 1.0), float)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: '{key}' holds something other than numbers") from error
    right = weights.shape in ((), (KEYPOINTS,)) and bool(np.all((weights >= 0) & (weights <= 1)))
    if not right:
        raise UserError(f"{path}: '{key}' must be {KEYPOINTS} numbers in [0, 1], or one")
    return weights
