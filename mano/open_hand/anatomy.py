"""Skeleton of the open hand: MANO's 16 joints as blends of MakeHuman's joint cubes, and frames.

The wrist frame of the right hand: fingers along -x, palm faces -y, thumb on the +z side; metres.
Fingers are numbered in MANO's order: joint 1 + 3 f + k is joint k (root to tip) of finger f, joint
0 the wrist.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from utils.keypoints.order import FINGER_NAMES, JOINT_PARENTS, MANO_FINGERS, N_JOINTS

THUMB, INDEX, MIDDLE, RING, PINKY = (MANO_FINGERS.index(finger) for finger in FINGER_NAMES)
# MANO finger -> MakeHuman finger number (1 = thumb ... 5 = little finger).
MAKEHUMAN_FINGER = (2, 3, 5, 4, 1)
CARPALS = ("r-hand", "r-hand-2", "r-hand-3")
CUBES = (
    *CARPALS,
    *(f"r-finger-{finger}-{joint}" for finger in range(1, 6) for joint in range(1, 5)),
)
PALM_CUBES = (*CARPALS, *(f"r-finger-{finger}-1" for finger in range(2, 6)))
# MakeHuman bends fingers at the skin fold, about 13 mm beyond the knuckle: every MCP moves this
# fraction towards a carpal cube (r-hand-3 on the thumb's side, r-hand-2 on the other).
MCP_SHIFT = {INDEX: 0.19, MIDDLE: 0.19, RING: 0.21, PINKY: 0.25}
WRIST_BLEND = {"r-hand": 0.64, "r-hand-2": 0.18, "r-hand-3": 0.18}
THUMB_CMC_BLEND = {"r-finger-1-1": 0.25, "r-hand": 0.35, "r-finger-1-2": 0.40}
THUMB_MCP_BLEND = {"r-finger-1-2": 0.85, "r-finger-1-3": 0.15}
# Bend (degrees towards the palm) that is left in each phalanx of the template's straight fingers.
RESIDUAL_FLEXION = (3.0, 4.0, 9.0)
# Where the thumb's tip goes when the thumb flexes, in the wrist frame.
THUMB_FLEXES_TOWARDS = np.array([-0.22, -0.16, -0.96])
UP = np.array([0.0, 1.0, 0.0])


def finger_joints(finger: int) -> list[int]:
    """The three MANO joints of a finger, root to tip."""
    return [1 + 3 * finger + k for k in range(3)]


def joint_rule() -> np.ndarray:
    """(21, C) rows: 16 joints then 5 finger ends, each a convex blend of the C joint cubes."""
    rule = np.zeros((N_JOINTS + 5, len(CUBES)))

    def blend(row: int, weights: dict[str, float]) -> None:
        for cube, weight in weights.items():
            rule[row, CUBES.index(cube)] = weight

    blend(0, WRIST_BLEND)
    for finger, number in enumerate(MAKEHUMAN_FINGER):
        for k, joint in enumerate(finger_joints(finger)):
            blend(joint, {f"r-finger-{number}-{k + 1}": 1.0})
        blend(N_JOINTS + finger, {f"r-finger-{number}-4": 1.0})
    for finger, shift in MCP_SHIFT.items():
        carpal = "r-hand-3" if finger in (INDEX, MIDDLE) else "r-hand-2"
        knuckle = f"r-finger-{MAKEHUMAN_FINGER[finger]}-1"
        blend(finger_joints(finger)[0], {knuckle: 1 - shift, carpal: shift})
    cmc, mcp, _ = finger_joints(THUMB)
    rule[[cmc, mcp]] = 0
    blend(cmc, THUMB_CMC_BLEND)
    blend(mcp, THUMB_MCP_BLEND)
    return rule


def wrist_frame(cubes: np.ndarray) -> np.ndarray:
    """(3, 3) wrist_from_body rotation for joint cubes (C, 3) of a right hand."""
    cube = dict(zip(CUBES, cubes))
    x = cube["r-hand"] - cube["r-finger-3-1"]
    y = np.cross(cube["r-finger-2-1"] - cube["r-finger-5-1"], x)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)])


def align_palm(cubes: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """(3, 3) rotation that takes the palm of `cubes` to the palm of `reference` (both (C, 3))."""
    palm = [CUBES.index(name) for name in PALM_CUBES]
    a, b = cubes[palm], reference[palm]
    return Rotation.align_vectors(b - b.mean(0), a - a.mean(0))[0].as_matrix()


def bone_directions(joints: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(16, 3) unit vectors along the template's phalanges; row 0 is zero.

    Fingers are straight but for RESIDUAL_FLEXION and keep their spread in the palm's plane; the
    thumb keeps its own directions. joints (16, 3) and ends (5, 3) in the wrist frame.
    """
    directions = np.zeros((N_JOINTS, 3))
    for finger in range(5):
        chain = np.vstack([joints[finger_joints(finger)], ends[finger]])
        bones = np.diff(chain, axis=0)
        directions[finger_joints(finger)] = bones / np.linalg.norm(bones, axis=1, keepdims=True)
        if finger == THUMB:
            continue
        first = directions[finger_joints(finger)[0]]
        spread, bend = np.arctan2(first[2], -first[0]), np.radians(RESIDUAL_FLEXION)
        directions[finger_joints(finger)] = np.stack(
            [-np.cos(spread) * np.cos(bend), -np.sin(bend), np.sin(spread) * np.cos(bend)], axis=1
        )
    return directions


def flexion_axes(directions: np.ndarray) -> np.ndarray:
    """(16, 3) unit axes about which a positive angle flexes each joint; row 0 is zero."""
    axes = np.zeros((N_JOINTS, 3))
    axes[1:13] = np.cross(UP, directions[1:13])
    axes[13:] = thumb_axes(directions)[0]
    length = np.linalg.norm(axes[1:], axis=1, keepdims=True)
    axes[1:] /= length
    return axes


def thumb_axes(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit axes of the thumb: flexion (tip towards the palm) and opposition (before the palm)."""
    along = directions[13:16].sum(0)
    flexion = np.cross(along, THUMB_FLEXES_TOWARDS)
    opposition = np.cross(along, -UP)
    return flexion / np.linalg.norm(flexion), opposition / np.linalg.norm(opposition)


def rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(3, 3) smallest rotation that turns direction `a` into direction `b` (not opposite)."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    x, y, z = axis
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)


def pose_mesh(
    verts: np.ndarray, joints: np.ndarray, weights: np.ndarray, pose: np.ndarray
) -> np.ndarray:
    """Plain linear blend skinning: verts (V, 3), joints (16, 3), pose (15, 3) axis-angle."""
    matrices = joint_matrices(joints, Rotation.from_rotvec(pose).as_matrix())
    blended = np.einsum("vj,jab->vab", weights, matrices)
    return np.einsum("vab,vb->va", blended[:, :, :3], verts) + blended[:, :, 3]


def joint_matrices(joints: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """(16, 3, 4) world_from_rest of each joint for 15 local rotations (15, 3, 3), wrist fixed."""
    world = np.zeros((N_JOINTS, 3, 4))
    world[0, :, :3] = np.eye(3)
    for joint in range(1, N_JOINTS):
        parent = world[JOINT_PARENTS[joint]]
        world[joint, :, :3] = parent[:, :3] @ rotations[joint - 1]
        position = parent[:, :3] @ joints[joint] + parent[:, 3]
        world[joint, :, 3] = position - world[joint, :, :3] @ joints[joint]
    return world
