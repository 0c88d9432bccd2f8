"""AMASS's .npz: bodies of SMPL-H or SMPL-X, whose fingers are taken.

Their finger rotations are whole ones, with the models' mean hand already in them: AMASS's body
models add none (human_body_prior's BodyModel, smplx with flat_hand_mean=True).
"""

from __future__ import annotations

import numpy as np

from utils.keypoints import SIDES
from utils.motion.arrays import NpzFile
from utils.motion.body import BODY, HANDS, HANDS_ALONE, arm_columns, wrist_rotations
from utils.motion.track import HandTrack

STILL = 1e-4  # radians that fingers move at least


def body_tracks(file: NpzFile, chosen: slice, wrists: str | None) -> dict[str, HandTrack]:
    """Both hands; wrists 'file': they turn as at the end of the body's arms, from how they are
    captured in the first frame on; else they stay. The body's place is in no relation to the
    capture's world, so hands stay at theirs.

    Raises UserError where an array is missing, has another shape, or is not finite.
    """
    fingers = {side: values[chosen] for side, values in _fingers(file).items()}
    tracks = {}
    for side in SIDES:
        file.check_finite(f"the {side} hand in {_source(file)}", fingers[side])
        count = len(fingers[side])
        wrist = np.zeros((count, 3))
        if wrists == "file":
            wrist = _turns(file, side, chosen)
        tracks[side] = HandTrack(
            fingers[side], wrist, np.ones(count, bool), flat=True, from_captured=True
        )
    if all(np.ptp(track.fingers, axis=0).max() < STILL for track in tracks.values()):
        print(f"note: no finger moves in {file.path}; most captures of bodies have no fingers")
    return tracks


def _source(file: NpzFile) -> str:
    return "poses" if "poses" in file else "pose_hand"


def _fingers(file: NpzFile) -> dict[str, np.ndarray]:
    if "poses" in file:
        poses = file.numbers("poses", tuple(HANDS))
        return {side: poses[:, columns] for side, columns in HANDS[poses.shape[1]].items()}
    poses = file.numbers("pose_hand", (90,))
    return {side: poses[:, columns] for side, columns in HANDS_ALONE.items()}


def _turns(file: NpzFile, side: str, chosen: slice) -> np.ndarray:
    """The wrist's turns (T, 3), axis-angle, since the first of the chosen frames."""
    if "poses" in file:
        body = file.numbers("poses", tuple(HANDS))[:, BODY]
    else:
        rows = len(file.arrays["pose_hand"])
        parts = [file.numbers("root_orient", (3,), rows), file.numbers("pose_body", (63,), rows)]
        body = np.concatenate(parts, 1)
    body = body[chosen]
    file.check_finite(f"the {side} arm", body[:, arm_columns(side)])
    turned = wrist_rotations(body, side)
    return (turned[0].inv() * turned).as_rotvec()
