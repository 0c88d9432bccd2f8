"""Sequences as Meta's hand studio releases them: cam<camera>/image<frame>.jpg in a folder.

DeepHandMesh is laid out so. Cameras whose name begins with 40 give colours, the others (41) grey.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.captures.calibrations.reading import listed
from utils.captures.view_files import PHOTO_SUFFIXES
from utils.errors import UserError
from utils.io.files import natural_order

COLOUR = "40"  # names of colour cameras begin so
FRAME = re.compile(r"image(\d+)$")
Frames = Mapping[str, Mapping[int, Path]]


def named_folder(parent: Path, key: str, name: str | None) -> Path:
    """The folder in `parent` that the config's `key` names, or the only one that is there.

    Raises UserError that lists what there is.
    """
    if name and (parent / name).is_dir():
        return parent / name
    if not parent.is_dir():
        raise UserError(f"{parent} is no folder; check --data_path, which holds images/")
    folders = sorted((p.name for p in parent.iterdir() if p.is_dir()), key=natural_order)
    if not name and len(folders) == 1:
        return parent / folders[0]
    asked = f"{key} = {name}: {parent} has no such folder" if name else f"{key} is not set"
    raise UserError(f"{asked}; --set {key}=NAME, there are {listed(folders) or 'none'}")


def camera_frames(sequence: Path) -> dict[str, dict[int, Path]]:
    """Photos of a sequence's folder by camera (without `cam`) and number of the frame.

    Numbers may be padded with zeros to any length. Raises UserError where there is no camera.
    """
    folders = {path.name[3:]: path for path in sorted(sequence.glob("cam*")) if path.is_dir()}
    if not folders:
        raise UserError(f"{sequence} holds no folder of a camera; expected cam400002 and so on")
    return {name: _frames(folder) for name, folder in folders.items()}


def _frames(folder: Path) -> dict[int, Path]:
    photos = [path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES]
    matches = [(FRAME.match(path.stem), path) for path in sorted(photos)]
    return {int(match[1]): path for match, path in matches if match}


def frame_numbers(frames: Frames) -> list[int]:
    """The frames that any camera has, in order."""
    return sorted({number for photos in frames.values() for number in photos})


def wanted_frame(sequence: Path, frames: Frames, scan_id: str, frame: int | None) -> int:
    """The number of the frame: `frame`, or that at place `scan_id` of all. Raises UserError."""
    numbers = frame_numbers(frames)
    if not numbers:
        raise UserError(f"{sequence}: no camera has a photo; expected image0001.jpg and so on")
    if frame is not None:
        if frame in numbers:
            return frame
        raise UserError(
            f"frame = {frame}: no camera of {sequence} has it; there are {len(numbers)} frames "
            f"from {numbers[0]} to {numbers[-1]}"
        )
    if not scan_id.isdecimal() or int(scan_id) >= len(numbers):
        raise UserError(
            f"--scan_id {scan_id}: scans of {sequence} are 0 to {len(numbers) - 1} (frame "
            f"{numbers[0]} to {numbers[-1]}); --set frame=NUMBER takes a frame by its number"
        )
    return numbers[int(scan_id)]


def camera_names(value: str | Sequence[str] | None) -> list[str]:
    """Names of cameras in the config, a list or with commas between, with or without `cam`."""
    names = value.split(",") if isinstance(value, str) else (value or [])
    return [name.strip().removeprefix("cam") for name in map(str, names) if name.strip()]


def chosen_cameras(
    frames: Frames, number: int, config: Mapping[str, Any], note: Any
) -> tuple[list[str], list[str]]:
    """Colour cameras with a photo of the frame: those to fit, and those kept for judging.

    The config's drop_cam are left out, its eval_cam kept. `note` takes lines on cameras left out
    for other reasons. Raises UserError for eval_cam without a photo.
    """
    colour = [name for name in sorted(frames) if name.startswith(COLOUR)]
    if len(colour) < len(frames):
        note(f"{len(frames) - len(colour)} of {len(frames)} cameras are grey (not 40...): left out")
    with_photo = [name for name in colour if number in frames[name]]
    lost = [name for name in colour if name not in with_photo]
    if lost:
        note(f"{listed(lost)}: no photo of frame {number}, left out")
    held = camera_names(config.get("eval_cam"))
    unknown = [name for name in held if name not in with_photo]
    if unknown:
        raise UserError(
            f"eval_cam names {listed(unknown)}: no colour camera with a photo of frame {number}; "
            f"there are {listed(with_photo) or 'none'}"
        )
    dropped = {*camera_names(config.get("drop_cam")), *held}
    return [name for name in with_photo if name not in dropped], held
