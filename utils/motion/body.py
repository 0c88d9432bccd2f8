"""Where SMPL-H's and SMPL-X's poses hold hands, and how wrists turn at the end of an arm.

Layouts as the package smplx has them: SMPL-H is 22 joints of the body and then both hands; SMPL-X
has jaw and eyes between. Fingers are in MANO's order and frames, which at rest are parallel to the
body's axes.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

BODY = slice(0, 66)
SMPL_H = 156  # columns of its poses
HANDS = {  # columns of the fingers by the number of a pose's columns
    SMPL_H: {"left": slice(66, 111), "right": slice(111, 156)},
    165: {"left": slice(75, 120), "right": slice(120, 165)},
}
HANDS_ALONE = {"left": slice(0, 45), "right": slice(45, 90)}  # of pose_hand
# Joints from the pelvis to the wrist.
ARMS: Mapping[str, tuple[int, ...]] = {
    "left": (0, 3, 6, 9, 13, 16, 18, 20),
    "right": (0, 3, 6, 9, 14, 17, 19, 21),
}
WRISTS = {side: slice(3 * joints[-1], 3 * joints[-1] + 3) for side, joints in ARMS.items()}


def arm_columns(side: str) -> np.ndarray:
    """The columns of a body's pose that turn the wrist."""
    return (3 * np.array(ARMS[side])[:, None] + np.arange(3)).ravel()


def wrist_rotations(body: np.ndarray, side: str) -> Rotation:
    """The wrist's rotations in the world, T of them, of axis-angle poses body (T, 66)."""
    turned = Rotation.from_rotvec(np.zeros((len(body), 3)))
    for joint in ARMS[side]:
        turned = turned * Rotation.from_rotvec(body[:, 3 * joint : 3 * joint + 3])
    return turned
