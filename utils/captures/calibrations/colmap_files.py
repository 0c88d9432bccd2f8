"""COLMAP's files cameras and images, as text and binary, of all its versions.

Sources: https://colmap.github.io/format.html, https://colmap.github.io/cameras.html. Versions that
also write rigs and frames still hold each image's pose in images.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from utils.cameras.lens import Lens
from utils.captures.calibrations.format import pinhole
from utils.errors import UserError
from utils.io.decoding import decoding

HALF_PIXEL = 0.5  # COLMAP's centre of the top-left pixel
SEPARATORS = re.compile(rb"[\s,]+")  # kapture writes commas
STATED = re.compile(rb"#\s*(?:Number of images|NB IMAGES)\s*:\s*(\d{1,9})\b")
CAMERA_LINE = "CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"
IMAGE_LINE = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME"
POINT_BYTES = 24  # x, y and the point's number
LONGEST_NAME = 4096  # bytes of an image's name
REMEDY = "export the model again (colmap model_converter)"


@dataclass(frozen=True)
class Model:
    """A camera model: 1 focal length or 2, then cx cy, then `count` numbers of `lens`."""

    name: str
    focals: int
    count: int
    lens: Callable[[Sequence[float]], Lens]


MODELS = {
    0: Model("SIMPLE_PINHOLE", 1, 0, Lens.brown),
    1: Model("PINHOLE", 2, 0, Lens.brown),
    2: Model("SIMPLE_RADIAL", 1, 1, Lens.brown),
    3: Model("RADIAL", 1, 2, Lens.brown),
    4: Model("OPENCV", 2, 4, Lens.brown),
    5: Model("OPENCV_FISHEYE", 2, 4, Lens.fisheye),
    6: Model("FULL_OPENCV", 2, 8, Lens.brown),
    7: Model("FOV", 2, 1, lambda xs: Lens("fov", tuple(xs))),
    8: Model("SIMPLE_RADIAL_FISHEYE", 1, 1, Lens.fisheye),
    9: Model("RADIAL_FISHEYE", 1, 2, Lens.fisheye),
    10: Model("THIN_PRISM_FISHEYE", 2, 8, lambda xs: Lens("thin_prism_fisheye", tuple(xs))),
    14: Model("SIMPLE_FISHEYE", 1, 0, Lens.fisheye),
    15: Model("FISHEYE", 2, 0, Lens.fisheye),
}
NUMBERS = {model.name: number for number, model in MODELS.items()}


@dataclass(frozen=True)
class Intrinsics:
    """What COLMAP calls a camera: K (3, 3), first pixel's centre (0, 0), (height, width), lens."""

    K: np.ndarray
    size: tuple[int, int]
    lens: Lens


@dataclass(frozen=True)
class Image:
    """One image: name, its camera's number, quaternion (4,) w x y z and t (3,) cam_from_world."""

    name: str
    camera: int
    quaternion: np.ndarray
    t: np.ndarray


def _intrinsics(
    path: Path, key: int, model: int | str, size: tuple[int, int], parameters: Sequence[float]
) -> Intrinsics:
    known = MODELS[NUMBERS[model] if isinstance(model, str) else model]
    count = known.focals + 2 + known.count
    if len(parameters) != count:
        raise UserError(
            f"{path}: camera {key} of model {known.name} has {len(parameters)} parameters, "
            f"expected {count}; {REMEDY}"
        )
    if not np.isfinite(parameters).all():
        raise UserError(f"{path}: camera {key} holds nan; {REMEDY}")
    fx, fy = parameters[0], parameters[known.focals - 1]
    cx, cy = parameters[known.focals : known.focals + 2]
    K = pinhole(fx, fy, cx - HALF_PIXEL, cy - HALF_PIXEL)
    return Intrinsics(K, size, known.lens(parameters[known.focals + 2 :]))


def _check_known(path: Path, key: int, model: int | str) -> None:
    if model not in MODELS and model not in NUMBERS:
        raise UserError(
            f"{path}: camera {key} is of model {model}; known are {', '.join(NUMBERS)}: "
            "undistort the images (colmap image_undistorter) and take the model that it writes"
        )


