"""Kinematics of the open hand in plain NumPy: skinning, bone frames, plausible open poses.

Everything here is a right hand in the model's own frame: metres, fingers to -x, palm to -y, thumb
to +z. It is written apart from the suite's hand model on purpose: a demo made with the model that
it is there to test would hide that model's mistakes. Only the order of joints is shared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from utils.errors import UserError
from utils.keypoints.order import JOINT_NAMES, JOINT_PARENTS, MANO_FINGERS
from utils.synthetic.fields import unit

FINGER_ROOTS = tuple(JOINT_NAMES.index(f"{finger}1") for finger in MANO_FINGERS)
INDEX, MIDDLE, PINKY, RING, THUMB = FINGER_ROOTS
TEMPLATE_ARRAYS = ["v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights"]
TEMPLATE_ARRAYS += ["hands_mean", "tips"]  # of open_hand_right.npz
DORSAL = np.array([0.0, 1.0, 0.0])
THUMB_PALMAR = np.array([-0.22, -0.16, -0.96])  # where the pad of the resting thumb looks


@dataclass(frozen=True)
class Template:
    """The arrays of open_hand_right.npz that a synthetic hand needs; metres."""

    verts: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3) int64
    shapedirs: np.ndarray  # (V, 3, 10)
    posedirs: np.ndarray  # (V, 3, 135)
    joint_regressor: np.ndarray  # (16, V)
    weights: np.ndarray  # (V, 16)
    hands_mean: np.ndarray  # (45,)
    tips: np.ndarray  # (5,) int64, thumb to pinky


def load_template(path: str | Path) -> Template:
    """Read the right open hand. Raises UserError when it is missing or lacks an array."""
    try:
        with np.load(path, allow_pickle=False) as file:
            data = dict(file)
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing; restore it or run python mano/build_open_hand.py"
        ) from None
    missing = [name for name in TEMPLATE_ARRAYS if name not in data]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}; run python mano/build_open_hand.py")
    return Template(
        verts=data["v_template"].astype(np.float64),
        faces=data["f"].astype(np.int64),
        shapedirs=data["shapedirs"].astype(np.float64),
        posedirs=data["posedirs"].astype(np.float64),
        joint_regressor=data["J_regressor"].astype(np.float64),
        weights=data["weights"].astype(np.float64),
        hands_mean=data["hands_mean"].astype(np.float64),
        tips=data["tips"].astype(np.int64),
    )


@dataclass(frozen=True)
class Bones:
    """Resting finger bones by joint (row 0, the wrist, is unused)."""

    direction: np.ndarray  # (16, 3) unit, root to tip
    length: np.ndarray  # (16,) metres
    palmar: np.ndarray  # (16, 3) unit, across the bone towards the palm's side


def measure_bones(verts: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> Bones:
    """Bone frames of a resting right hand: verts (V, 3), joints (16, 3), weights (V, 16)."""
    direction, palmar, length = np.zeros((16, 3)), np.zeros((16, 3)), np.ones(16)
    for root in FINGER_ROOTS:
        distal = verts[weights[:, root + 2] > 0.9]
        along = (distal - joints[root + 2]) @ (joints[root + 2] - joints[root + 1])
        segments = np.diff([*joints[root : root + 3], distal[np.argmax(along)]], axis=0)
        bones = slice(root, root + 3)
        length[bones], direction[bones] = np.linalg.norm(segments, axis=1), unit(segments)
        towards = THUMB_PALMAR if root == THUMB else -DORSAL
        across = towards - (direction[bones] @ towards)[:, None] * direction[bones]
        palmar[bones] = unit(across)
    return Bones(direction, length, palmar)


def move_by_bones(
    verts: np.ndarray,
    joints: np.ndarray,
    moved_joints: np.ndarray,
    weights: np.ndarray,
    linear: np.ndarray,
) -> np.ndarray:
    """Verts (V, 3) blended from affine maps: bone j turns by linear (16, 3, 3) about its joint."""
    offsets = moved_joints - np.einsum("jab,jb->ja", linear, joints)
    return np.einsum("vj,jab,vb->va", weights, linear, verts) + weights @ offsets


def chained(local: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each bone's turn (16, 3, 3) and joint (16, 3) where each turns by local (16, 3, 3).

    Bones turn about their joints (16, 3), on top of their parents' turns.
    """
    linear, moved = local.copy(), joints.copy()
    for j, parent in enumerate(JOINT_PARENTS[1:], start=1):
        linear[j] = linear[parent] @ local[j]
        moved[j] = moved[parent] + linear[parent] @ (joints[j] - joints[parent])
    return linear, moved


def skin(
    verts: np.ndarray, joints: np.ndarray, template: Template, pose: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Linear blend skinning with pose correctives: verts (V, 3) and joints (16, 3) in `pose`.

    `pose` (16, 3) is axis-angle from the resting hand, not from `hands_mean`.
    """
    local = Rotation.from_rotvec(pose).as_matrix()
    corrected = verts + template.posedirs @ (local[1:] - np.eye(3)).ravel()
    linear, moved = chained(local, joints)
    return move_by_bones(corrected, joints, moved, template.weights, linear), moved


def sample_open_pose(bones: Bones, rng: np.random.Generator) -> np.ndarray:
    """A relaxed open hand, (16, 3) axis-angle from rest, that curls more to the little finger."""
    pose = np.zeros((16, 3))
    flexion = np.cross(bones.direction, bones.palmar)
    curl, cascade = rng.uniform(0.05, 0.38), rng.uniform(-0.05, 0.3)
    for rank, (root, spread) in enumerate(((INDEX, 1.0), (MIDDLE, 0.1), (RING, -0.4), (PINKY, -1))):
        bend = np.clip(curl * (1 + cascade * rank) + rng.normal(0, 0.08), 0, 0.62)
        knuckle, middle = 65 * bend + rng.normal(0, 5), 85 * bend + rng.normal(4, 5)
        angles = np.radians([knuckle, middle, 0.55 * middle + rng.normal(0, 3)])
        pose[root : root + 3] = angles[:, None] * flexion[root : root + 3]
        pose[root] -= np.radians(spread * rng.uniform(0, 10)) * DORSAL
    thumb = np.radians(rng.uniform([-5, -5, -5], [15, 22, 30]))
    pose[THUMB:] = thumb[:, None] * flexion[THUMB:]
    swing = unit(np.cross(bones.direction[THUMB], DORSAL))
    pose[THUMB] += np.radians(rng.uniform(0, 12)) * bones.direction[THUMB]
    pose[THUMB] -= np.radians(rng.uniform(-12, 18)) * swing
    return pose


def finger_clearance(verts: np.ndarray, weights: np.ndarray) -> float:
    """Smallest vertex distance from a finger's two outer phalanges to all off that finger."""
    bone = weights.argmax(1)
    gaps = []
    for root in FINGER_ROOTS:
        rest = cKDTree(verts[(bone < root) | (bone > root + 2)])
        outer = (bone > root) & (bone <= root + 2)
        gaps.append(rest.query(verts[outer])[0].min())
    return float(min(gaps))
