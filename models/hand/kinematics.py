"""Surface points of a posed hand and their exact Jacobian, for Gauss-Newton fits.

The hand model's forward pass is smplx's (`models.hand.model`); this is the same function of one
hand written out with its derivatives, for any subset of vertices, some 30 times faster than
automatic forward differentiation. A test holds both against `HandModel` and against autograd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.hand.kinematics_kernel import skin_vertices
from models.hand.model import HandModel
from utils.geometry.rotations import rotation_and_jacobian, skew
from utils.keypoints.order import KEYPOINT_ROWS, N_JOINTS

# One hand as a vector: what stands where. Rotations are axis-angle in radians, pose relative to
# the model's hands_mean, the scale is exp(log_scale).
LAYOUT = {
    "trans": slice(0, 3),
    "rotation": slice(3, 6),
    "pose": slice(6, 51),
    "shape": slice(51, 61),
    "scale": slice(61, 62),
}
SIZE = 62


@dataclass(frozen=True)
class _Posed:
    """The skeleton of one posed hand, unscaled and not translated."""

    G: Tensor  # (16, 3, 3) global rotation of each bone
    left: Tensor  # (16, 3, 3) left Jacobians of the local rotations
    R: Tensor  # (16, 3, 3) local rotations
    rest: Tensor  # (16, 3) joints at rest
    rest_shape: Tensor  # (16, 3, 10) their derivative by shape
    joints: Tensor  # (16, 3) posed joints
    joints_shape: Tensor  # (16, 3, 10) their derivative by shape
    twist: Tensor  # (16, 3, 3) world angular velocity by each rotation parameter


class HandKinematics:
    """Vertices, joints and keypoints of one hand and their Jacobians, in float64 on the CPU."""

    def __init__(self, model: HandModel):
        def buffer(name: str) -> Tensor:
            return getattr(model, name).detach().double().cpu()

        v_template, shapedirs = buffer("v_template"), buffer("shapedirs")
        self.count, self.hands_mean = len(v_template), buffer("hands_mean")
        self.J_template = buffer("J_regressor") @ v_template
        self.J_shape = torch.einsum("jv,vcs->jcs", buffer("J_regressor"), shapedirs)
        self.parents = [int(p) for p in model.parents]
        self.tips = model.tips.cpu()
        ancestor = torch.eye(N_JOINTS, dtype=torch.float64)
        for joint in range(1, N_JOINTS):
            ancestor[joint] += ancestor[self.parents[joint]]
        self.moves = ancestor.T  # (16, 16): moves[k, j] = 1 where joint k moves bone j
        posedirs = buffer("posedirs").reshape(135, -1, 3).permute(1, 2, 0)  # (V, 3, 135)
        of_model = buffer("weights"), v_template, shapedirs, posedirs, self.moves
        self._of_model = [each.contiguous().numpy() for each in of_model]

    def _posed(self, x: Tensor) -> _Posed:
        pose = x[LAYOUT["pose"]] + self.hands_mean
        R, left = rotation_and_jacobian(torch.cat([x[LAYOUT["rotation"]], pose]).reshape(-1, 3))
        shape = x[LAYOUT["shape"]]
        rest = self.J_template + self.J_shape @ shape
        G, joints, joints_shape, twist = [R[0]], [rest[0]], [self.J_shape[0]], [left[0]]
        for j in range(1, N_JOINTS):
            p = self.parents[j]
            G.append(G[p] @ R[j])
            joints.append(joints[p] + G[p] @ (rest[j] - rest[p]))
            joints_shape.append(joints_shape[p] + G[p] @ (self.J_shape[j] - self.J_shape[p]))
            twist.append(G[p] @ left[j])
        return _Posed(
            G=torch.stack(G),
            left=left,
            R=R,
            rest=rest,
            rest_shape=self.J_shape,
            joints=torch.stack(joints),
            joints_shape=torch.stack(joints_shape),
            twist=torch.stack(twist),
        )

    def vertices(self, x: Tensor, ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Vertices `ids` (N, 3) of the hand x (62,) and their Jacobian (N, 3, 62)."""
        ids = torch.arange(self.count) if ids is None else ids
        points, jacobian = self._vertices(x, self._posed(x), ids)
        return self._scaled(x, points, jacobian)

    def keypoints(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The 21 keypoints (21, 3) in MediaPipe's order and their Jacobian (21, 3, 62)."""
        posed = self._posed(x)
        tips, d_tips = self._vertices(x, posed, self.tips)
        arms = self.moves[:, :, None] * (posed.joints - posed.joints[:, None])  # (k, j, 3)
        d_joints = torch.zeros(N_JOINTS, 3, SIZE, dtype=torch.float64)
        d_joints[..., 3:51] = self._by_rotation(posed, arms.transpose(0, 1))
        d_joints[..., LAYOUT["shape"]] = posed.joints_shape
        rows = list(KEYPOINT_ROWS)
        points, jacobian = torch.cat([posed.joints, tips]), torch.cat([d_joints, d_tips])
        return self._scaled(x, points[rows], jacobian[rows])

    def _by_rotation(self, posed: _Posed, arms: Tensor) -> Tensor:
        """twist_k x arm (N, 3, 48) for the lever arms (N, 16, 3) of every joint k."""
        columns = posed.twist.permute(0, 2, 1)[None]  # (1, 16, 3 parameters, 3)
        turned = torch.linalg.cross(columns, arms[:, :, None])  # (N, 16, 3 parameters, 3)
        return turned.permute(0, 3, 1, 2).flatten(2)

    def _vertices(self, x: Tensor, posed: _Posed, ids: Tensor) -> tuple[Tensor, Tensor]:
        eye = torch.eye(3, dtype=torch.float64)
        dR = skew(posed.left.transpose(1, 2)) @ posed.R[:, None]  # (16, 3 parameters, 3, 3)
        of_pose = (
            posed.G,
            posed.rest,
            posed.joints,
            posed.twist,
            x[LAYOUT["shape"]],
            (posed.R[1:] - eye).flatten(),
            dR[1:].flatten(2),
            posed.joints_shape - torch.einsum("jab,jbs->jas", posed.G, posed.rest_shape),
        )
        points, jacobian = np.empty((len(ids), 3)), np.empty((len(ids), 3, SIZE))
        given = (each.detach().contiguous().numpy() for each in of_pose)
        skin_vertices(ids.numpy(), *self._of_model, *given, np.empty((20, 3)), points, jacobian)
        return torch.from_numpy(points), torch.from_numpy(jacobian)

    @staticmethod
    def _scaled(x: Tensor, points: Tensor, jacobian: Tensor) -> tuple[Tensor, Tensor]:
        scale = x[61].exp()
        jacobian = scale * jacobian
        jacobian[..., 61] = scale * points
        jacobian[..., :3] = torch.eye(3, dtype=torch.float64)
        return scale * points + x[:3], jacobian
