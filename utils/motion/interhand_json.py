"""InterHand2.6M's MANO_NeuralAnnot.json as a motion: {capture: {frame: {left, right}}}.

Poses are relative to MANO's mean hand; places are metres of the data set's world. Frames of the
release with 5 a second are numbered by 6 or 18, those of the one with 30 by 1 or 3 (InterHand2.6M,
issue 147: some captures count at 90).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.captures.readers.interhand_index import (
    PARAMETERS,
    PARAMETERS_OF_MANO,
    annotated_captures,
    annotated_frames,
)
from utils.errors import UserError
from utils.io.files import existing_file
from utils.keypoints import SIDES
from utils.motion.options import MotionOptions
from utils.motion.track import HandTrack, Track

STEPS_AT_5 = (6, 18)
LONGEST_GAP = 1.0  # seconds: beyond, another sequence begins, which follows at once
ENDS = np.cumsum([size for _, size in PARAMETERS])  # of pose, shape and trans in a row
POSE, PLACE = slice(0, ENDS[0]), slice(ENDS[1], ENDS[2])


def interhand_track(path: Path, options: MotionOptions) -> Track:
    """The chosen frames of a capture that a file annotates, in the order of their numbers.

    options.wrists 'file': rotation and place in the data set's world; else they stay as captured.
    Raises UserError where the file lacks that capture, or has several and none is named, and where
    no chosen frame has a hand.
    """
    capture = _chosen_capture(existing_file(path), options.capture)
    numbers, values = annotated_frames(path, PARAMETERS_OF_MANO, capture)
    rows = options.rows(path, len(numbers))
    times, values = _times(numbers, options.rate)[rows], values[rows]  # (T,), (T, 2, 61)
    print(f"note: {path.name}: relative to MANO's mean hand, for which the open hand takes its own")
    tracks, kept = {}, options.wrists == "file"
    for side, own in zip(SIDES, values.transpose(1, 0, 2)):
        seen = np.isfinite(own).all(1)
        if not seen.any():
            continue
        pose = own[:, POSE]
        wrist = pose[:, :3] if kept else np.zeros((len(pose), 3))
        place = own[:, PLACE] if kept else None
        tracks[side] = HandTrack(pose[:, 3:], wrist, seen, place, False, not kept)
    if not tracks:
        raise UserError(f"{path}: none of the {len(times)} frames of capture {capture} has a hand")
    return Track(tracks, times)


def _chosen_capture(path: Path, capture: str | None) -> str:
    found = annotated_captures(path, PARAMETERS_OF_MANO)
    if not found:
        raise UserError(f"{path} annotates no frame; expected {{capture: {{frame: ...}}}}")
    named = ", ".join(f"{name} ({count} frames)" for name, count in found.items())
    if capture is None and len(found) > 1:
        raise UserError(f"{path} has several captures; choose one: --capture {' | '.join(found)}")
    wanted = next(iter(found)) if capture is None else capture.removeprefix("Capture")
    if wanted not in found:
        raise UserError(f"{path} has no capture {capture}; it has {named}")
    return wanted


def _times(numbers: np.ndarray, rate: float | None) -> np.ndarray:
    """Seconds (T,) of frames by their numbers (T,), which rise; long gaps are cut to one step."""
    gaps = np.diff(numbers)
    if not len(gaps):
        return np.zeros(len(numbers))
    values, counts = np.unique(gaps, return_counts=True)
    usual = int(values[counts.argmax()])
    rate = rate or (5.0 if usual in STEPS_AT_5 else 30.0)
    seconds = gaps / usual / rate
    seconds = np.where(seconds > LONGEST_GAP, 1 / rate, seconds)
    return np.concatenate([[0.0], np.cumsum(seconds)])
