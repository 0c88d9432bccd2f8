"""Skinning weights of the open hand: MakeHuman's within a finger, bone heat at its root."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from mano.open_hand.anatomy import MAKEHUMAN_FINGER, THUMB, finger_joints
from mano.open_hand.makehuman import MakeHuman
from utils.geometry.mesh import cotangent_laplacian
from utils.keypoints.order import N_JOINTS
from utils.synthetic.fields import smoothstep

MAX_INFLUENCES = 4
SMALLEST_WEIGHT = 5e-3
# Finger weights fade to zero between these x (metres in the wrist frame) before the rim.
RIM_FADE = (-0.025, 0.008)
METACARPAL_END = 0.97  # the palm's bones stop just before the knuckles
FOREARM = np.array([0.06, 0.0, 0.0])


def hand_weights(
    body: MakeHuman,
    ids: np.ndarray,
    verts: np.ndarray,
    faces: np.ndarray,
    joints: np.ndarray,
    ends: np.ndarray,
) -> np.ndarray:
    """(V, 16) weights, rows sum to 1, at most MAX_INFLUENCES non-zero.

    Bone heat decides how much of a vertex is finger (MakeHuman's own knuckles are elsewhere),
    MakeHuman's weights how that splits between phalanges; the thumb is bone heat throughout.
    """
    native, heat = _native_weights(body, ids), _bone_heat(verts, faces, joints, ends)
    fade = smoothstep(RIM_FADE[1], RIM_FADE[0], verts[:, 0])
    weights = np.zeros_like(native)
    for finger in range(5):
        own = finger_joints(finger)
        source = heat if finger == THUMB else native
        total = source[:, own].sum(1, keepdims=True)
        split = source[:, own] / np.maximum(total, 1e-9)
        if finger != THUMB:
            split = np.where(total > 0.3, split, [1.0, 0.0, 0.0])
        weights[:, own] = (heat[:, own].sum(1) * fade)[:, None] * split
    weights[:, 0] = np.clip(1 - weights[:, 1:].sum(1), 0, None)
    return _prune(weights / weights.sum(1, keepdims=True))


def _prune(weights: np.ndarray) -> np.ndarray:
    weights = np.where(weights < SMALLEST_WEIGHT, 0, weights)
    small = np.argsort(-weights, axis=1)[:, MAX_INFLUENCES:]
    np.put_along_axis(weights, small, 0, axis=1)
    return weights / weights.sum(1, keepdims=True)


def _native_weights(body: MakeHuman, ids: np.ndarray) -> np.ndarray:
    """MakeHuman's weights with every bone that is no finger's added to the wrist."""
    row = np.full(len(body.verts), -1)
    row[ids] = np.arange(len(ids))
    weights = np.zeros((len(ids), N_JOINTS))
    for bone, entries in body.bone_weights().items():
        joint = 0
        if bone.startswith("finger") and bone.endswith(".R"):
            number, phalanx = int(bone[6]), int(bone[8])
            joint = finger_joints(MAKEHUMAN_FINGER.index(number))[phalanx - 1]
        for vertex, weight in entries:
            if row[int(vertex)] >= 0:
                weights[row[int(vertex)], joint] += weight
    return weights / weights.sum(1, keepdims=True)


def _bone_heat(
    verts: np.ndarray, faces: np.ndarray, joints: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """(V, 16) equilibrium of heat from the nearest bones (Baran and Popovic 2007, section 4)."""
    segments = [[] for _ in range(N_JOINTS)]
    for finger in range(5):
        own = finger_joints(finger)
        chain = np.vstack([joints[own], ends[finger]])
        for k, joint in enumerate(own):
            segments[joint].append((chain[k], chain[k + 1]))
        if finger != THUMB:
            knuckle = joints[0] + METACARPAL_END * (chain[0] - joints[0])
            segments[0].append((joints[0], knuckle))
    segments[0].append((joints[0], joints[0] + FOREARM))
    distance = np.stack(
        [np.min([_segment_distance(verts, a, b) for a, b in bones], axis=0) for bones in segments],
        axis=1,
    )
    laplacian, area = cotangent_laplacian(verts, faces)
    heat = area / np.maximum(distance.min(1), 1e-3) ** 2
    nearest = np.eye(N_JOINTS)[distance.argmin(1)]
    weights = splu((laplacian + sp.diags(heat)).tocsc()).solve(heat[:, None] * nearest)
    weights = np.clip(weights, 0, None)
    return weights / weights.sum(1, keepdims=True)


def _segment_distance(points: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)
