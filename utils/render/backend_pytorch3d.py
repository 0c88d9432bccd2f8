"""Rasterisation through PyTorch3D, on CPU or CUDA, where it is installed: for comparisons.

Only face ids come from it, as with nvdiffrast. It cannot clip: faces that touch the near plane are
dropped.
"""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from utils.cameras.pinhole import clip_from_px
from utils.errors import UserError
from utils.render.dense import DenseBackend


class Pytorch3dBackend(DenseBackend):
    """PyTorch3D's face ids, on any device."""

    def check_available(self, device: torch.device) -> None:
        """Raise UserError unless PyTorch3D is installed."""
        if importlib.util.find_spec("pytorch3d") is None:
            raise UserError(
                "backend = pytorch3d: PyTorch3D is not installed; see requirements-gpu.txt, "
                "or use backend = auto"
            )

    def face_ids(
        self, verts_px: Tensor, faces: Tensor, height: int, width: int, near: float
    ) -> Tensor:
        """The face seen at every pixel (B, H, W) int64, -1 for none."""
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes

        size = height, width
        ids = torch.full((len(verts_px), *size), -1, dtype=torch.int64, device=verts_px.device)
        ndc = ndc_from_px(verts_px.float(), size)
        for i, z in enumerate(verts_px[..., 2]):
            kept = (z[faces] > near).all(1).nonzero()[:, 0]
            if len(kept):
                mesh = Meshes([ndc[i]], [faces[kept].long()])
                seen = rasterize_meshes(
                    mesh, size, blur_radius=0.0, faces_per_pixel=1, perspective_correct=True
                )[0][0, :, :, 0]
                ids[i] = torch.where(seen >= 0, kept[seen.clamp(min=0)], -1)
        return ids


def ndc_from_px(verts_px: Tensor, size: tuple[int, int]) -> Tensor:
    """PyTorch3D's NDC (B, V, 3): x left, y up, z depth; the shorter image side spans [-1, 1].

    The longer side spans [-r, r] with r = longer / shorter
    (pytorch3d.org/docs/cameras, "NDC coordinate system").
    """
    height, width = size
    clip = clip_from_px(verts_px, size)
    shorter = min(size)
    scale = torch.tensor([-width / shorter, -height / shorter]).to(verts_px)
    return torch.cat([clip[..., :2] / clip[..., 3:] * scale, verts_px[..., 2:]], -1)
