"""Where the files of InterHand2.6M are, and which frames a sequence has.

D/images/SPLIT/CaptureN/SEQUENCE/camXXXXXX/imageNNNNN.jpg, and D/annotations/SPLIT (older releases:
all, human_annot and machine_annot) /InterHand2.6M_SPLIT_{camera,joint_3d,MANO_NeuralAnnot}.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.captures.readers.studio import StudioSequence, chosen_folder
from utils.errors import UserError

OLD_FOLDERS = ("all", "human_annot", "machine_annot")


@dataclass(frozen=True)
class HandSequence(StudioSequence):
    """A sequence of the data set: its folder of cameras, the set's root, split and capture."""

    root: Path
    split: str
    capture: str

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
    split = chosen_folder(images, config.get("split", ""), "split")
    capture = chosen_folder(images / split, config.get("capture_name", ""), "capture_name")
    name = chosen_folder(images / split / capture, config.get("data_name", ""), "data_name")
    return HandSequence(images / split / capture / name, data_path, split, capture)
