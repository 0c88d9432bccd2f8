"""Single frames of video files, through OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from utils.errors import UserError
from utils.io.files import existing_file
from utils.io.image_headers import ImageHeader
from utils.io.images import channels_turned

VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
CONVERT = "convert it: ffmpeg -i FILE -c:v libx264 -crf 10 NEW.mp4"


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    video = cv2.VideoCapture(str(existing_file(path)))
    try:
        if not video.isOpened():
            raise UserError(f"{path} is no video that OpenCV can read; {CONVERT}")
        yield video
    finally:
        video.release()


def video_header(path: Path) -> tuple[ImageHeader, int]:
    """A video's frame size, turned as the video asks to be, and how many frames it holds."""
    with _opened(path) as video:
        height, width = (
            int(video.get(key)) for key in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH)
        )
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    if height <= 0 or width <= 0:
        raise UserError(f"{path} is no video that OpenCV can read; {CONVERT}")
    return ImageHeader(height, width, format="video"), count


def video_frame(path: Path, frame: int) -> np.ndarray:
    """Frame number `frame`, counted from 0: RGB (H, W, 3) float32 in [0, 1].

    Raises UserError where the video ends before it or is damaged there.
    """
    with _opened(path) as video:
        video.set(cv2.CAP_PROP_POS_FRAMES, frame)
        if int(video.get(cv2.CAP_PROP_POS_FRAMES)) != frame:  # codecs that cannot seek
            video.set(cv2.CAP_PROP_POS_FRAMES, 0)
            for _ in range(frame):
                video.grab()
        ok, image = video.read()
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    if not ok:
        raise UserError(f"{path}: frame {frame} cannot be read; the video says it has {count}")
    return channels_turned(image) / np.float32(255)
