"""One hand as engines take it: a mesh with UVs on a skeleton, in rest and in the captured pose.

Its skin is plain linear blend skinning, all that engines know, without the model's pose
correctives. So that the captured pose is exact nevertheless, the rest mesh is the captured one
un-posed by that same skinning: the captured pose's correctives stay in it. In other poses it is off
by what the correctives would change, which `models.export.reposing` knows: 0.8 mm RMS and up to
6 mm in random poses within the model's limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.export.motion import Motion, motion_of
from models.export.scene import SceneFrame
from models.ham.reconstruction import Reconstruction
from models.hand.fitted import FittedHand
from models.textures.layout import TextureLayout, texture_layout
from utils.geometry.mesh import vertex_normals
from utils.geometry.tangents import vertex_tangents
from utils.keypoints.order import FINGER_NAMES, JOINT_NAMES, JOINT_PARENTS, N_JOINTS

SET = 4  # influences that all engines read
MOST_SETS = 2  # of influences: what file formats and engines allow beyond
NEGLIGIBLE = 5e-4  # weight beyond the first set that moves no vertex by 0.1 mm
# Names of the 21 nodes, without their side: index1 -> index_1.
NODE_NAMES = (*(f"{n[:-1]}_{n[-1]}" if n[-1].isdigit() else n for n in JOINT_NAMES),)
NODE_NAMES += tuple(f"{finger}_tip" for finger in FINGER_NAMES)
TIP_PARENTS = tuple(JOINT_NAMES.index(f"{finger}3") for finger in FINGER_NAMES)
NODE_PARENTS = (*JOINT_PARENTS, *TIP_PARENTS)


@dataclass(frozen=True)
class SkinnedHand:
    """A hand of N vertices, split where the texture has seams, in metres.

    verts, normals (N, 3) in the rest pose of the model, tangents (N, 4) with handedness; captured
    and captured_normals (N, 3) in the scene; uv (N, 2), v up; faces (F, 3); colors (N, 3) sRGB in
    [0, 1]; joints and weights (N, 4 or 8), heaviest first; vertex (N,) of the unsplit mesh.
    nodes (21, 3): the joints and then the fingertips (thumb to pinky) at rest; captured_pose: a
    motion of one frame. fine: the refined mesh, which needs no normal map.
    """

    side: str
    verts: np.ndarray
    normals: np.ndarray
    tangents: np.ndarray
    captured: np.ndarray
    captured_normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    vertex: np.ndarray
    nodes: np.ndarray
    captured_pose: Motion
    fine: bool

    @property
    def names(self) -> list[str]:
        """Names of the 21 nodes: left_wrist, left_index_1, ..., left_pinky_tip."""
        return [f"{self.side}_{name}" for name in NODE_NAMES]

    def offsets(self) -> np.ndarray:
        """Each node at rest (21, 3) from its parent, axes parallel; the wrist from the origin."""
        parents = np.array(NODE_PARENTS)
        return self.nodes - np.where(parents[:, None] < 0, 0, self.nodes[parents])


def skinned_hand(
    reconstruction: Reconstruction, side: str, frame: SceneFrame, fine: bool = False
) -> SkinnedHand:
    """The hand of one side: the refined mesh (fine), or its vertices that are the model's own.

    Raises UserError where its model has no UVs and none can be made.
    """
    alone = reconstruction.hand(side)
    hand = FittedHand.of_dict(alone.hands[0])
    model, levels = hand.model, reconstruction.subdivisions if fine else 0
    layout = texture_layout([model], levels)  # first: it gives a model UVs
    finer = model.subdivide(levels)
    world = torch.from_numpy(alone.verts[: finer.matrix.shape[0]])
    joints, weights = influences(finer.carry(model.weights).numpy())
    skin = torch.from_numpy(dense(joints, weights))
    metres = float(hand.scale) * frame.metres
    rest = model.unpose(world[None], hand.pose, hand.shape, hand.trans, hand.scale, skin)[0]
    nodes = torch.cat([model.rest_joints(hand.shape)[0], rest[model.tips]])
    vertex, corner, faces = _split(finer.faces, layout.face_uv)
    normals, tangents = _directions(world, finer.faces, layout)
    to_rest = _rest_from_captured(hand, skin)[vertex]
    return SkinnedHand(
        side=side,
        verts=metres * rest.numpy()[vertex],
        normals=_turned(to_rest, normals[vertex]),
        tangents=np.column_stack([_turned(to_rest, tangents[corner, :3]), tangents[corner, 3]]),
        captured=frame.apply(world.numpy())[vertex],
        captured_normals=normals[vertex] @ frame.rotation.T,
        uv=layout.uv[corner],
        faces=faces,
        colors=alone.appearance.albedo.clamp(0, 1).numpy()[vertex],
        joints=joints[vertex],
        weights=weights[vertex],
        vertex=vertex,
        nodes=metres * nodes.numpy(),
        captured_pose=motion_of([hand], frame),
        fine=fine,
    )


def influences(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints uint8 and weights float64 (V, 4 or 8) of dense weights (V, J), heaviest first.

    Four a vertex where that is all that counts, else eight; they sum to 1. Joints without weight
    are 0.
    """
    order = np.argsort(-weights, axis=1, kind="stable")
    ranked = np.take_along_axis(weights, order, 1)
    enough = ranked[:, SET:].sum(1).max() <= NEGLIGIBLE
    kept = SET if enough else SET * MOST_SETS
    ranked = ranked[:, :kept].clip(0, None)
    joints = np.where(ranked > 0, order[:, :kept], 0).astype(np.uint8)
    return joints, ranked / ranked.sum(1, keepdims=True)


def dense(joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weights (V, 16) of what `influences` gives."""
    whole = np.zeros((len(weights), N_JOINTS))
    np.add.at(whole, (np.arange(len(weights))[:, None], joints), weights)
    return whole


def _directions(
    verts: Tensor, faces: np.ndarray, layout: TextureLayout
) -> tuple[np.ndarray, np.ndarray]:
    """Normals (V, 3) of the mesh, and tangents with handedness (T, 4) of the texture's corners."""
    normals = vertex_normals(verts, torch.from_numpy(faces)).numpy()
    along, handedness = vertex_tangents(verts.numpy(), faces, normals, layout.uv, layout.face_uv)
    return normals, np.column_stack([along, handedness])


def _rest_from_captured(hand: FittedHand, weights: Tensor) -> np.ndarray:
    """(V, 3, 3) that turns directions of the captured surface, world frame, into the rest pose."""
    transforms = hand.model.joint_transforms(hand.pose, hand.shape)[0, :, :3, :3]
    return torch.linalg.inv(torch.einsum("vj,jab->vab", weights, transforms)).numpy()


def _turned(matrices: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Unit vectors (N, 3): matrices (N, 3, 3) times directions.

    Engines turn normals by the blended matrix itself, so its inverse brings them back exactly.
    """
    turned = (matrices @ directions[..., None])[..., 0]
    return turned / np.linalg.norm(turned, axis=1, keepdims=True)


def _split(faces: np.ndarray, face_uv: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices split at seams: (N,) of the mesh, (N,) of the texture, and faces (F, 3) of them.

    Each pair of the two once, in the order of the mesh's vertices.
    """
    pairs = np.stack([faces.ravel(), face_uv.ravel()], axis=1)
    pairs, inverse = np.unique(pairs, axis=0, return_inverse=True)
    return pairs[:, 0], pairs[:, 1], inverse.reshape(faces.shape)
