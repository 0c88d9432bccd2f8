"""Photos, masks and moving pictures (.mp4 through OpenCV, .gif through Pillow)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from utils.errors import UserError
from utils.io.files import atomic_path, existing_file

VIDEO_SUFFIXES = (".mp4", ".gif")


def load_image(path: str | Path) -> np.ndarray:
    """RGB (H, W, 3) float32 in [0, 1], sRGB-encoded as on disk (8 or 16 bit)."""
    image = _decode(Path(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    scale = np.float32(np.iinfo(image.dtype).max)
    return np.ascontiguousarray(image[..., ::-1]) / scale


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) from a PNG's header, or by decoding any other image."""
    header = path.open("rb").read(24)
    if header[:8] == b"\x89PNG\r\n\x1a\n" and len(header) == 24:
        width, height = struct.unpack(">II", header[16:24])
        return height, width
    return load_image(path).shape[:2]


def load_mask(path: str | Path) -> np.ndarray:
    """Mask (H, W) bool; grey values of at least half are True."""
    return _decode(Path(path), cv2.IMREAD_GRAYSCALE) > 127


def _decode(path: Path, flags: int) -> np.ndarray:
    """Decode an image file; a truncated one is an error, not a half-grey picture."""
    data = existing_file(path).read_bytes()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    png_cut = data[:8] == b"\x89PNG\r\n\x1a\n" and b"IEND" not in data[-16:]
    jpeg_cut = data[:3] == b"\xff\xd8\xff" and b"\xff\xd9" not in data[-64:]
    if image is None or png_cut or jpeg_cut:
        state = "truncated" if png_cut or jpeg_cut else "not a readable image"
        raise UserError(f"{path} is {state} ({len(data)} bytes); copy it again")
    return image


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Values in [0, 1] (clipped) of any shape as uint8, rounded."""
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)


def save_image(path: str | Path, image: np.ndarray) -> None:
    """Write RGB or grey: floats in [0, 1] (clipped) or uint8, as PNG or whatever `path` ends in."""
    image = np.asarray(image)
    if image.dtype == bool:
        image = image.astype(np.uint8) * 255
    if image.dtype != np.uint8:
        image = to_bytes(image)
    if image.ndim == 3:
        image = image[..., ::-1]
    ok, data = cv2.imencode(Path(path).suffix, np.ascontiguousarray(image))
    assert ok
    with atomic_path(path) as beside:
        beside.write_bytes(data.tobytes())


def check_video_path(path: Path) -> None:
    """Raise UserError unless the file's ending names a format that can be written."""
    if path.suffix not in VIDEO_SUFFIXES:
        raise UserError(f"{path}: expected a file that ends in {' or '.join(VIDEO_SUFFIXES)}")


def save_video(path: Path, frames: Iterable[np.ndarray], fps: int = 24) -> None:
    """Write frames (H, W, 3) RGB in [0, 1], all of one size; an mp4 runs once, a gif for ever.

    Raises UserError on other file endings and where OpenCV lacks an encoder for mp4.
    """
    check_video_path(path)
    with atomic_path(path) as beside:
        if path.suffix == ".gif":
            _save_gif(beside, [to_bytes(frame) for frame in frames], fps)
        else:
            _save_mp4(beside, frames, fps)


def _save_gif(path: Path, frames: list[np.ndarray], fps: int) -> None:
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0)


def _save_mp4(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    writer = None
    for frame in map(to_bytes, frames):
        if writer is None:
            height, width = frame.shape[:2]
            code = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(path), code, fps, (width, height))
            if not writer.isOpened():
                raise UserError("this OpenCV cannot write mp4; choose a file that ends in .gif")
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    if writer is not None:
        writer.release()
