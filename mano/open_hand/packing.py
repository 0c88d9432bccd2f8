"""Fingertips, the mirrored left hand, and the npz file with MANO's array names."""

from pathlib import Path

import numpy as np
import torch

from mano.open_hand.anatomy import (
    INDEX,
    MIDDLE,
    PINKY,
    RING,
    THUMB,
    UP,
    finger_joints,
    thumb_axes,
)
from utils.geometry.mesh import vertex_normals
from utils.keypoints.order import JOINT_PARENTS, N_JOINTS

TIP_ORDER = (THUMB, INDEX, MIDDLE, RING, PINKY)  # MediaPipe's
PAD_BEFORE_END = (0.0035, 0.009)  # metres from the finger's end to its pad
# The mirror x -> -x turns an axis-angle (a, b, c) into (a, -b, -c).
MIRROR_POINT = np.array([-1.0, 1.0, 1.0])
MIRROR_POSE = np.array([1.0, -1.0, -1.0])
NO_PARENT = 2**32 - 1  # as the official files write the root's parent


def tip_vertices(
    verts: np.ndarray,
    faces: np.ndarray,
    joints: np.ndarray,
    weights: np.ndarray,
    directions: np.ndarray,
) -> dict[str, np.ndarray]:
    """Vertices at each finger's pad, nail and end, (5,) each, thumb to little finger.

    Detectors of keypoints are trained on points inside the fingertip; the pad is nearest to it
    in a camera that sees the palm, and the default.
    """
    tips = {"pad": [], "nail": [], "end": []}
    for finger in TIP_ORDER:
        last = finger_joints(finger)[2]
        along = directions[last]
        palmar = -UP if finger != THUMB else np.cross(thumb_axes(directions)[0], along)
        palmar = palmar - (palmar @ along) * along
        palmar /= np.linalg.norm(palmar)
        own = np.flatnonzero(weights[:, last] > 0.9)
        offset = verts[own] - joints[last]
        reach = offset @ along
        tips["end"].append(own[reach.argmax()])
        before = reach.max() - reach
        near = (before > PAD_BEFORE_END[0]) & (before < PAD_BEFORE_END[1])
        sideways = offset @ np.cross(palmar, along)
        off_centre = 1.5 * np.abs(sideways - sideways.mean())
        for name, direction in (("pad", palmar), ("nail", -palmar)):
            score = np.where(near, offset @ direction - off_centre, -np.inf)
            tips[name].append(own[score.argmax()])
    normals = vertex_normals(torch.from_numpy(verts), torch.from_numpy(faces)).numpy()
    assert (np.einsum("vc,vc->v", normals[tips["pad"]], normals[tips["nail"]]) < 0).all()
    return {name: np.array(ids, np.int64) for name, ids in tips.items()}


def mirror(model: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The left hand: x -> -x, faces turned round, poses mirrored."""
    left = dict(model)
    point = MIRROR_POINT
    left["v_template"] = model["v_template"] * point
    left["J"] = model["J"] * point
    left["shapedirs"] = model["shapedirs"] * point[:, None]
    left["f"] = model["f"][:, ::-1].copy()
    left["face_uv"] = model["face_uv"][:, ::-1].copy()
    verts = len(model["v_template"])
    flip = point[:, None, None, None] * point[:, None] * point
    posedirs = model["posedirs"].reshape(verts, 3, N_JOINTS - 1, 3, 3)
    left["posedirs"] = (posedirs * flip).reshape(verts, 3, -1)
    pose = np.tile(MIRROR_POSE, N_JOINTS - 1)
    left["hands_components"] = model["hands_components"] * pose
    left["hands_mean"] = model["hands_mean"] * pose
    left["hands_limits"] = np.sort(model["hands_limits"] * pose, axis=0)
    return left


def kintree_table() -> np.ndarray:
    """(2, 16) uint32: parent and own id of each joint."""
    parents = [NO_PARENT if parent < 0 else parent for parent in JOINT_PARENTS]
    return np.array([parents, range(N_JOINTS)], np.uint32)


def save_npz(path: Path, model: dict[str, np.ndarray]) -> None:
    """Compressed and reproducible: float32, sorted names, numpy's fixed time stamps."""
    arrays = {
        name: value.astype(np.float32) if np.asarray(value).dtype.kind == "f" else np.asarray(value)
        for name, value in sorted(model.items())
    }
    np.savez_compressed(path, **arrays)
