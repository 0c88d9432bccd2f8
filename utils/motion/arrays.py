"""Arrays of an .npz, checked as they are taken: each fault is one line that names the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import existing_file

NPZ_FORMS = (
    "read are AMASS's .npz: poses (T, 156) of SMPL-H or (T, 165) of SMPL-X, or pose_hand (T, 90); "
    "and the S_sequence.npz of this suite"
)
WANTED = ("poses", "pose_hand", "root_orient", "pose_body", "mocap_framerate", "mocap_frame_rate")
WANTED += ("left_trans", "right_trans", "left_seen", "right_seen")
SHOWN = 12  # keys that messages list


class NpzFile:
    """The arrays of a file of poses, by name; others, such as pickled objects, are never opened."""

    def __init__(self, path: Path) -> None:
        self.path = existing_file(path)
        self.arrays: dict[str, np.ndarray] = {}
        with decoding(path, "no npz archive", NPZ_FORMS), np.load(path, allow_pickle=False) as file:
            self.keys = list(file.files)
            for key in set(WANTED) & set(self.keys):
                self.arrays[key] = file[key]

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def error(self, what: str) -> UserError:
        """The error that says `what` is wrong with the file."""
        return UserError(f"{self.path}: {what}; {NPZ_FORMS}")

    def lacks(self, what: str) -> UserError:
        """The error that says which key is missing, and which are there."""
        keys = ", ".join(self.keys[:SHOWN]) or "nothing"
        return self.error(f"has no {what}; it has {keys}")

    def frames(self) -> int:
        """How many frames the poses have. Raises UserError where there are none."""
        key = "poses" if "poses" in self else "pose_hand"
        if key not in self:
            raise self.lacks("poses and no pose_hand")
        shape = self.arrays[key].shape
        if not shape or shape[0] == 0:
            raise self.error(f"{key} has shape {shape}, expected frames")
        return shape[0]

    def numbers(self, key: str, columns: Sequence[int], rows: int | None = None) -> np.ndarray:
        """An array (T, one of columns) float64; rows: what T has to be."""
        if key not in self:
            raise self.lacks(key)
        array = self.arrays[key]
        fits = array.ndim == 2 and array.shape[1] in columns
        if not fits or (rows is not None and len(array) != rows):
            forms = " or ".join(f"({'T' if rows is None else rows}, {count})" for count in columns)
            without = "a body without fingers; " if array.shape[1:] == (72,) else ""
            raise self.error(f"{key} has shape {array.shape}, {without}expected {forms}")
        if array.dtype.kind not in "fiu":
            raise self.error(f"{key} holds {array.dtype}, expected numbers")
        return array.astype(float)

    def check_finite(self, key: str, values: np.ndarray, where: np.ndarray | None = None) -> None:
        """Raise UserError where values (T, n) are not finite in frames `where` (T,) bool."""
        bad = ~np.isfinite(values).all(1)
        bad = bad if where is None else bad & where
        if bad.any():
            others = f" and in {bad.sum() - 1} more" if bad.sum() > 1 else ""
            raise self.error(
                f"{key} is not finite in frame {int(bad.argmax())}{others} (of {len(bad)}); "
                "--poses_frames chooses others"
            )

    def rate(self) -> float | None:
        """Frames a second, or None where the file does not say."""
        for key in ("mocap_framerate", "mocap_frame_rate"):
            if key in self:
                value = self.arrays[key]
                if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < float(value) < 1e6:
                    raise self.error(f"{key} is {value!r:.40}, expected frames a second")
                return float(value.reshape(()))
        return None
