"""What readers of calibrations share: guarded text, sizes and lenses, and what a rig is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import LARGEST, LONGEST_SIDE, Calibration
from utils.errors import UserError
from utils.io.decoding import decoding, first_words
from utils.io.files import existing_file
from utils.words import LISTED, listed

LARGEST_FILE = 256 * 2**20  # bytes; a calibration with all its landmarks stays below
LARGEST_ANGLE = 100.0  # radians, far above two turns


def read_text(path: Path, what: str, largest: int = LARGEST_FILE) -> str:
    """The text of a file, UTF-8 with or without a byte order mark, lines ended by newlines.

    what: what the file should be, for the message. Raises UserError on a missing file, one above
    `largest` bytes, and one that is no text.
    """
    path = existing_file(path)
    with decoding(path, f"not {what}", "export it again"):
        if path.stat().st_size > largest:
            raise UserError(f"{path} is larger than {largest // 2**20} MiB; expected {what}")
        text = path.read_bytes().decode("utf-8-sig")
    if "\0" in text:
        raise UserError(f"{path} is not {what} (it holds zero bytes); export it again")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def entry(path: Path, where: str, table: Any, key: str) -> Any:
    """`table[key]`, or UserError that says what is missing where ("camera 3")."""
    if not isinstance(table, dict):
        raise UserError(f"{path}: {where} is no table of entries; export it again")
    if table.get(key) is None:
        raise UserError(f"{path}: {where} has no '{key}'; export it again")
    return table[key]


def entries(path: Path, value: Any, what: str) -> list[Any]:
    """`value` as a list, or UserError that says what was expected."""
    if not isinstance(value, list):
        raise UserError(f"{path}: expected a list of {what}, found {type(value).__name__}")
    return value


def shaped(path: Path, where: str, value: Any, *shape: int) -> np.ndarray:
    """Numbers in whatever nesting, also as text, as an array of `shape` (-1: any), float64.

    Files hold vectors as rows, columns and flat lists. Raises UserError on other counts and nan.
    """
    try:
        array = np.asarray(value, float).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(
            f"{path}: {where} is not {' x '.join(map(str, shape)).replace('-1', 'n')} numbers"
        ) from error
    if not np.isfinite(array).all():
        raise UserError(f"{path}: {where} holds nan; calibrate it again")
    if (np.abs(array) > LARGEST).any():
        raise UserError(f"{path}: {where} holds {np.abs(array).max():g}; calibrate it again")
    return array


def rotation_matrix(path: Path, where: str, value: Any) -> np.ndarray:
    """R (3, 3) of 9 numbers row by row, or of Rodrigues' vector. Raises UserError on others."""
    values = shaped(path, where, value, -1)
    if values.size == 9:
        return values.reshape(3, 3)
    vector = shaped(path, where, values, 3)
    if np.abs(vector).max() > LARGEST_ANGLE:
        raise UserError(f"{path}: {where} is no rotation vector in radians: {vector}")
    return cv2.Rodrigues(vector)[0]


def image_size(path: Path, where: str, width: Any, height: Any) -> tuple[int, int]:
    """(height, width) of a photo, whole pixels. Raises UserError on what is none."""
    sides = shaped(path, f"the image size of {where}", [height, width], 2)
    if not (sides == sides.round()).all() or (sides < 1).any() or (sides > LONGEST_SIDE).any():
        raise UserError(f"{path}: {where} has an image size of {sides[1]:g} x {sides[0]:g}")
    return int(sides[0]), int(sides[1])


def lens(path: Path, where: str, build: Callable[[Sequence[float]], Lens], value: Any) -> Lens:
    """`build`, such as `Lens.brown`, of a file's numbers. Raises UserError on a wrong count."""
    coefficients = shaped(path, f"the distortion of {where}", value, -1)
    try:
        return build([float(number) for number in coefficients])
    except ValueError as error:
        raise UserError(f"{path}: {where} holds {first_words(error)}") from error


def left_out(names: Sequence[str], why: str) -> list[str]:
    """The note on cameras that are left out, if any: "2 cameras WHY are left out: a, b"."""
    if not names:
        return []
    cameras = "1 camera" if len(names) == 1 else f"{len(names)} cameras"
    are = "is" if len(names) == 1 else "are"
    return [f"{cameras} {why} {are} left out: {listed(names)}"]


def checked(path: Path, calibration: Calibration) -> Calibration:
    """The calibration, with notes on cameras that repeat another's numbers.

    Raises UserError where no camera has a pose and where two cameras have the same name.
    """
    cameras = calibration.cameras
    if not cameras:
        notes = "; ".join(calibration.notes)
        raise UserError(
            f"{path} holds no camera with a pose{f' ({notes})' if notes else ''}; "
            "export the calibration with its extrinsics"
        )
    names = [camera.name for camera in cameras]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise UserError(f"{path}: several cameras are called {listed(twice)}; rename them")
    return replace(calibration, notes=[*calibration.notes, *_repeated(calibration)])


def _repeated(calibration: Calibration) -> list[str]:
    notes = []
    for group in _groups(calibration.cameras, _pose):
        optics = " and the same intrinsics" if _groups(group, _optics) == [group] else ""
        names = _together(group)
        notes.append(f"{names} have the same pose{optics}: one may be a copy of another")
    if not calibration.names_photos and not notes:  # photos of one device share intrinsics
        for group in _groups(calibration.cameras, _optics):
            notes.append(f"{_together(group)} have the same intrinsics")
    return notes


def _together(cameras: Sequence[CalibratedCamera]) -> str:
    names = [camera.name for camera in cameras]
    return listed(names) if len(names) > LISTED else f"{', '.join(names[:-1])} and {names[-1]}"


def _groups(
    cameras: Sequence[CalibratedCamera], numbers_of: Callable[[CalibratedCamera], np.ndarray]
) -> list[list[CalibratedCamera]]:
    """Groups of two or more cameras whose numbers are the same."""
    groups: dict[tuple[str, ...], list[CalibratedCamera]] = {}
    for camera in cameras:
        digits = tuple(f"{value + 0.0:.9e}" for value in numbers_of(camera))
        groups.setdefault(digits, []).append(camera)
    return [group for group in groups.values() if len(group) > 1]


def _pose(camera: CalibratedCamera) -> np.ndarray:
    return np.concatenate([camera.R.ravel().round(9), camera.t])


def _optics(camera: CalibratedCamera) -> np.ndarray:
    return np.concatenate([camera.K.ravel(), camera.lens.numbers])
