"""The 3D view's data: meshes of every stage un-posed, skinning, colours, cameras, animations.

All of it is in the frame of pictures: metres of the hand model about the hands' middle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.hand.fitted import FittedHand
from models.hand.skinning import unskin
from models.report.animation import Clip, given_clip, own_clips
from models.report.encoding import jpeg, packed, quantised
from models.report.shapes import HandShapes
from models.textures.layout import unwrapped
from utils.cameras import Cameras, Similarity
from utils.keypoints.order import BONES, JOINT_PARENTS
from utils.motion.track import Hands

INFLUENCES = 4  # joints that move a vertex, as WebGL's usual skinning has them
MOST_VERTICES = 150_000  # of all hands: beyond, the coarser mesh among the vertices is shown
FRUSTUM = 0.16  # of the cameras' distance: how far a picture is drawn before its camera
AWAY = 0.5  # metres: where the camera is drawn whose direction the view starts from
KEYPOINT_SIZE = 0.08  # metres: root mean square distance of a hand's keypoints from their middle


def hands_scene(shapes: HandShapes, poses: list[Hands] | None = None) -> dict[str, Any]:
    """Everything of the hands that the 3D view shows, ready for JSON.

    Where the refined mesh is finer than MOST_VERTICES, the coarser one among its vertices is taken.
    """
    levels, count = shapes.subdivisions, len(shapes.verts)
    while levels > 0 and count > MOST_VERTICES:
        levels, count = levels - 1, count // 4  # about: a subdivision makes four faces of one
    hands = [_hand(shapes, k, levels, poses) for k in range(len(shapes.hands))]
    return {"hands": hands, "stages": list(shapes.stages), "parents": list(JOINT_PARENTS)}


def _hand(shapes: HandShapes, k: int, levels: int, poses: list[Hands] | None) -> dict[str, Any]:
    """One hand, un-posed by its own four joints a vertex, so that skinning gives back each stage.

    Pose correctives of the fitted pose stay in the un-posed mesh.
    """
    hand, first = shapes.hands[k], shapes.slices[k].start
    finer = hand.model.subdivide(levels)
    own = slice(first, first + finer.matrix.shape[0])
    joints, weights = strongest(finer.matrix @ hand.model.weights.double().cpu().numpy())
    bent = hand.model.joint_transforms(hand.pose, hand.shape)[0]
    scene: dict[str, Any] = {
        "side": hand.side,
        "joints": packed(joints.astype(np.uint8)),
        "weights": packed(np.round(weights * 65535).astype(np.uint16)),
        "faces": packed(finer.faces.astype(np.uint32)),
        "meshes": {},
        **_skeleton(shapes.view_from_world, hand),
    }
    for name, verts in shapes.stages.items():
        rest = _rest(verts[own], hand, bent, joints, weights)
        points, corner, step = quantised(rest)
        scene["meshes"][name] = {"points": packed(points), "corner": corner, "step": step}
    for name in ("albedo", "error"):
        colors = getattr(shapes, name)
        if colors is not None:
            scene[name] = packed(np.round(255 * colors[own]).astype(np.uint8))
    if shapes.texture is not None:
        scene["texture"] = _texture(shapes, k, levels)
    clips = own_clips(hand)
    if poses is not None:
        clips["own poses"] = given_clip(hand, poses)
    scene["clips"] = {name: _clip(shapes, hand, clip) for name, clip in clips.items()}
    return scene


def _texture(shapes: HandShapes, k: int, levels: int) -> dict[str, str]:
    """A hand's tile of the texture, and its mesh cut along the texture's seams.

    source: the vertex that each of the cut mesh's comes from; faces: its faces; uv: u right and
    v up, 65,535 the tile's side.
    """
    assert shapes.texture is not None
    rows, finer = len(shapes.texture), unwrapped(shapes.hands[k].model).subdivide(levels)
    assert finer.uv is not None and finer.face_uv is not None
    corners = np.column_stack([finer.faces.reshape(-1), finer.face_uv.reshape(-1)])
    pairs, cut = np.unique(corners, axis=0, return_inverse=True)
    return {
        "image": jpeg(shapes.texture[:, k * rows : (k + 1) * rows]),
        "source": packed(pairs[:, 0].astype(np.uint32)),
        "faces": packed(cut.reshape(-1).astype(np.uint32)),
        "uv": packed(np.round(65535 * finer.uv[pairs[:, 1]].clip(0, 1)).astype(np.uint16)),
    }


def strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints (V, 4) and weights (V, 4), rows sum to 1, of skinning weights (V, 16)."""
    joints = np.argpartition(-weights, INFLUENCES - 1, axis=1)[:, :INFLUENCES]
    values = np.take_along_axis(weights, joints, 1)
    return joints, values / values.sum(1, keepdims=True)


