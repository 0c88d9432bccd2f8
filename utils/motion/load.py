"""Any file of poses becomes the hands of one frame after another; one module reads each form."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.motion.arrays import NpzFile
from utils.motion.body_npz import body_tracks
from utils.motion.interhand_json import interhand_track
from utils.motion.options import MotionOptions
from utils.motion.own_npz import is_own, own_tracks
from utils.motion.torch_lists import torch_frames
from utils.motion.track import Hands, Track

DEFAULTS = MotionOptions()


def load_motion(path: Path, options: MotionOptions = DEFAULTS) -> list[Hands]:
    """The frames of a motion, options.fps a second, each the hands that it moves.

    A hand is a dict: type; pose (48) axis-angle; flat_hand_mean, whether its fingers are whole
    rotations; wrist_from_captured, whether pose[:3] is a turn after the captured rotation; trans
    (3), unless the hand stays in its place. Poses of a .pt are taken one a frame; other files are
    resampled in time. Raises UserError where the file is missing, of another form or damaged, and
    where options.frames chooses none.
    """
    ending = path.suffix.lower()
    if ending == ".pt":
        frames = torch_frames(path, options.wrists)
        return frames[options.rows(path, len(frames))]
    if ending == ".npz":
        track = _npz_track(path, options)
    elif ending == ".json":
        track = interhand_track(path, options)
    else:
        raise UserError(f"--poses {path}: expected a file that ends in .pt, .npz or .json")
    return track.resampled(options.fps).frames()


def _npz_track(path: Path, options: MotionOptions) -> Track:
    file = NpzFile(path)
    count = file.frames()
    rows, rate = options.rows(path, count), options.rate or file.rate()
    if rate is None:
        rate = options.fps
        print(f"note: {path} says no frame rate; taken as {rate:g} (--poses_rate N says another)")
    tracks = own_tracks if is_own(file) else body_tracks
    return Track(tracks(file, rows, options.wrists), np.arange(count)[rows] / rate)