def read_cameras_text(path: Path) -> dict[int, Intrinsics]:
    """The cameras of a cameras.txt by their numbers."""
    cameras = {}
    with decoding(path, "no cameras.txt of COLMAP", REMEDY):
        for number, line in enumerate(_without_mark(path.read_bytes()).splitlines(), 1):
            words = SEPARATORS.split(line.strip())
            if words == [b""] or line.lstrip().startswith(b"#"):
                continue
            with _line(path, number, CAMERA_LINE):
                key, model = int(words[0]), words[1].decode()
                _check_known(path, key, model)
                size = int(words[3]), int(words[2])
                parameters = [float(word) for word in words[4:]]
            cameras[key] = _intrinsics(path, key, model, size, parameters)
    return cameras


def read_images_text(path: Path) -> tuple[list[Image], int | None]:
    """The images of an images.txt, and how many its head says there are, None: it does not."""
    images, stated = [], None
    with decoding(path, "no images.txt of COLMAP", REMEDY), open(path, "rb") as stream:
        for number, line in _pose_lines(stream):
            if line.startswith(b"#"):
                match = STATED.match(line)
                stated = int(match[1]) if match else stated
                continue
            with _line(path, number, IMAGE_LINE):
                words = SEPARATORS.split(line.strip(), maxsplit=9)
                pose = np.array([float(word) for word in words[1:8]])
                images.append(Image(os.fsdecode(words[9]), int(words[8]), pose[:4], pose[4:]))
    return images, stated


def _pose_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbered lines of poses and comments.

    The line of points after each pose is passed over unread; it may be empty or left out.
    """
    after_pose = False
    for number, line in enumerate(stream, 1):
        line = _without_mark(line) if number == 1 else line
        if line.startswith(b"#"):
            yield number, line
        elif after_pose and _is_points(line):
            after_pose = False
        elif line.strip():
            after_pose = True
            yield number, line


def _is_points(line: bytes) -> bool:
    """Whether a line is empty or ends with a point's number, as no image's name does."""
    last = line[-80:].split()[-1:]
    return not last or last[0].removeprefix(b"-").isdigit()


def _without_mark(data: bytes) -> bytes:
    return data.removeprefix(b"\xef\xbb\xbf")


@contextmanager
def _line(path: Path, number: int, expected: str) -> Iterator[None]:
    """What is wrong with a line's words becomes an error that names the line."""
    try:
        yield
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}, line {number}, is not {expected}; {REMEDY}") from error


def read_cameras_binary(path: Path) -> dict[int, Intrinsics]:
    """The cameras of a cameras.bin by their numbers."""
    cameras = {}
    with decoding(path, "no cameras.bin of COLMAP", REMEDY), open(path, "rb") as stream:
        for _ in range(*_take(stream, "<Q")):
            key, model, width, height = _take(stream, "<iiQQ")
            _check_known(path, key, model)
            count = MODELS[model].focals + 2 + MODELS[model].count
            parameters = _take(stream, f"<{count}d")
            cameras[key] = _intrinsics(path, key, model, (height, width), parameters)
    return cameras


def read_images_binary(path: Path) -> list[Image]:
    """The images of an images.bin; their points are passed over unread."""
    images = []
    with decoding(path, "no images.bin of COLMAP", REMEDY), open(path, "rb") as stream:
        end = path.stat().st_size
        for _ in range(*_take(stream, "<Q")):
            _, *pose, camera = _take(stream, "<i7di")
            name = _take_name(stream)
            skipped = POINT_BYTES * _take(stream, "<Q")[0]
            if skipped > end - stream.tell():
                raise EOFError(f"it ends within the points of image {name}")
            stream.seek(skipped, os.SEEK_CUR)
            images.append(Image(name, camera, np.array(pose[:4]), np.array(pose[4:])))
    return images


def _take(stream: BinaryIO, form: str) -> tuple:
    data = stream.read(struct.calcsize(form))
    if len(data) < struct.calcsize(form):
        raise EOFError(f"it ends after {stream.tell()} bytes, within what it announces")
    return struct.unpack(form, data)


def _take_name(stream: BinaryIO) -> str:
    start = stream.tell()
    name, end, _ = stream.read(LONGEST_NAME).partition(b"\0")
    if not end:
        raise ValueError(f"a name without an end at byte {start}")
    stream.seek(start + len(name) + 1)
    return os.fsdecode(name)
