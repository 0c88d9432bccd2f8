"""S_sequence.npz: the poses of a whole sequence, in the manner of AMASS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.hand.fitted import FittedHand
from models.sequences.course import Course
from utils.io.files import atomic_path
from utils.keypoints import SIDES
from utils.motion.body import HANDS, SMPL_H, WRISTS

BETAS = 10


def sequence_path(out_path: Path, title: str) -> Path:
    """Where the sequence's poses are: O/sequence/S_sequence.npz."""
    return out_path / "sequence" / f"{title}_sequence.npz"


def save_sequence(
    path: Path,
    courses: Mapping[str, Course],
    like: Mapping[str, FittedHand],
    names: Sequence[str],
    frame_rate: float,
) -> None:
    """Write the courses of one or two hands over T steps, which are called `names`.

    poses (T, 156) float64, axis-angle: the hands' global rotations in the wrists' columns, the
    fingers' full rotations, mean included; all else 0. left_trans, right_trans (T, 3) and
    left_scale, right_scale (): world units, as a hand's in mano_out/S.pt; left_betas, right_betas
    (10,); left_seen, right_seen (T,) bool: fitted in that frame, not bridged; trans (T, 3): 0;
    frames (T,) names; mocap_framerate; hand_model. A hand that no frame shows has zeros.
    """
    steps = len(names)
    arrays = {
        "poses": np.zeros((steps, SMPL_H)),
        "trans": np.zeros((steps, 3)),
        "mocap_framerate": np.float64(frame_rate),
        "frames": np.array(list(names)),
        "gender": np.array("neutral"),
    }
    for side in SIDES:
        trans, betas = np.zeros((steps, 3)), np.zeros(BETAS)
        seen, scale = np.zeros(steps, bool), np.float64(1)
        if side in courses:
            course, hand = courses[side], like[side]
            mean = hand.model.hands_mean.double().numpy()
            arrays["poses"][:, WRISTS[side]] = course.rotation
            arrays["poses"][:, HANDS[SMPL_H][side]] = course.pose + mean
            trans, betas = course.trans, hand.shape[0].numpy()
            seen, scale = course.seen, np.float64(hand.scale)
            arrays["hand_model"] = np.array(hand.model.kind)
        arrays |= {f"{side}_trans": trans, f"{side}_betas": betas}
        arrays |= {f"{side}_seen": seen, f"{side}_scale": scale}
    with atomic_path(path) as beside:
        np.savez_compressed(beside, **arrays)
