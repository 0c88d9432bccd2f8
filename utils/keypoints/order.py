"""The 21 keypoints and 16 joints of a hand: their orders, skeletons, and the file of 42 points.

MediaPipe's keypoints: wrist, then thumb, index, middle, ring, pinky, four each, root to tip.
MANO's joints: wrist, then index, middle, pinky, ring, thumb, three each from the root outwards.
This is the one table between them.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import atomic_path, existing_file

SIDES = ("left", "right")  # 42 rows: left then right
KEYPOINTS = 21  # wrist, then thumb, index, middle, ring, pinky, each from root to tip
FINGER_KEYPOINTS = tuple(tuple(range(root, root + 4)) for root in (1, 5, 9, 13, 17))
BONES = np.array([pair for f in FINGER_KEYPOINTS for pair in zip((0, *f[:3]), f)])  # (20, 2)
PALM = [0, 1, 5, 9, 13, 17]  # wrist and the fingers' roots: rigid in every pose

# MANO's joints.
N_JOINTS = 16
FINGER_NAMES = ("thumb", "index", "middle", "ring", "pinky")
MANO_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
JOINT_NAMES = ("wrist", *(f"{finger}{k}" for finger in MANO_FINGERS for k in (1, 2, 3)))
KEYPOINT_NAMES = ("wrist", *(f"{finger}{k}" for finger in FINGER_NAMES for k in (1, 2, 3, "_tip")))
JOINT_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)  # -1: none
# Row of [16 joints, 5 tips in FINGER_NAMES order] for each keypoint, and the keypoint of each row.
KEYPOINT_ROWS = tuple(
    N_JOINTS + FINGER_NAMES.index(name[:-4]) if name.endswith("_tip") else JOINT_NAMES.index(name)
    for name in KEYPOINT_NAMES
)
JOINT_KEYPOINTS = tuple(KEYPOINT_NAMES.index(name) for name in JOINT_NAMES)
LARGEST = 1e15  # world units: beyond, nothing can be told apart or squared
NARROWEST = 1e-9  # of its distance from the origin: the extent of a hand that float64 can tell
LONGEST_BONE = 100  # median bones of the same hand
TIP_KEYPOINTS = tuple(KEYPOINT_NAMES.index(f"{finger}_tip") for finger in FINGER_NAMES)


def save_keypoints(path: str | Path, points: np.ndarray) -> None:
    """Write 42 rows x y z of points (42, 3) or (2, 21, 3), world units, with full precision.

    Rows of nan are keypoints that were not seen.
    """
    with atomic_path(path) as beside:
        np.savetxt(beside, np.reshape(points, (2 * KEYPOINTS, 3)), fmt="%.17g")


def load_keypoints(path: str | Path, hint: str = "run pose_optim.py first") -> np.ndarray:
    """Read keypoints (2, 21, 3), left then right, world units; nan rows were not seen.

    A hand whose keypoints are all zero was not seen, and neither was a keypoint with a nan. Raises
    UserError where the file is missing, is not 42 rows of three numbers, or holds no hands.
    """
    path = existing_file(Path(path), hint)
    with decoding(path, "no table of numbers", hint), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an empty file: its shape tells
        points = np.loadtxt(path, ndmin=2)
    if points.shape != (2 * KEYPOINTS, 3):
        shape = " x ".join(map(str, points.shape))
        raise UserError(f"{path} holds {shape} numbers, expected {2 * KEYPOINTS} x 3; {hint}")
    points = points.reshape(2, KEYPOINTS, 3)
    points[(points == 0).all((1, 2))] = np.nan
    points[np.isnan(points).any(2)] = np.nan
    for side, hand in zip(SIDES, points):
        wrong = _wrong_with(hand)
        if wrong:
            raise UserError(f"{path}: {wrong} of the {side} hand; expected world units; {hint}")
    return points


def _wrong_with(hand: np.ndarray) -> str:
    """What keeps points (21, 3) from being a hand's, nan left out; "" where nothing does."""
    seen = hand[np.isfinite(hand).all(1) | np.isinf(hand).any(1)]
    if len(seen) and not np.abs(seen).max() < LARGEST:
        return f"{np.abs(seen).max():.3g} is a coordinate"
    if len(seen) > 1 and np.ptp(seen, axis=0).max() <= NARROWEST * np.abs(seen).max():
        return "one point is every keypoint"
    lengths = bone_lengths(hand)
    lengths = lengths[np.isfinite(lengths)]
    if len(lengths) and lengths.max() > LONGEST_BONE * np.median(lengths):
        return f"a bone is {lengths.max() / np.median(lengths):.3g} times as long as most"
    return ""


def bone_lengths(points: np.ndarray) -> np.ndarray:
    """Lengths (..., 20) of the bones between keypoints (..., 21, 3)."""
    return np.linalg.norm(points[..., BONES[:, 1], :] - points[..., BONES[:, 0], :], axis=-1)


def right_handedness(points: np.ndarray) -> float:
    """How a hand's fingers bend, points (21, 3): above 0 as a right hand's, below as a left's.

    In [-1, 1]: the mean component of thumb and fingers along the normal of the palm that a right
    hand bends towards. Near 0 for flat hands, nan where the palm or all tips are not seen.
    """
    normal = np.cross(points[5] - points[0], points[17] - points[0])
    normal /= max(float(np.linalg.norm(normal)), 1e-12)
    fingers = np.array([points[f[3]] - points[f[0]] for f in FINGER_KEYPOINTS])
    fingers /= np.maximum(np.linalg.norm(fingers, axis=1, keepdims=True), 1e-12)
    bends = fingers @ normal
    return float(np.mean(bends[np.isfinite(bends)])) if np.isfinite(bends).any() else np.nan