def _rest(
    verts: np.ndarray, hand: FittedHand, bent: Tensor, joints: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    full = torch.zeros(len(verts), bent.shape[0], dtype=torch.float64)
    full.scatter_(1, torch.from_numpy(joints), torch.from_numpy(weights))
    local = (torch.from_numpy(verts) - hand.trans) / hand.scale
    return unskin(local, bent, full).numpy()


def _skeleton(view_from_world: Similarity, hand: FittedHand) -> dict[str, Any]:
    """Joints at rest, the fitted pose, and where the hand is and how large."""
    return {
        "rest": _rounded(hand.model.rest_joints(hand.shape[0])),
        "pose": _rounded(Clip(hand.pose).rotations(hand)[0]),
        "place": _rounded(view_from_world.apply(hand.trans)[0]),
        "scale": float(hand.scale) * view_from_world.scale,
    }


def _clip(shapes: HandShapes, hand: FittedHand, clip: Clip) -> dict[str, Any]:
    places = None
    if clip.places is not None:
        places = _rounded(shapes.view_from_world.apply(clip.places))
    return {"poses": _rounded(clip.rotations(hand)), "places": places}


def cameras_scene(
    cameras: Cameras | None, view_from_world: Similarity, names: list[str]
) -> dict[str, Any]:
    """Each camera's centre and picture's corners, and from where and which way up to look."""
    if cameras is None:
        return {"cameras": [], "up": [0, 1, 0], "eye": [0, 0, AWAY]}
    centers = view_from_world.apply(cameras.centers())
    entries, ahead = [], FRUSTUM * centers.norm(dim=1).median()
    for view, (height, width) in enumerate(cameras.sizes.tolist()):
        pixels = torch.tensor([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1.0]])
        K, R = cameras.K[view].double(), cameras.R[view].double()
        rays = pixels.double() @ torch.linalg.inv(K).T @ R
        corners = centers[view] + ahead * rays
        entries.append(
            {"name": names[view], "center": _rounded(centers[view]), "corners": _rounded(corners)}
        )
    up = -cameras.R[:, 1].double().mean(0)
    eye = centers[0] / centers[0].norm().clamp(min=1e-9) * AWAY
    return {"cameras": entries, "up": _rounded(up / up.norm()), "eye": _rounded(eye)}


def keypoints_scene(points: np.ndarray | None, view_from_world: Similarity) -> list[Any]:
    """Bones of the triangulated keypoints (2, 21, 3), world units: pairs of points a hand."""
    if points is None:
        return []
    placed = view_from_world.apply(torch.from_numpy(points)).numpy()
    hands = []
    for hand in placed:
        ends = hand[BONES]  # (20, 2, 3)
        seen = np.isfinite(ends).all((1, 2))
        hands.append(np.round(ends[seen], 5).tolist())
    return hands


def frame_of_keypoints(points: np.ndarray) -> Similarity:
    """A frame of pictures for keypoints (2, 21, 3) alone, by the usual size of a hand."""
    seen = points.reshape(-1, 3)
    seen = seen[np.isfinite(seen).all(1)]
    middles = [hand[np.isfinite(hand).all(1)] for hand in points]
    spread = [np.sqrt(((h - h.mean(0)) ** 2).sum(1).mean()) for h in middles if len(h) > 1]
    scale = float(np.mean(spread)) / KEYPOINT_SIZE if spread else 1.0
    return Similarity(scale, torch.from_numpy(seen.mean(0))).inverse()


def _rounded(values: Tensor) -> Any:
    return np.round(values.detach().double().numpy(), 6).tolist()
