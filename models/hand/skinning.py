"""Linear blend skinning as plain tensor functions (SMPL, Loper et al. 2015, equations 2 to 4).

All functions accept any leading batch dimensions, are differentiable in both modes and run under
torch.func (vmap, jacfwd) and in float64. smplx's layer stays the model's forward pass; these give
what it does not: joint transforms, skinning of other meshes, and a few points alone.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class KinematicTree:
    """Order in which joints can be posed all at once: one level of the tree after the other."""

    def __init__(self, parents: Sequence[int]) -> None:
        depth = [0] * len(parents)
        for joint in range(1, len(parents)):
            depth[joint] = depth[parents[joint]] + 1
        self.levels = [[j for j, d in enumerate(depth) if d == k] for k in range(max(depth) + 1)]
        # For each level after the root: where its joints' parents stand in the level before.
        self.parent_slots = [
            [before.index(parents[j]) for j in level]
            for before, level in zip(self.levels, self.levels[1:])
        ]
        self.parents = list(parents)
        in_level_order = [j for level in self.levels for j in level]
        self.restore = [in_level_order.index(j) for j in range(len(parents))]


def pose_joints(rotations: Tensor, joints: Tensor, tree: KinematicTree) -> tuple[Tensor, Tensor]:
    """World rotation (..., J, 3, 3) and position (..., J, 3) of every joint.

    rotations (..., J, 3, 3) local, joints (..., J, 3) in the rest pose. The root turns about its
    own rest position.
    """
    root = tree.levels[0]
    turns, places = [rotations[..., root, :, :]], [joints[..., root, :]]
    for level, slots in zip(tree.levels[1:], tree.parent_slots):
        parent_turn = turns[-1][..., slots, :, :]
        bones = joints[..., level, :] - joints[..., [tree.parents[j] for j in level], :]
        places.append(places[-1][..., slots, :] + (parent_turn @ bones[..., None])[..., 0])
        turns.append(parent_turn @ rotations[..., level, :, :])
    turn, place = torch.cat(turns, dim=-3), torch.cat(places, dim=-2)
    return turn[..., tree.restore, :, :], place[..., tree.restore, :]


def rest_to_posed(turns: Tensor, places: Tensor, joints: Tensor) -> Tensor:
    """(..., J, 4, 4) posed_from_rest of each joint, from `pose_joints` and joints (..., J, 3)."""
    offset = places - (turns @ joints[..., None])[..., 0]
    top = torch.cat([turns, offset[..., None]], dim=-1)
    bottom = torch.zeros_like(top[..., :1, :])
    return torch.cat([top, bottom + bottom.new_tensor([0.0, 0.0, 0.0, 1.0])], dim=-2)


def skin(verts: Tensor, transforms: Tensor, weights: Tensor) -> Tensor:
    """Blend transforms (..., J, 4, 4) by weights (V, J) and apply them to verts (..., V, 3)."""
    blended = torch.einsum("vj,...jab->...vab", weights, transforms[..., :3, :])
    return (blended[..., :3] @ verts[..., None])[..., 0] + blended[..., 3]


def unskin(verts: Tensor, transforms: Tensor, weights: Tensor) -> Tensor:
    """Inverse of `skin`: posed verts (..., V, 3) -> rest verts (..., V, 3)."""
    blended = torch.einsum("vj,...jab->...vab", weights, transforms[..., :3, :])
    moved = (verts - blended[..., 3])[..., None]
    return torch.linalg.solve(blended[..., :3], moved)[..., 0]
