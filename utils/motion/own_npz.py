"""S_sequence.npz, what this suite writes of a whole sequence: hands in the capture's own world.

Poses are laid out as AMASS's of SMPL-H, fingers as whole rotations, and each wrist's rotation in
the world stands in its own columns, since all joints above it are zero.
"""

from __future__ import annotations

import numpy as np

from utils.keypoints import SIDES
from utils.motion.arrays import NpzFile
from utils.motion.body import BODY, HANDS, SMPL_H, wrist_rotations
from utils.motion.track import HandTrack


def is_own(file: NpzFile) -> bool:
    """Whether a file has what only this suite's have."""
    return any(f"{side}_trans" in file or f"{side}_seen" in file for side in SIDES)


def own_tracks(file: NpzFile, chosen: slice, wrists: str | None) -> dict[str, HandTrack]:
    """The hands that some of the chosen frames show, by side; wrists 'captured': they stay.

    Raises UserError where an array is missing, has another shape, is not finite in a frame that
    shows the hand, and where no frame shows any.
    """
    poses = file.numbers("poses", (SMPL_H,))
    tracks = {}
    for side in SIDES:
        seen = _seen(file, side, len(poses))[chosen]
        if not seen.any():
            continue
        trans = file.numbers(f"{side}_trans", (3,), len(poses))[chosen]
        fingers, body = poses[chosen, HANDS[SMPL_H][side]], poses[chosen, BODY]
        wrist = np.zeros((len(seen), 3))
        file.check_finite(f"the {side} hand in poses", fingers, seen)
        file.check_finite(f"{side}_trans", trans, seen)
        if wrists == "captured":
            tracks[side] = HandTrack(fingers, wrist, seen, from_captured=True)
            continue
        file.check_finite(f"the {side} wrist in poses", body, seen)
        wrist[seen] = wrist_rotations(body[seen], side).as_rotvec()
        tracks[side] = HandTrack(fingers, wrist, seen, trans)
    if not tracks:
        raise file.error("no frame shows a hand (left_seen and right_seen are all false)")
    return tracks


def _seen(file: NpzFile, side: str, rows: int) -> np.ndarray:
    """Frames (T,) bool that show the hand: all where the file does not say, if it has its place."""
    key = f"{side}_seen"
    if key not in file:
        return np.full(rows, f"{side}_trans" in file)
    seen = file.arrays[key]
    if seen.shape != (rows,) or seen.dtype.kind not in "bui":
        raise file.error(f"{key} has shape {seen.shape} of {seen.dtype}, expected ({rows},) bool")
    return seen.astype(bool)
