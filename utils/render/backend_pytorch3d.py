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
from utils.render import dense
from utils.render.dense import interpolate, surface_pairs
from utils.render.fragments import Fragments
from utils.render.silhouette import boundary_gradient

__all__ = [
    "boundary_gradient",
    "check_available",
    "interpolate",
    "ndc_from_px",
    "rasterize",
    "surface_pairs",
]


def check_available() -> None:
    """Raise UserError unless PyTorch3D is installed."""
    if importlib.util.find_spec("pytorch3d") is None:
        raise UserError(
            "backend = pytorch3d: PyTorch3D is not installed; see requirements-gpu.txt, "
            "or use backend = auto"
        )


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


def rasterize(
    verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor, near: float
) -> Fragments:
    """Fragments of verts_px (B, V, 3); see `Renderer.rasterize_px`."""
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.structures import Meshes

    size = tuple(sizes.amax(0).tolist())
    ids = torch.full((len(verts_px), *size), -1, dtype=torch.int64, device=verts_px.device)
    ndc = ndc_from_px(verts_px.detach().float(), size)
    for i, z in enumerate(verts_px.detach()[..., 2]):
        kept = (z[faces] > near).all(1).nonzero()[:, 0]
        if len(kept):
            mesh = Meshes([ndc[i]], [faces[kept].long()])
            seen = rasterize_meshes(
                mesh, size, blur_radius=0.0, faces_per_pixel=1, perspective_correct=True
            )[0][0, :, :, 0]
            ids[i] = torch.where(seen >= 0, kept[seen.clamp(min=0)], -1)
    return dense.fragments_from_ids(ids, verts_px, faces, sizes, pixel_width)
