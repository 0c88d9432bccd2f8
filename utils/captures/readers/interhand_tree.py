"""Where the files of InterHand2.6M are, and which frames a sequence has.

D/images/SPLIT/CaptureN/SEQUENCE/camXXXXXX/imageNNNNN.jpg, and D/annotations/SPLIT (older releases:
all, human_annot and machine_annot) /InterHand2.6M_SPLIT_{camera,joint_3d,MANO_NeuralAnnot}.json.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.captures.readers.rig_photos import shown
from utils.errors import UserError
from utils.io.files import natural_order

OLD_FOLDERS = ("all", "human_annot", "machine_annot")
IMAGE = re.compile(r"image(\d+)\.(?:jpe?g|png)", re.IGNORECASE)
GREY = "410"  # how the names of grey cameras begin


@dataclass(frozen=True)
class HandSequence:
    """A sequence of the data set: its root, split, capture and folder of cameras."""

    root: Path
    split: str
    capture: str
    folder: Path

    @property
    def capture_key(self) -> str:
        """The capture's key in the annotations: "0" of Capture0."""
        return self.capture.removeprefix("Capture")

    def annotation_files(self, kind: str) -> list[Path]:
        """The files of a kind (camera, joint_3d, ...) that are there, newest layout first."""
        return [path for path in self._places(kind) if path.is_file()]

    def expected(self, kind: str) -> str:
        """Where a kind of file is looked for, in words."""
        newest, *_ = self._places(kind)
        return f"{newest} (or in annotations/{', '.join(OLD_FOLDERS)})"

    def _places(self, kind: str) -> list[Path]:
        name = f"InterHand2.6M_{self.split}_{kind}.json"
        return [self.root / "annotations" / folder / name for folder in (self.split, *OLD_FOLDERS)]

    def frames(self) -> dict[str, dict[int, str]]:
        """Each camera's images by number, by the camera's name without "cam"; empty ones, too."""
        folders = [path for path in self.folder.iterdir() if path.is_dir()]
        return {
            camera_id(path.name): _images(path)
            for path in sorted(folders, key=lambda path: natural_order(path.name))
        }

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


def find_sequence(data_path: Path, config: Mapping[str, Any]) -> HandSequence:
    """The sequence that the config names by split, capture_name and data_name.

    What is left out is chosen where there is only one. Raises UserError, naming what there is, for
    whatever is not there.
    """
    images = data_path / "images"
    if not images.is_dir():
        raise UserError(
            f"{images} is no folder; data_path must hold InterHand2.6M's images and annotations"
        )
    split = _chosen(images, config.get("split", ""), "split")
    capture = _chosen(images / split, config.get("capture_name", ""), "capture_name")
    name = _chosen(images / split / capture, config.get("data_name", ""), "data_name")
    return HandSequence(data_path, split, capture, images / split / capture / name)


def _chosen(folder: Path, name: str, key: str) -> str:
    present = sorted((path.name for path in folder.iterdir() if path.is_dir()), key=natural_order)
    if name in present:
        return name
    if not name and len(present) == 1:
        return present[0]
    there = f"there are {shown(present)}" if present else "it is empty"
    if not name:
        raise UserError(f"{folder}: {there}; say which with --set {key}=...")
    raise UserError(f"{folder} holds no {name} ({key} = {name}); {there}")


def _images(folder: Path) -> dict[int, str]:
    found = ((IMAGE.fullmatch(name), name) for name in os.listdir(folder))
    return {int(match[1]): name for match, name in found if match}


def camera_id(name: object) -> str:
    """A camera's name as the annotations have it: 400262 of cam400262."""
    return str(name).strip().removeprefix("cam")


def camera_ids(value: object) -> list[str]:
    """The cameras of a config's list or text with commas."""
    names = value if isinstance(value, Sequence) and not isinstance(value, str) else None
    names = str(value or "").split(",") if names is None else names
    return [camera_id(name) for name in names if str(name).strip()]
