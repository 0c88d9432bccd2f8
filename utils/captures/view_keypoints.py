"""Reads the keypoints of a capture's views alike: one range of coordinates for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.captures.keypoint_forms import Range, in_pixels, range_of, without_fillings
from utils.captures.notes import Notes, views_text
from utils.captures.pose_files import load_hands, seen_only
from utils.errors import UserError
from utils.io.stamps import file_stamps
from utils.keypoints import KEYPOINTS, SIDES

FORMULAS = {Range.UNIT: "u / W", Range.PIXELS: "u"}


@dataclass
class ViewKeypoints:
    """Keypoints of all views of a capture, decided together when one is asked for.

    What is said of them goes to `notes`. Files may be missing: their views have no keypoints.
    """

    paths: Sequence[Path]
    names: Sequence[str]
    cameras: CameraArrays
    notes: Notes
    _stamp: object = field(default=None, init=False)
    _range: Range = field(default=Range.SIGNED, init=False)
    _left_out: np.ndarray = field(default_factory=lambda: np.zeros(0, bool), init=False)

    def read(self, view: int, path: Path, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """A view's keypoints as `Capture.keypoints`. Raises UserError as `load_hands`."""
        coordinates, confidence = load_hands(path)
        self._decide()
        if self._left_out[view]:
            coordinates = np.full_like(coordinates, np.nan)
        coordinates, _ = without_fillings(coordinates)
        if self._range is not Range.SIGNED:  # there, (0, 0) is a corner, which no detector finds
            corner = (coordinates == 0).all(-1, keepdims=True)
            coordinates = np.where(corner, np.nan, coordinates)
        xy = in_pixels(coordinates[None], self._range, np.array([size]))[0]
        return xy, seen_only(xy, confidence)

    def all(self) -> np.ndarray:
        """Pixels (N, 2, 21, 2) of all views, nan where not seen or not readable."""
        xy = np.full((len(self.paths), len(SIDES), KEYPOINTS, 2), np.nan)
        for view, (path, size) in enumerate(zip(self.paths, self.cameras.sizes.tolist())):
            try:
                xy[view] = self.read(view, path, size)[0]
            except UserError:
                continue  # told when this view is asked for
        return xy

    def _decide(self) -> None:
        stamp = file_stamps(self.paths)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        coordinates = np.full((len(self.paths), len(SIDES), KEYPOINTS, 2), np.nan)
        for view, path in enumerate(self.paths):
            try:
                coordinates[view] = load_hands(path)[0]
            except UserError:
                continue
        coordinates, filled = without_fillings(coordinates)
        self._range, self._left_out = range_of(coordinates, self.cameras.sizes, self.cameras)
        self._say(filled)

    def _say(self, filled: np.ndarray) -> None:
        count = len(self.paths)
        if self._range is not Range.SIGNED:
            self.notes.add(
                f"keypoints are in {self._range.value}, not in [-1, 1]: x read as "
                f"{FORMULAS[self._range]} instead of 2u / W - 1"
            )
        if self._left_out.any():
            names = [name for name, out in zip(self.names, self._left_out) if out]
            self.notes.add(
                f"keypoints of {views_text(names, count)} are in another range than "
                f"{self._range.value}, which the others have: left out"
            )
        for side, views in zip(SIDES, filled.T):
            if views.any():
                names = [name for name, out in zip(self.names, views) if out]
                self.notes.add(
                    f"the {side} hand is one point in {views_text(names, count)}: taken as not seen"
                )
