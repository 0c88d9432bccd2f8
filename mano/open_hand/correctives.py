"""Pose correctives (posedirs): what linear blend skinning gets wrong at a bent joint.

Blending two rotations linearly shortens what lies between them: knuckles sink in, and on the
inside of a bent finger the skin of both phalanges is pulled through itself. The wanted shape turns
every point about the joint by its share of the angle instead, on an arc, and spreads the fold of
the palmar side over a length that grows with the finger's thickness there, so that no point
crosses the plane that halves the bend. The difference, taken back to the rest pose, is fitted by
the linear functions of R - I that the MANO layer offers, one joint at a time.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from mano.open_hand.anatomy import flexion_axes
from utils.keypoints.order import JOINT_PARENTS, N_JOINTS
from utils.synthetic.fields import smoothstep

# A fold must reach about 1.2 times the skin's distance from the joint to keep clear of the
# bend's middle plane at 90 degrees (for a smooth step); the rest is for 110 degrees.
FOLD_LENGTH = 1.6
SHORTEST_FOLD = 0.008  # metres
# Metres over which the fold sets in towards the palm, and ends away from the finger's bone.
FOLD_ONSET = (0.0, 0.004)
FOLD_REACH = (0.016, 0.020)
FOLD_WEIGHT = (0.3, 0.7)
# Knuckles of the palm: only the back of the hand follows the arc, setting in over 6 mm, and only
# by this fraction, since all of it looks swollen. Their palmar skin is no fold of two phalanges.
KNUCKLE_ONSET = (0.0, 0.006)
KNUCKLE_FRACTION = 0.6
# Metres from the joint over which its correctives end: skin far away has a share in the bend too,
# but what blending does to it is no joint's shape.
REACH = (0.025, 0.035)
RIDGE = 1e-3  # of the largest eigenvalue
NEGLIGIBLE = 2e-5  # metres: smaller offsets are dropped, which keeps the correctives local
FLEXION_DEGREES = (-20, -10, 10, 25, 40, 55, 70, 80, 90, 100, 110)
OFF_AXIS_DEGREES = (-15, 0, 15)


def pose_correctives(
    verts: np.ndarray, joints: np.ndarray, weights: np.ndarray, directions: np.ndarray
) -> np.ndarray:
    """(V, 3, 135) posedirs for verts (V, 3), joints (16, 3), weights (V, 16), directions (16, 3).

    `directions` are the bones' as from `bone_directions`; metres.
    """
    posedirs = np.zeros((len(verts), 3, N_JOINTS - 1, 9))
    axes = flexion_axes(directions)
    for joint in range(1, N_JOINTS):
        share = weights[:, _moved_by(joint)].sum(1)
        offset = verts - joints[joint]
        depth = offset @ np.cross(axes[joint], directions[joint])  # towards the palm
        fraction = 1 - _ramp(np.linalg.norm(offset, axis=1), *REACH)
        if JOINT_PARENTS[joint] == 0:
            wanted = share
            fraction *= KNUCKLE_FRACTION * _ramp(-depth, *KNUCKLE_ONSET)
        else:
            finger = share + weights[:, JOINT_PARENTS[joint]]
            wanted = _fold_share(share, offset, depth, directions[joint], finger)
        rotvecs = _training_rotations(axes[joint], directions[joint])
        targets = np.stack([_rest_offsets(offset, share, wanted, r) for r in rotvecs])
        features = (Rotation.from_rotvec(rotvecs).as_matrix() - np.eye(3)).reshape(-1, 9)
        posedirs[:, :, joint - 1] = _ridge(features, targets * fraction[:, None])
    return posedirs.reshape(len(verts), 3, -1)


def _moved_by(joint: int) -> list[int]:
    """The joint and all beyond it."""
    moved = [joint]
    for other in range(joint + 1, N_JOINTS):
        if JOINT_PARENTS[other] in moved:
            moved.append(other)
    return moved


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1)


def _fold_share(
    share: np.ndarray, offset: np.ndarray, depth: np.ndarray, along: np.ndarray, finger: np.ndarray
) -> np.ndarray:
    """(V,) share of the bend that each vertex should take: wider than `share` where skin folds.

    `finger` (V,) is the weight of the two phalanges that fold; other skin keeps its share.
    """
    length = np.maximum(FOLD_LENGTH * depth, SHORTEST_FOLD)
    step = smoothstep(-length, length, offset @ along)
    radius = np.linalg.norm(offset - np.outer(offset @ along, along), axis=1)
    folds = _ramp(depth, *FOLD_ONSET) * (1 - _ramp(radius, *FOLD_REACH))
    return share + folds * _ramp(finger, *FOLD_WEIGHT) * (step - share)


def _training_rotations(axis: np.ndarray, along: np.ndarray) -> np.ndarray:
    """(N, 3) rotation vectors: flexion, combined with some sideways motion or twist."""
    return np.radians(
        [
            flexion * axis + angle * other
            for flexion in FLEXION_DEGREES
            for other in (np.cross(axis, along), along)
            for angle in OFF_AXIS_DEGREES
        ]
    )


def _rest_offsets(
    offset: np.ndarray, share: np.ndarray, wanted: np.ndarray, rotvec: np.ndarray
) -> np.ndarray:
    """(V, 3) what to add in the rest pose so that linear blending lands on the arc."""
    arc = Rotation.from_rotvec(wanted[:, None] * rotvec).apply(offset)
    turn = Rotation.from_rotvec(rotvec).as_matrix()
    blended = np.eye(3) + share[:, None, None] * (turn - np.eye(3))
    return np.linalg.solve(blended, arc[:, :, None])[:, :, 0] - offset


def _ridge(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(V, 3, 9) coefficients from features (N, 9) and targets (N, V, 3)."""
    gram = features.T @ features
    gram += RIDGE * np.linalg.eigvalsh(gram)[-1] * np.eye(9)
    fitted = np.linalg.solve(gram, features.T @ targets.reshape(len(targets), -1))
    fitted = fitted.reshape(9, -1, 3).transpose(1, 2, 0)
    size = np.linalg.norm(targets, axis=2).max(0)
    return np.where((size > NEGLIGIBLE)[:, None, None], fitted, 0)
