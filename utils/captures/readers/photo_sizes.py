"""Sizes of stored photos against those that cameras were calibrated for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.photo_forms import QUARTER_TURNS, orientations, turned_size
from utils.captures.readers.rig_photos import PhotoSource
from utils.errors import UserError
from utils.io.image_headers import ImageHeader
from utils.io.images import check_complete, image_header
from utils.io.videos import video_header

SAME_SHAPE = 0.004  # relative: photos that were only scaled keep their shape to a pixel or so


class UnreadablePhotoError(UserError):
    """A photo that is damaged: its view may be left out."""


@dataclass(frozen=True)
class StoredPhoto:
    """A photo before distortion is undone.

    header: of its file; turn: EXIF's orientation (1 to 8) by which it is turned; size (height,
    width) after that; K (3, 3) of that photo.
    """

    header: ImageHeader
    turn: int
    size: tuple[int, int]
    K: np.ndarray


def stored_photo(
    source: PhotoSource, camera: CalibratedCamera, k_scale: float = 1.0
) -> tuple[StoredPhoto, float | None]:
    """How a camera's photo is stored, and the factor by which K had to be scaled to it, if any.

    k_scale: these photos' width over that which K was made for, where the calibration does not
    say that. Raises UnreadablePhotoError for a damaged file and UserError for a shape that the
    calibration contradicts.
    """
    header = photo_header(source)
    stored = (header.height, header.width)
    if camera.size is None:
        turn = orientations([header], camera.K[None])[0][0]
        size = turned_size(header, turn)
        K = scaled_intrinsics(camera.K, (k_scale, k_scale))
        return StoredPhoto(header, turn, size, K), None
    turn = 1
    if not _same_shape(stored, camera.size) and _same_shape(stored[::-1], camera.size):
        turn = _turn(source, header, camera)
    size = turned_size(header, turn)
    if size == tuple(camera.size):
        return StoredPhoto(header, turn, size, camera.K), None
    if not _same_shape(size, camera.size):
        raise UserError(
            f"{source.path} is {size[1]}x{size[0]}, camera {camera.name} is calibrated for "
            f"{camera.size[1]}x{camera.size[0]}; give the photos that were calibrated, uncropped"
        )
    factors = size[1] / camera.size[1], size[0] / camera.size[0]
    K = scaled_intrinsics(camera.K, factors)
    return StoredPhoto(header, turn, size, K), factors[0]


def photo_header(source: PhotoSource) -> ImageHeader:
    """The header of a photo that is whole. Raises UnreadablePhotoError for a damaged file."""
    if source.frame is not None:
        return video_header(source.path)[0]
    try:
        check_complete(source.path)
        return image_header(source.path)
    except UserError as error:
        raise UnreadablePhotoError(str(error)) from error


def _turn(source: PhotoSource, header: ImageHeader, camera: CalibratedCamera) -> int:
    if header.orientation in QUARTER_TURNS:
        return header.orientation
    raise UserError(
        f"{source.path} is {header.width}x{header.height}, camera {camera.name} is calibrated for "
        f"{camera.size[1]}x{camera.size[0]}: the photo was turned by a quarter after calibration "
        "or before; turn it back, or calibrate the photos as they are"
    )


def _same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    ratio = (size[0] / other[0]) / (size[1] / other[1])
    pixel = 1 / min(*size, *other)
    return abs(np.log(ratio)) < max(SAME_SHAPE, pixel)


def scaled_intrinsics(K: np.ndarray, factors: tuple[float, float]) -> np.ndarray:
    """K (3, 3) of photos `factors` (x, y) times as large; borders stay borders."""
    x, y = factors
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]]) @ K


def used_size(stored: tuple[int, int], config: Mapping[str, Any]) -> tuple[int, int]:
    """(height, width) that a photo is resized to: the config's h and w, turned for photos that
    lie where those stand; one of them alone keeps the photo's shape."""
    height, width = stored
    w, h = config.get("w"), config.get("h")
    if w is None and h is None:
        return stored
    w = round(h * width / height) if w is None else w
    h = round(w * height / width) if h is None else h
    lies = (width > height) != (w > h) and width != height and w != h
    return (w, h) if lies else (h, w)
