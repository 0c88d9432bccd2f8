"""What InterHand2.6M and DeepHandMesh share, data sets of one studio: sequences of cam*/image*.jpg.

A scan is a frame of a sequence, its views the colour cameras. Nothing is written into the data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.notes import Notes
from utils.captures.readers.rig_photos import shown
from utils.errors import UserError
from utils.io.files import natural_order

IMAGE = re.compile(r"image(\d+)\.(?:jpe?g|png)", re.IGNORECASE)
COLOUR = "40"  # how the names of colour cameras begin; those of grey ones begin with 41


@dataclass(frozen=True)
class StudioSequence:
    """A sequence: its folder of cameras."""

    folder: Path

    def frames(self) -> dict[str, dict[int, str]]:
        """Each camera's images by number, by the camera's name without "cam"; empty ones, too."""
        folders = [path for path in self.folder.iterdir() if path.is_dir()]
        return {
            camera_id(path.name): _images(path)
            for path in sorted(folders, key=lambda path: natural_order(path.name))
        }

    def scans(self) -> list[str]:
        """The places of the frames: 0, 1, ..."""
        numbers = {number for images in self.frames().values() for number in images}
        return [str(place) for place in range(len(numbers))]

    def photo(self, camera: str, file_name: str) -> Path:
        """The path of a camera's image."""
        return self.folder / f"cam{camera}" / file_name

    def wanted_frame(
        self, frames: Mapping[str, Mapping[int, str]], scan_id: str, frame: int | None
    ) -> int:
        """The number `frame`, or the one at place `scan_id` among the frames of all cameras.

        Raises UserError where there is no such frame.
        """
        numbers = sorted({number for images in frames.values() for number in images})
        if not numbers:
            raise UserError(f"{self.folder}: no camera holds an image (camNNNNNN/imageNNNN.jpg)")
        held = f"{self.folder} has {len(numbers)} frames from {numbers[0]} to {numbers[-1]}"
        if frame is not None:
            if frame not in numbers:
                raise UserError(f"frame = {frame}: no image of it; {held}")
            return frame
        if not scan_id.isdigit() or int(scan_id) >= len(numbers):
            raise UserError(
                f"--scan_id {scan_id}: expected the place of a frame, 0 to {len(numbers) - 1}; "
                f"{held} (--set frame=NUMBER chooses one by its number)"
            )
        return numbers[int(scan_id)]


@dataclass(frozen=True)
class StudioFrame:
    """One frame of a sequence: its name for messages, number, and each chosen camera's photo.

    cameras: all that are calibrated, by name, world units; held: names of those that only judge.
    """

    name: str
    number: int
    cameras: Mapping[str, CalibratedCamera]
    photos: Mapping[str, Path]
    held: Sequence[str]


def studio_frame(
    sequence: StudioSequence,
    name: str,
    cameras: Mapping[str, CalibratedCamera],
    scan_id: str,
    config: Mapping[str, Any],
    notes: Notes,
) -> StudioFrame:
    """The frame that a scan is, with its colour cameras, but the config's drop_cam.

    name: the sequence's, for messages. Grey cameras are taken where there are no others, and those
    of eval_cam whatever they are. Notes say which are left out. Raises UserError for a frame or an
    eval_cam that is not there.
    """
    images = sequence.frames()
    number = sequence.wanted_frame(images, scan_id, config.get("frame"))
    notes.add(f"{name}: scan {scan_id} is frame {number}")
    used = _used_cameras(sequence, images, config, notes)
    absent = [camera for camera in cameras if camera not in images]
    without = [camera for camera in used if camera not in cameras]
    lost = [camera for camera in used if camera in cameras and number not in images[camera]]
    for left_out, why in (
        (absent, "they have no folder"),
        (without, "not in the camera file"),
        (lost, f"no image of frame {number}"),
    ):
        if left_out:
            notes.add(f"cameras {shown(left_out)} are left out: {why}")
    photos = {
        camera: sequence.photo(camera, images[camera][number])
        for camera in used
        if camera not in without and camera not in lost
    }
    held = [camera for camera in camera_ids(config.get("eval_cam")) if camera in photos]
    return StudioFrame(f"{name}, frame {number}", number, cameras, photos, held)


def _used_cameras(
    sequence: StudioSequence,
    images: Mapping[str, Mapping[int, str]],
    config: Mapping[str, Any],
    notes: Notes,
) -> list[str]:
    """Cameras that are fitted or kept for judging: none dropped, nor grey beside coloured."""
    dropped, kept = camera_ids(config.get("drop_cam")), camera_ids(config.get("eval_cam"))
    used = [name for name in images if name not in dropped or name in kept]
    unknown = [name for name in kept if name not in images]
    if unknown:
        raise UserError(
            f"eval_cam: {sequence.folder} has no camera {shown(unknown)}; it has {shown(used)}"
        )
    grey = [name for name in used if not name.startswith(COLOUR) and name not in kept]
    if not 0 < len(grey) < len(used):
        return used
    notes.add(f"grey cameras are left out: {len(grey)} of {len(used)}")
    return [name for name in used if name not in grey]


def chosen_folder(folder: Path, name: str | None, key: str) -> str:
    """The name of the folder in `folder` that the config's `key` names, or of the only one.

    Raises UserError that says what there is.
    """
    present = sorted((path.name for path in folder.iterdir() if path.is_dir()), key=natural_order)
    if name in present:
        return str(name)
    if not name and len(present) == 1:
        return present[0]
    there = f"there are {shown(present)}" if present else "it is empty"
    if not name:
        raise UserError(f"{folder}: {there}; say which with --set {key}=...")
    raise UserError(f"{folder} holds no {name} ({key} = {name}); {there}")


def _images(folder: Path) -> dict[int, str]:
    found = ((IMAGE.fullmatch(name), name) for name in sorted(os.listdir(folder)))
    return {int(match[1]): name for match, name in found if match}


def camera_id(name: object) -> str:
    """A camera's name as the annotations have it: 400262 of cam400262."""
    return str(name).strip().removeprefix("cam")


def camera_ids(value: object) -> list[str]:
    """The cameras of a config's list or text with commas."""
    names = value if isinstance(value, Sequence) and not isinstance(value, str) else None
    names = str(value or "").split(",") if names is None else names
    return [camera_id(name) for name in names if str(name).strip()]
