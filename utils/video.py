"""Writes moving pictures: .mp4 through OpenCV, .gif through Pillow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from utils.errors import UserError
from utils.files import atomic_path

SUFFIXES = (".mp4", ".gif")


def check_video_path(path: Path) -> None:
    """Raise UserError unless the file's ending names a format that can be written."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: expected a file that ends in {' or '.join(SUFFIXES)}")


def save_video(path: Path, frames: Iterable[np.ndarray], fps: int = 24) -> None:
    """Write frames (H, W, 3) RGB in [0, 1], all of one size; an mp4 runs once, a gif for ever.

    Raises UserError on other file endings and where OpenCV lacks an encoder for mp4.
    """
    check_video_path(path)
    with atomic_path(path) as beside:
        if path.suffix == ".gif":
            _save_gif(beside, [_bytes(frame) for frame in frames], fps)
        else:
            _save_mp4(beside, frames, fps)


def _bytes(frame: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(frame, 0, 1)).astype(np.uint8)


def _save_gif(path: Path, frames: list[np.ndarray], fps: int) -> None:
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0)


def _save_mp4(path: Path, frames: Iterable[np.ndarray], fps: int) -> None:
    writer = None
    for frame in map(_bytes, frames):
        if writer is None:
            height, width = frame.shape[:2]
            code = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(path), code, fps, (width, height))
            if not writer.isOpened():
                raise UserError("this OpenCV cannot write mp4; choose a file that ends in .gif")
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    if writer is not None:
        writer.release()
