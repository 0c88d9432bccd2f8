"""Detected keypoints of a view as the demo layout has them: pose/%02d.json."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.captures.keypoint_forms import Range, in_pixels, numbers_of, without_fillings
from utils.errors import UserError
from utils.io.decoding import decoding, first_words
from utils.io.files import load_json, save_json
from utils.keypoints import KEYPOINTS, SIDES

POSE_KEYS = tuple(side.capitalize() for side in SIDES)  # left then right, as in the 42 rows
DIGITS = 7


def load_pose(path: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """One view's keypoints: pixels (2, 21, 2), left then right, and confidences (2, 21).

    size (height, width) of the photo; the file's coordinates are taken to be in [-1, 1]; nan and 0
    where a hand was not detected. Raises UserError as `load_hands`.
    """
    xy, confidence = load_hands(path)
    xy, _ = without_fillings(xy)
    return in_pixels(xy[None], Range.SIGNED, np.array([size]))[0], seen_only(xy, confidence)


def load_hands(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A file's coordinates (2, 21, 2) as they stand there, and confidences (2, 21).

    nan and 0 where there is no hand: [], null or no list of that side. Raises UserError on a
    missing file, one with neither side, and lists of the wrong length.
    """
    if not path.is_file():
        raise UserError(
            f"{path} is missing; put detected keypoints there (MediaPipe's 21 a hand, x and y "
            "as 2u/W - 1 and 2v/H - 1; [] for a hand not seen)"
        )
    with decoding(path, "no file of keypoints {'Left': [...], 'Right': [...]}"):
        data = load_json(path)
    if not isinstance(data, dict) or not set(POSE_KEYS) & set(data):
        raise UserError(
            f"{path} has no 'Left' list and no 'Right' list; expected "
            "{'Left': [...], 'Right': [...]}"
        )
    xy, confidence = np.full((2, KEYPOINTS, 2), np.nan), np.zeros((2, KEYPOINTS))
    for hand, side in enumerate(POSE_KEYS):
        values = _hand_values(data, side, path)
        if len(values):
            xy[hand] = values[:, :2]
            confidence[hand] = _hand_confidence(data, side, path)
    return xy, seen_only(xy, confidence)


def seen_only(xy: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """Confidences (..., 21), 0 where a point of xy (..., 21, 2) is not finite."""
    return np.where(np.isfinite(xy).all(-1), confidence, 0.0)


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
    expected = f"expected {3 * KEYPOINTS} (21 keypoints times x, y, z) or none"
    try:
        values = numbers_of(data.get(side))
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f"{path}: '{side}' holds something other than numbers ({first_words(error)}); "
            f"{expected}"
        ) from error
    if values.size not in (0, 3 * KEYPOINTS):
        raise UserError(f"{path}: '{side}' holds {values.size} numbers, {expected}")
    return values.reshape(-1, 3)


def _hand_confidence(data: dict, side: str, path: Path) -> np.ndarray:
    """One hand's optional confidences: (21,), one a keypoint, or () for all of them; null: 0."""
    key = f"{side}_confidence"
    given = data.get(key)
    try:
        weights = np.asarray(1.0 if given is None else given, float)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: '{key}' holds something other than numbers") from error
    weights = np.where(np.isnan(weights), 0.0, weights)
    right = weights.shape in ((), (KEYPOINTS,)) and bool(np.all((weights >= 0) & (weights <= 1)))
    if not right:
        raise UserError(f"{path}: '{key}' must be {KEYPOINTS} numbers in [0, 1], or one")
    return weights
