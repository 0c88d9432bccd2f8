"""The parametric hand: smplx's MANO layer over the open or an official model file.

A hand is X = scale * MANO(pose, shape) + trans: pose (B, 48) axis-angle in radians, 3 global and
45 relative to the model's `hands_mean`; shape (B, 10); trans (B, 3) and the result in world units,
so scale is world units per metre. The wrist joint is the global rotation's centre.
"""

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.hand.files import HandData, check_one_kind, load_hand_data
from models.hand.skinning import KinematicTree, pose_joints, rest_to_posed, skin, unskin
from utils.geometry.rotations import rotation_matrices
from utils.geometry.subdivision import Subdivision, subdivide
from utils.keypoints.order import JOINT_PARENTS, KEYPOINT_ROWS

TREE = KinematicTree(JOINT_PARENTS)
STD_FLOOR = 1e-3  # radians: components that never vary stay finite in the prior


def load_hand_model(
    side: str,
    kind: str = "auto",
    mano_dir: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
) -> "HandModel":
    """The hand model of one side, 'left' or 'right'.

    kind 'open' is the shipped free model, 'mano' the official MANO_{LEFT,RIGHT}.pkl in `mano_dir`
    (default: the folder mano/), 'auto' the official one if it is there. Raises UserError for
    unknown names, missing files and files that are no hand model.
    """
    return HandModel(load_hand_data(side, kind, mano_dir), dtype)


def load_hand_models(
    sides: Iterable[str], kind: str = "auto", dtype: torch.dtype = torch.float32
) -> dict[str, "HandModel"]:
    """The models of several sides, all of one kind, and a line that says which.

    Raises UserError where 'auto' would mix kinds, and as `load_hand_model`.
    """
    sides = list(sides)
    check_one_kind(kind, sides)
    models = {side: load_hand_model(side, kind, dtype=dtype) for side in sides}
    announce(models.values())
    return models


def announce(models: Iterable["HandModel"]) -> None:
    """Print which hand model is used, and from which files."""
    models = list(models)
    kinds = {"open": "the open hand", "mano": "MANO"}
    names = " and ".join(dict.fromkeys(kinds[model.kind] for model in models))
    print(f"hand model: {names} ({', '.join(model.path.name for model in models)})")


