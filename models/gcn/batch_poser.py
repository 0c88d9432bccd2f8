"""Posing whole batches of one hand model fast: the samples and the losses of the graph network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.hand import HandModel
from utils.keypoints.order import KEYPOINT_ROWS


class BatchPoser(nn.Module):
    """Vertices (all, or those of `ids`) and keypoints of batches, metres, scale 1, no translation.

    The same function as `HandModel.forward`, laid out by coordinate planes, which is several
    times faster for many hands. Differentiable.
    """

    def __init__(self, model: HandModel, ids: Sequence[int] | None = None) -> None:
        super().__init__()
        rows = torch.arange(len(model.v_template)) if ids is None else torch.as_tensor(ids)
        both = torch.cat([rows, model.tips.cpu()])  # the tips come last
        self.model, self.count = model, len(rows)
        posedirs = model.posedirs.unflatten(1, (-1, 3))[:, both]  # (135, V', 3)

        def keep(name: str, value: Tensor) -> None:
            self.register_buffer(name, value.detach().contiguous(), persistent=False)

        keep("template", model.v_template[both].T.flatten())  # (3 V')
        keep("shapedirs", model.shapedirs[both].permute(2, 1, 0).flatten(1))  # (10, 3 V')
        keep("posedirs", posedirs.transpose(1, 2).flatten(1))  # (135, 3 V')
        keep("weights", model.weights[both].T)  # (16, V')

    def forward(self, pose: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
        """pose (B, 48), shape (B, 10) -> vertices (B, V, 3), keypoints (B, 21, 3)."""
        model = self.model
        features = model.pose_features(pose)
        rest = self.template + shape @ self.shapedirs + features @ self.posedirs
        x, y, z = rest.unflatten(1, (3, -1)).unbind(1)  # (B, V')
        transforms = model.joint_transforms(pose, shape)  # (B, 16, 4, 4)
        blended = transforms[:, :, :3].flatten(2).transpose(1, 2) @ self.weights  # (B, 12, V')
        a = blended.unflatten(1, (3, 4))
        points = torch.addcmul(a[:, :, 3], a[:, :, 0], x[:, None])
        points = torch.addcmul(points, a[:, :, 1], y[:, None])
        points = torch.addcmul(points, a[:, :, 2], z[:, None]).transpose(1, 2)  # (B, V', 3)
        rest_joints = model.rest_joints(shape)[..., None]
        joints = (transforms[..., :3, :3] @ rest_joints)[..., 0] + transforms[..., :3, 3]
        keypoints = torch.cat([joints, points[:, self.count :]], 1)[:, KEYPOINT_ROWS]
        return points[:, : self.count], keypoints


def place_like(verts: Tensor, keypoints: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and move posed hands onto targets (B, V, 3), in closed form.

    verts (B, V, 3) and keypoints (B, 21, 3) of the hand model at scale 1 without translation.
    """
    scale, origin = scale_and_origin(verts, target)
    return tuple(scale[:, None, None] * x + origin[:, None] for x in (verts, keypoints))


def scale_and_origin(
    verts: Tensor, target: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Scale (B,) and translation (B, 3) that bring verts (B, V, 3) closest to target (B, V, 3).

    weight (B, V, 1): how much each point counts; equal by default.
    """
    weight = torch.ones_like(verts[..., :1]) if weight is None else weight
    share = weight / weight.sum(1, keepdim=True)
    centre, aim = (share * verts).sum(1), (share * target).sum(1)
    a, b = verts - centre[:, None], target - aim[:, None]
    scale = (share * a * b).sum((1, 2)) / (share * a.square()).sum((1, 2))
    return scale, aim - scale[:, None] * centre
