"""The frames of a video that are worth keeping: the sharpest of every stretch of time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from utils.calibration.photos import LEAST_PHOTOS, PhotoSet, fresh_folder, look_of
from utils.calibration.sharpness import Look, shaken
from utils.errors import UserError
from utils.io.images import image_size, save_image
from utils.io.videos import CONVERT, video_header
from utils.progress_bar import ProgressBar

LOOKED_AT_SIDE = 960  # pixels: frames are judged at this size


def frames_of_video(path: Path, folder: Path, count: int) -> PhotoSet:
    """Write the sharpest frame of each of `count` equal stretches of time into `folder`.

    Stretches whose best frame is shaken are left out. Frames are turned as the video says; times
    are those of the frames, which phones do not space evenly. Raises UserError for what is no
    video, or one without enough sharp frames.
    """
    _, total = video_header(path)
    times, looks = _looks(path, total)
    if len(times) < LEAST_PHOTOS:
        raise UserError(f"{path} holds {len(times)} frames that can be read; {CONVERT}")
    chosen = choose(times, looks, count)
    best = [looks[frame] for frame in chosen]
    spoilt = shaken(best)
    kept = [frame for frame, bad in zip(chosen, spoilt) if not bad]
    left_out = {f"frame {frame}": "shaken" for frame, bad in zip(chosen, spoilt) if bad}
    if len(kept) < LEAST_PHOTOS:
        raise UserError(
            f"{path}: {len(kept)} sharp frames; move the phone slowly, in more light, for 20 to 40 "
            "seconds"
        )
    fresh_folder(folder)
    names = _write(path, folder, kept)
    sizes = [image_size(folder / name) for name in names]
    notes = [f"{len(kept)} of {len(times)} frames are used, the sharpest of each stretch"]
    return PhotoSet(folder, names, sizes, None, True, left_out, notes)


def choose(times: np.ndarray, looks: list[Look], count: int) -> list[int]:
    """The sharpest frame of each of `count` equal stretches of `times` (N,), in order."""
    last = max(float(times[-1]), 1e-9)
    stretch = np.minimum((times / last * count).astype(int), count - 1)
    sharp = np.array([look.sharpness for look in looks])
    frames = [np.flatnonzero(stretch == k) for k in range(count)]
    return [int(each[np.argmax(sharp[each])]) for each in frames if len(each)]


def _looks(path: Path, total: int) -> tuple[np.ndarray, list[Look]]:
    """Times (N,) in seconds from the first frame, growing, and looks of all frames."""
    times, looks = [], []
    with ProgressBar(max(total, 1), "looking at frames", "frame") as bar:
        for time, frame in _frames(path):
            times.append(time)
            grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
            factor = LOOKED_AT_SIDE / max(grey.shape)
            if factor < 1:
                grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            looks.append(look_of(grey))
            bar.advance()
    stamps = np.array(times)
    if len(stamps) and (np.diff(stamps) <= 0).any():  # containers without times
        stamps = np.arange(len(stamps), dtype=float)
    return stamps - stamps[0] if len(stamps) else stamps, looks


def _frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Each frame's time in seconds and its pixels (H, W, 3) BGR."""
    video = cv2.VideoCapture(str(path))
    try:
        while True:
            ok, frame = video.read()
            if not ok:
                return
            yield video.get(cv2.CAP_PROP_POS_MSEC) / 1000, frame
    finally:
        video.release()


def _write(path: Path, folder: Path, kept: list[int]) -> list[str]:
    names, wanted = [], set(kept)
    with ProgressBar(len(kept), "writing frames", "frame") as bar:
        for number, (_, frame) in enumerate(_frames(path)):
            if number in wanted:
                names.append(f"frame_{number:06d}.png")
                save_image(folder / names[-1], frame[..., ::-1])
                bar.advance()
    return names
