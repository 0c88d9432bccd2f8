"""How the photos of a capture hold their pixels: turned by EXIF or not, how bright white is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from utils.captures.notes import Notes, views_text
from utils.errors import UserError
from utils.io.image_headers import ImageHeader
from utils.io.images import load_image, stored_pixels

SENSOR_BITS = (8, 10, 12, 14)  # that cameras give in 16-bit files
QUARTER_TURNS = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
NEAR_CENTRE = 0.15  # of the size: principal points are nearer to the middle of the photo
CLEARLY_NEARER = 0.02  # of the size
DARK, BRIGHT = 0.05, 0.98  # a photo of values below or above shows nothing
FEW_PIXELS = 1e-3  # share of a photo that may differ
SAMPLED = 4  # every fourth row and column tells whether a photo is blank


def orientations(headers: Sequence[ImageHeader], K: np.ndarray) -> tuple[list[int], list[str]]:
    """How to turn each photo (EXIF's 1 to 8; 1: as stored), and notes on it.

    Pixels are used as stored, since that is what cameras are calibrated for, except where EXIF
    exchanges width and height and the principal point of K (N, 3, 3) is near the middle of the
    turned photo only.
    """
    turns = [_turn(header, k) for header, k in zip(headers, K)]
    tagged = [view for view, header in enumerate(headers) if header.orientation != 1]
    turned = [view for view in tagged if turns[view] != 1]
    notes = []
    for views, what in (
        (turned, "turned as it says, for the cameras fit the turned photos"),
        ([v for v in tagged if v not in turned], "used as stored"),
    ):
        if views:
            whose = "all photos" if len(views) == len(headers) else f"{len(views)} photos"
            notes.append(f"{whose} carry an EXIF orientation: {what}")
    return turns, notes


def _turn(header: ImageHeader, K: np.ndarray) -> int:
    if header.orientation not in QUARTER_TURNS:
        return 1
    stored = _off_centre(K, header.width, header.height)
    turned = _off_centre(K, header.height, header.width)
    fits = turned < NEAR_CENTRE and turned + CLEARLY_NEARER < stored
    return header.orientation if fits else 1


def _off_centre(K: np.ndarray, width: int, height: int) -> float:
    """How far the principal point is from the middle, in the photo's size."""
    return max(abs((K[0, 2] + 0.5) / width - 0.5), abs((K[1, 2] + 0.5) / height - 0.5))


def turned_size(header: ImageHeader, orientation: int) -> tuple[int, int]:
    """(height, width) of a photo turned by `orientation`."""
    size = (header.height, header.width)
    return size[::-1] if orientation in QUARTER_TURNS else size


@dataclass
class Photos:
    """Reads the photos of a capture alike; what is said of them goes to `notes`."""

    paths: Sequence[Path]
    headers: Sequence[ImageHeader]
    turns: Sequence[int]  # EXIF orientations to apply, 1: none
    notes: Notes
    _blank_told: bool = field(default=False, init=False)

    def read(self, view: int, path: Path) -> np.ndarray:
        """RGB (H, W, 3) float32 in [0, 1] of a view's file. Raises UserError as `load_image`."""
        deep = self.headers[view].bits == 16
        image = load_image(path, self.turns[view], self.white if deep else None)
        if not self._blank_told and is_blank(image):
            self._blank_told = True
            self._tell_blank()
        return image

    def is_plain(self, view: int) -> bool:
        """Whether the file's own 8-bit pixels, unturned, are what `read` gives."""
        header = self.headers[view]
        turned_by_opencv = header.format == "tiff" and header.orientation != 1
        return self.turns[view] == 1 and header.bits <= 8 and not turned_by_opencv

    @cached_property
    def white(self) -> float | None:
        """The stored value of white in 16-bit photos; None: the largest that the file can hold.

        Photos of 8, 10, 12 or 14 bits in 16-bit files hold no value above 2^bits - 1 anywhere.
        """
        deep = [view for view, header in enumerate(self.headers) if header.bits == 16]
        brightest = 0
        for view in deep:
            try:
                image = stored_pixels(self.paths[view], cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
            except UserError:
                continue  # told when this photo is asked for
            if image.dtype != np.uint16:
                return None
            brightest = max(brightest, int(image.max()))
            if brightest >= 1 << SENSOR_BITS[-1]:
                return None
        if brightest == 0:
            return None
        bits = next(bits for bits in SENSOR_BITS if brightest < 1 << bits)
        self.notes.add(
            f"photos hold {bits}-bit values in 16-bit files (none above {brightest}): scaled by "
            f"{1 << (16 - bits)}"
        )
        return float((1 << bits) - 1)

    def _tell_blank(self) -> None:
        blank = []
        for view, path in enumerate(self.paths):
            try:
                blank += [path.stem] if is_blank(self.read(view, path)) else []
            except UserError:
                continue  # told when this photo is asked for
        if blank:
            whose = views_text(blank, len(self.paths))
            self.notes.add(f"nearly black or white all over: the photos of {whose}; look at them")


def is_blank(image: np.ndarray) -> bool:
    """Whether a photo (H, W, 3) in [0, 1] is nearly black or nearly white all over."""
    red, green, blue = np.moveaxis(np.ascontiguousarray(image[::SAMPLED, ::SAMPLED]), -1, 0)
    brightest = np.maximum(np.maximum(red, green), blue)
    darkest = np.minimum(np.minimum(red, green), blue)
    dark = (brightest > DARK).mean() < FEW_PIXELS
    return bool(dark or (darkest < BRIGHT).mean() < FEW_PIXELS)
