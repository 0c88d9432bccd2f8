"""Reads keypoints of other detectors: OpenPose's and EasyMocap's JSON, and plain .npy files.

All have the same 21 keypoints a hand in the same order as MediaPipe: wrist, then thumb to little
finger, each from root to tip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras import Cameras
from utils.captures.keypoint_forms import Range, in_pixels, numbers_of, range_of, without_fillings
from utils.errors import UserError
from utils.io.decoding import decoding, first_words
from utils.io.files import load_json, natural_order
from utils.keypoints import KEYPOINTS, SIDES

OPENPOSE = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")
EASYMOCAP = ("handl2d", "handr2d")
LAYOUTS = "OpenPose's 'people' or EasyMocap's 'annots'"


@dataclass(frozen=True)
class OneHand:
    """What another detector says of one hand."""

    side: int  # 0 left, 1 right
    xy: np.ndarray  # (21, 2) pixels, nan where not seen
    confidence: np.ndarray  # (21,) in [0, 1]


def read_keypoints(
    path: str | Path,
    views: int,
    scan_id: str,
    cameras: Cameras | None = None,
    note: Callable[[str], object] = print,
) -> list[list[OneHand]]:
    """All hands that another detector found in each of N views.

    path: a .npy of (views, 42, 3), left hand first, x and y in pixels and a confidence; or a
    folder with one JSON file a view, in natural order of their names; or one folder a view, each
    with a JSON file of the scan's number (or a single one). '{scan}' in it stands for the scan.
    cameras: with them, coordinates in [0, 1] and [-1, 1] are told from pixels, which `note` is
    told. Raises UserError on anything else, on broken files, and where their number is not the
    views'.
    """
    path = Path(str(path).replace("{scan}", scan_id))
    if path.is_dir():
        hands = [_from_json(file) for file in _files_of(path, views, scan_id)]
    elif path.suffix == ".npy":
        hands = _from_npy(path, views)
    else:
        what = "is no .npy file" if path.is_file() else "is missing"
        raise UserError(
            f"--from {path} {what}; expected a .npy of (views, 42, 3), or a folder with a JSON "
            f"file a view ({LAYOUTS})"
        )
    if cameras is not None and any(hands):
        hands = _as_pixels(hands, cameras, path, note)
    if not any(hands):
        raise UserError(f"--from {path} holds no hand in any of {views} views; detect again")
    return hands


def _as_pixels(
    given: list[list[OneHand]], cameras: Cameras, path: Path, note: Callable[[str], object]
) -> list[list[OneHand]]:
    """The hands in pixels, whichever range they are in; views in another range than most: none."""
    most = max(len(hands) for hands in given)
    xy = np.full((len(given), most, KEYPOINTS, 2), np.nan)
    for view, hands in enumerate(given):
        for place, hand in enumerate(hands):
            xy[view, place] = hand.xy
    xy, _ = without_fillings(xy)
    spans = cameras.sizes.numpy() - 1  # OpenPose divides by the size less one
    scale, left_out = range_of(xy, spans, cameras)
    if scale is not Range.PIXELS:
        note(f"keypoints of {path} are in {scale.value} of the photo, not in pixels: read so")
    if left_out.any():
        numbers = ", ".join(map(str, np.nonzero(left_out)[0]))
        note(f"keypoints of {path} are in another range in views {numbers}: left out")
    xy[left_out] = np.nan
    pixels = in_pixels(xy, scale, spans)
    return [
        [
            _at(hand, pixels[view, k])
            for k, hand in enumerate(hands)
            if np.isfinite(xy[view, k]).any()
        ]
        for view, hands in enumerate(given)
    ]


def _at(hand: OneHand, xy: np.ndarray) -> OneHand:
    """The hand with keypoints xy (21, 2), nan where not seen."""
    seen = np.isfinite(xy).all(1)
    return replace(hand, xy=xy, confidence=np.where(seen, hand.confidence, 0.0))


def _files_of(folder: Path, views: int, scan_id: str) -> list[Path]:
    files = _in_order(folder.glob("*.json"))
    if not files:
        folders = _in_order(each for each in folder.iterdir() if each.is_dir())
        files = [_of_scan(each, scan_id) for each in folders]
    if len(files) != views:
        raise UserError(
            f"--from {folder} holds keypoints of {len(files)} views, the capture has {views}; "
            "expected one JSON file (or one folder) a view"
        )
    return files


def _in_order(paths: Iterable[Path]) -> list[Path]:
    """cam2 before cam10; hidden files are left alone."""
    shown = (path for path in paths if path.name[0] != ".")
    return sorted(shown, key=lambda path: natural_order(path.name))


def _of_scan(folder: Path, scan_id: str) -> Path:
    """The scan's file in one view's folder."""
    files = _in_order(folder.glob("*.json"))
    numbered = [file for file in files if file.stem.lstrip("0") == scan_id.lstrip("0")]
    if len(files) == 1 or numbered:
        return (numbered or files)[0]
    raise UserError(
        f"--from: {folder} holds {len(files)} JSON files, none of scan {scan_id}; expected one "
        f"named by its number, such as {int(scan_id) if scan_id.isdigit() else 0:06d}.json"
    )


def _from_json(path: Path) -> list[OneHand]:
    with decoding(path, f"no file of keypoints ({LAYOUTS})"):
        data = load_json(path)
    content = data if isinstance(data, dict) else {"annots": data}
    people = content.get("people", content.get("annots"))
    if not isinstance(people, list) or not all(isinstance(one, dict) for one in people):
        raise UserError(f"{path} is no file of keypoints; expected {LAYOUTS}")
    keys = OPENPOSE if "people" in content else EASYMOCAP
    hands = [
        _hand(path, key, side, one.get(key)) for one in people for side, key in enumerate(keys)
    ]
    return [hand for hand in hands if hand is not None]


def _hand(path: Path, key: str, side: int, values: Any) -> OneHand | None:
    expected = f"expected {3 * KEYPOINTS} (21 keypoints times x, y, confidence) or none"
    try:
        numbers = numbers_of(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f"{path}: '{key}' holds something other than numbers ({first_words(error)}); {expected}"
        ) from error
    if numbers.size not in (0, 3 * KEYPOINTS):
        raise UserError(f"{path}: '{key}' holds {numbers.size} numbers, {expected}")
    return _checked(side, numbers.reshape(-1, 3))


def _from_npy(path: Path, views: int) -> list[list[OneHand]]:
    if not path.is_file():
        raise UserError(f"--from {path} is missing; expected a .npy of (views, 42, 3)")
    rows = len(SIDES) * KEYPOINTS
    with decoding(path, "no .npy file of numbers"):
        stored = np.load(path, allow_pickle=False, mmap_mode="r")  # reads nothing as yet
        if stored.dtype.kind not in "fiu":
            raise ValueError(f"it holds {stored.dtype}")
        values = np.asarray(stored, float) if stored.shape == (views, rows, 3) else stored
    if values.shape != (views, rows, 3):
        shape = " x ".join(map(str, values.shape))
        raise UserError(f"{path} holds {shape} numbers, expected {views} x {rows} x 3")
    by_hand = values.reshape(views, len(SIDES), KEYPOINTS, 3)
    hands = [[_checked(side, hand) for side, hand in enumerate(view)] for view in by_hand]
    return [[hand for hand in view if hand is not None] for view in hands]


def _checked(side: int, values: np.ndarray) -> OneHand | None:
    """The hand of values (21, 3), None where no keypoint was seen."""
    seen = np.isfinite(values).all(1) & (values[:, 2] > 0) if len(values) else np.zeros(0, bool)
    if not seen.any():
        return None
    xy = np.where(seen[:, None], values[:, :2], np.nan)
    return OneHand(side, xy, np.where(seen, np.clip(values[:, 2], 0, 1), 0.0))


def one_a_side(hands: Sequence[Sequence[OneHand]]) -> bool:
    """Whether no view has two hands of one side, as with several people."""
    return all(len({hand.side for hand in view}) == len(view) for view in hands)