class HandModel(nn.Module):
    """One side's hand; `kind` ('open' or 'mano') and `side` say which, `path` the file.

    Buffers: tips (5,) vertices, thumb to little finger; uv (T, 2) and face_uv (F, 3) or None;
    hands_components (45, 45), hands_std (45,), pose_precision (45, 45) and pose_limits (2, 45),
    all about poses relative to hands_mean.
    """

    def __init__(self, data: HandData, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.kind, self.side, self.path = data.kind, data.side, data.path
        self.layer = _smplx_layer(data, dtype)

        def keep(name: str, value: np.ndarray | None) -> None:
            tensor = None if value is None else torch.as_tensor(np.ascontiguousarray(value))
            if tensor is not None and tensor.is_floating_point():
                tensor = tensor.to(dtype)
            self.register_buffer(name, tensor, persistent=False)

        keep("tips", data.tips)
        keep("uv", data.uv)
        keep("face_uv", data.face_uv)
        keep("hands_components", data.hands_components)
        keep("hands_std", data.hands_std)
        scaled = data.hands_components / np.maximum(data.hands_std, STD_FLOOR)[:, None]
        keep("pose_precision", scaled.T @ scaled)
        keep("pose_limits", data.hands_limits - data.hands_mean)
        # Joints of a shape without its vertices, and the fingertips alone: the fast path.
        keep("_joints", data.J_regressor @ data.v_template)
        keep("_joint_dirs", np.einsum("jv,vck->jck", data.J_regressor, data.shapedirs))
        keep("_tip_points", data.v_template[data.tips])
        keep("_tip_shapedirs", data.shapedirs[data.tips])
        keep("_tip_posedirs", data.posedirs[data.tips])
        keep("_tip_weights", data.weights[data.tips])

    @property
    def v_template(self) -> Tensor:
        """(V, 3) mean shape in the rest pose, metres."""
        return self.layer.v_template

    @property
    def faces(self) -> Tensor:
        """(F, 3) int64, counter-clockwise seen from outside."""
        return self.layer.faces_tensor

    @property
    def shapedirs(self) -> Tensor:
        """(V, 3, 10) offsets of one standard deviation of each shape component, metres."""
        return self.layer.shapedirs

    @property
    def posedirs(self) -> Tensor:
        """(135, V * 3) pose correctives that `pose_features` multiply, metres."""
        return self.layer.posedirs

    @property
    def weights(self) -> Tensor:
        """(V, 16) skinning weights, rows sum to 1."""
        return self.layer.lbs_weights

    @property
    def hands_mean(self) -> Tensor:
        """(45,) axis-angle pose that pose parameters are relative to."""
        return self.layer.hand_mean

    @property
    def parents(self) -> Tensor:
        """(16,) parent of each joint, -1 for the wrist."""
        return self.layer.parents

    @property
    def J_regressor(self) -> Tensor:
        """(16, V): rest joints from rest vertices."""
        return self.layer.J_regressor

    def forward(
        self, pose: Tensor, shape: Tensor, trans: Tensor, scale: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Posed vertices (B, V, 3) and joints (B, 16, 3, MANO's order), world units.

        pose (B, 48), shape (B or 1, 10), trans (B, 3), scale (B, 1) or (B,).
        """
        out = self.layer(
            betas=shape.expand(len(pose), -1), global_orient=pose[:, :3], hand_pose=pose[:, 3:]
        )
        scale, trans = scale.reshape(-1, 1, 1), trans[:, None]
        return scale * out.vertices + trans, scale * out.joints + trans

    def keypoints(self, verts: Tensor, joints: Tensor) -> Tensor:
        """(..., 21, 3) keypoints in MediaPipe's order of verts (..., V, 3), joints (..., 16, 3)."""
        return torch.cat([joints, verts[..., self.tips, :]], dim=-2)[..., KEYPOINT_ROWS, :]

    def joints_and_tips(self, pose: Tensor, shape: Tensor, trans: Tensor, scale: Tensor) -> Tensor:
        """(..., 21, 3) keypoints as from `forward`, at the cost of 21 points.

        pose (..., 48), shape (..., 10), trans (..., 3), scale (..., 1) or (...,); runs under
        torch.func's vmap, jacrev and jacfwd.
        """
        rotations, rest = self._rotations(pose), self.rest_joints(shape)
        turns, places = pose_joints(rotations, rest, TREE)
        tips = self._tip_points + torch.einsum("tck,...k->...tc", self._tip_shapedirs, shape)
        tips = tips + torch.einsum("tcp,...p->...tc", self._tip_posedirs, self.pose_features(pose))
        tips = skin(tips, rest_to_posed(turns, places, rest), self._tip_weights)
        points = torch.cat([places, tips], dim=-2)[..., KEYPOINT_ROWS, :]
        scale = scale if scale.ndim == pose.ndim else scale[..., None]
        return scale[..., None] * points + trans[..., None, :]

    def rest_joints(self, shape: Tensor) -> Tensor:
        """(..., 16, 3) joints of shape (..., 10) in the rest pose, metres."""
        return self._joints + torch.einsum("jck,...k->...jc", self._joint_dirs, shape)

    def rest_verts(self, shape: Tensor) -> Tensor:
        """(..., V, 3) vertices of shape (..., 10) in the rest pose (all rotations zero), metres."""
        return self.v_template + torch.einsum("vck,...k->...vc", self.layer.shapedirs, shape)

    def pose_features(self, pose: Tensor) -> Tensor:
        """(..., 135) entries of R - I of the 15 finger joints, which posedirs multiply."""
        identity = torch.eye(3, dtype=pose.dtype, device=pose.device)
        return (self._rotations(pose)[..., 1:, :, :] - identity).flatten(-3)

    def pose_offsets(self, pose: Tensor) -> Tensor:
        """(..., V, 3) pose correctives, metres, added to rest vertices before skinning."""
        offsets = self.pose_features(pose) @ self.layer.posedirs
        return offsets.unflatten(-1, (-1, 3))

    def joint_transforms(self, pose: Tensor, shape: Tensor) -> Tensor:
        """(..., 16, 4, 4) posed_from_rest of each joint, before scale and translation."""
        rest = self.rest_joints(shape)
        turns, places = pose_joints(self._rotations(pose), rest, TREE)
        return rest_to_posed(turns, places, rest)

    def _rotations(self, pose: Tensor) -> Tensor:
        absolute = torch.cat([pose[..., :3], pose[..., 3:] + self.hands_mean], dim=-1)
        return rotation_matrices(absolute.unflatten(-1, (16, 3)))

    def repose(
        self,
        verts: Tensor,
        pose: Tensor,
        shape: Tensor,
        trans: Tensor,
        scale: Tensor,
        weights: Tensor | None = None,
        offsets: Tensor | None = None,
    ) -> Tensor:
        """Pose rest vertices (B, V', 3), metres, of any mesh: skinning, scale, translation.

        weights (V', 16) default to the model's own; offsets (B, V', 3) are pose correctives on
        the same mesh (`pose_offsets`, carried along by a subdivision). Differentiable.
        """
        weights = self.weights if weights is None else weights
        verts = verts if offsets is None else verts + offsets
        posed = skin(verts, self.joint_transforms(pose, shape), weights)
        return scale.reshape(-1, 1, 1) * posed + trans[:, None]

    def unpose(
        self,
        verts: Tensor,
        pose: Tensor,
        shape: Tensor,
        trans: Tensor,
        scale: Tensor,
        weights: Tensor | None = None,
        offsets: Tensor | None = None,
    ) -> Tensor:
        """Inverse of `repose`: posed verts (B, V', 3), world units -> rest (B, V', 3), metres."""
        weights = self.weights if weights is None else weights
        posed = (verts - trans[:, None]) / scale.reshape(-1, 1, 1)
        rest = unskin(posed, self.joint_transforms(pose, shape), weights)
        return rest if offsets is None else rest - offsets

    def subdivide(self, levels: int) -> Subdivision:
        """Loop subdivision of this hand's mesh, UVs included; 0 levels is the mesh itself."""
        faces = self.faces.cpu().numpy()
        if self.uv is None:
            return subdivide(faces, len(self.v_template), levels)
        uv, face_uv = self.uv.double().cpu().numpy(), self.face_uv.cpu().numpy()
        return subdivide(faces, len(self.v_template), levels, uv, face_uv)


def _smplx_layer(data: HandData, dtype: torch.dtype) -> nn.Module:
    import smplx  # here, not above: a --help must not wait for it
    from smplx.utils import Struct

    arrays = {name: getattr(data, name) for name in HandData.__annotations__}
    with contextlib.redirect_stdout(io.StringIO()):  # it remarks that MANO has 10 shapes
        return smplx.MANO(
            model_path="",
            is_rhand=data.side == "right",
            data_struct=Struct(**arrays),
            use_pca=False,
            flat_hand_mean=False,
            num_pca_comps=45,
            create_global_orient=False,
            create_hand_pose=False,
            create_betas=False,
            create_transl=False,
            create_body_pose=False,
            dtype=dtype,
        )
