"""Rasterisation on CUDA through nvdiffrast (RasterizeCudaContext; the OpenGL one is gone).

Only the face ids come from nvdiffrast: its barycentrics would serve as well, but its antialiasing
tests a visible face's own three edges only and misses the silhouettes of sub-pixel triangles.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache

import torch
from torch import Tensor

from utils.cameras import clip_from_px
from utils.errors import UserError
from utils.render import dense
from utils.render.dense import interpolate, surface_pairs
from utils.render.fragments import Fragments
from utils.render.silhouette import boundary_gradient

__all__ = ["boundary_gradient", "check_available", "interpolate", "rasterize", "surface_pairs"]

ROUND = 8  # nvdiffrast's rasteriser works on tiles of 8 x 8 pixels
LARGEST = 2048  # pixels a side that its CUDA rasteriser can draw


def check_available(device: torch.device) -> None:
    """Raise UserError unless nvdiffrast is installed and `device` is CUDA."""
    if importlib.util.find_spec("nvdiffrast") is None:
        raise UserError(
            "rendering on CUDA needs nvdiffrast, which is not installed: "
            "pip install -r requirements-gpu.txt, or run with --device cpu"
        )
    if device.type != "cuda":
        raise UserError(
            f"backend = nvdiffrast draws on CUDA, but the vertices are on {device}: "
            "use --device cuda, or backend = cpu"
        )


@lru_cache(maxsize=8)
def _context(device: torch.device):
    import nvdiffrast.torch as dr

    return dr.RasterizeCudaContext(device=device)


def rasterize(
    verts_px: Tensor, faces: Tensor, sizes: Tensor, pixel_width: Tensor, near: float
) -> Fragments:
    """Fragments of verts_px (B, V, 3) on CUDA; see `Renderer.rasterize_px`."""
    height, width = sizes.amax(0).tolist()
    if max(height, width) > LARGEST:
        raise UserError(
            f"an image of {height}x{width} is too large for nvdiffrast (at most {LARGEST} a side): "
            "resize the images, or use backend = cpu"
        )
    ids = face_ids(verts_px.detach(), faces, height, width, near)
    return dense.fragments_from_ids(ids, verts_px, faces, sizes, pixel_width)


def face_ids(verts_px: Tensor, faces: Tensor, height: int, width: int, near: float) -> Tensor:
    """The face seen at every pixel (B, H, W) int32, -1 for none.

    nvdiffrast's row 0 lies at clip y = -1, which `clip_from_px` makes the image's upper row. Its
    fourth channel is the face's number plus one, 0 for none.
    """
    import nvdiffrast.torch as dr

    rows, columns = (-(-n // ROUND) * ROUND for n in (height, width))
    if not len(faces):
        return torch.full((len(verts_px), height, width), -1, device=verts_px.device)
    z = verts_px[..., 2]
    far = max(float(z.max()), near) * 1.01
    close = max(float(z.clamp(min=near).min()) * 0.99, far * 1e-4)
    clip = clip_from_px(verts_px.float(), (rows, columns), close, far).contiguous()
    raster, _ = dr.rasterize(_context(verts_px.device), clip, faces, (rows, columns), grad_db=False)
    return raster[:, :height, :width, 3].int() - 1
