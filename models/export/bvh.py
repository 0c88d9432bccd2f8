"""Motion of a hand's 16 joints as Biovision's BVH: plain text, which all animation tools read."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from models.export.motion import Motion
from models.export.skinned import NODE_NAMES, NODE_PARENTS, SkinnedHand
from utils.keypoints.order import N_JOINTS

CENTIMETRES = 100.0  # in a metre: BVH states no unit, and MotionBuilder takes these
TURNS = "Zrotation Xrotation Yrotation"


def bvh_text(hand: SkinnedHand, motion: Motion) -> str:
    """A BVH file of one hand, in centimetres, y up: its skeleton, and T frames of motion."""
    offsets = CENTIMETRES * hand.offsets()
    offsets[0] = 0  # its place is in the motion
    lines = ["HIERARCHY"]
    _append_joint(lines, 0, hand.side, offsets, 0)
    lines += ["MOTION", f"Frames: {len(motion)}", f"Frame Time: {1 / motion.fps:.9g}"]
    flat = Rotation.from_matrix(motion.rotations.reshape(-1, 3, 3))
    angles = flat.as_euler("ZXY", degrees=True).reshape(len(motion), 3 * N_JOINTS)
    rows = np.concatenate([CENTIMETRES * motion.places, angles], axis=1)
    lines += [" ".join(f"{value:.6f}" for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def _append_joint(lines: list[str], node: int, side: str, offsets: np.ndarray, depth: int) -> None:
    """The lines of a node and what hangs on it; MANO's joints stand depth first already."""
    indent = "  " * depth
    word = "ROOT" if node == 0 else "JOINT"
    offset = " ".join(f"{value:.6f}" for value in offsets[node])
    tip = node >= N_JOINTS
    lines.append(indent + ("End Site" if tip else f"{word} {side}_{NODE_NAMES[node]}"))
    lines += [indent + "{", f"{indent}  OFFSET {offset}"]
    if node == 0:
        lines.append(f"{indent}  CHANNELS 6 Xposition Yposition Zposition {TURNS}")
    elif not tip:
        lines.append(f"{indent}  CHANNELS 3 {TURNS}")
    for child in (k for k, parent in enumerate(NODE_PARENTS) if parent == node):
        _append_joint(lines, child, side, offsets, depth + 1)
    lines.append(indent + "}")
