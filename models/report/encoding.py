"""Pictures and arrays as text inside a page, and how small they must be."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.io.images import to_bytes
from utils.parallel import cores, mapped

QUALITY = 84  # of JPEG
THUMBNAIL = 132  # pixels of the longer side
SHRINK = 0.82  # pictures are made so much smaller until they fit
SMALLEST = 160  # pixels of the longer side: smaller ones show nothing


def text_of(data: bytes) -> str:
    """Base64, as data: URLs hold it."""
    return base64.b64encode(data).decode("ascii")


def packed(array: np.ndarray) -> str:
    """An array's bytes, little-endian, deflated, as base64."""
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return text_of(zlib.compress(little.tobytes(), 6))


def quantised(values: np.ndarray) -> tuple[np.ndarray, list[float], list[float]]:
    """values (V, C) as uint16 in their box, and the box' corner and step: a 65,535th of a side."""
    low, high = values.min(0), values.max(0)
    step = np.maximum(high - low, 1e-12) / 65535
    return np.round((values - low) / step).astype(np.uint16), low.tolist(), step.tolist()


def jpeg(image: np.ndarray, longest: int = 0) -> str:
    """RGB or grey (H, W[, 3]) as a JPEG in base64, its longer side `longest` at most (0: as is)."""
    pixels = shrunk(image if image.dtype == np.uint8 else to_bytes(image), longest)
    pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    ok, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    assert ok
    return text_of(data.tobytes())


def shrunk(image: np.ndarray, longest: int) -> np.ndarray:
    """The image with no side longer than `longest` pixels (0: as it is)."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if not 0 < factor < 1:
        return image
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Picture:
    """A picture of the page: its name there, and its pixels (H, W, 3) uint8."""

    name: str
    pixels: np.ndarray


def fitted_jpegs(pictures: Sequence[Picture], budget: int) -> tuple[dict[str, str], float]:
    """All pictures as JPEGs by name, `budget` characters together at most, and their scale.

    Where they are too many, all are made smaller alike, down to SMALLEST pixels.
    """
    scale = 1.0
    while True:
        longest = [round(scale * max(p.pixels.shape[:2])) for p in pictures]
        jobs = zip([p.pixels for p in pictures], longest)
        jpegs = mapped(lambda job: jpeg(*job), jobs, cores())
        encoded = {p.name: text for p, text in zip(pictures, jpegs)}
        if sum(map(len, encoded.values())) <= budget or scale * SHRINK < _least_scale(pictures):
            return encoded, scale
        scale *= SHRINK


def _least_scale(pictures: Sequence[Picture]) -> float:
    return min((SMALLEST / max(p.pixels.shape[:2]) for p in pictures), default=1.0)
