"""Rasterisation on CUDA through nvdiffrast (RasterizeCudaContext; the OpenGL one is gone).

Only the face ids come from nvdiffrast: its barycentrics would serve as well, but its antialiasing
tests a visible face's own three edges only and misses the silhouettes of sub-pixel triangles.
"""

from __future__ import annotations

import importlib.util
import sys
from functools import lru_cache
from textwrap import shorten

import torch
from torch import Tensor

from utils.cameras.pinhole import clip_from_px
from utils.errors import UserError
from utils.render.dense import DenseBackend

SLACK = 0.01  # of the depths: room before the nearest and behind the farthest vertex
DEEPEST = 1e4  # farthest over nearest depth that its depth buffer tells apart


class NvdiffrastBackend(DenseBackend):
    """nvdiffrast's face ids, on CUDA."""

    def check_available(self, device: torch.device) -> None:
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

    def face_ids(
        self, verts_px: Tensor, faces: Tensor, height: int, width: int, near: float
    ) -> Tensor:
        """The face seen at every pixel (B, H, W) int32, -1 for none.

        nvdiffrast's row 0 lies at clip y = -1, which `clip_from_px` makes the image's upper row.
        Its fourth channel is the face's number plus one, 0 for none.
        """
        import nvdiffrast.torch as dr

        if not len(faces):
            shape = (len(verts_px), height, width)
            return torch.full(shape, -1, dtype=torch.int32, device=verts_px.device)
        z = verts_px[..., 2]
        far = z.amax(1, keepdim=True).clamp(min=near) * (1 + SLACK)  # (B, 1), never on the CPU
        close = z.clamp(min=near).amin(1, keepdim=True) * (1 - SLACK)
        clip = clip_from_px(verts_px, (height, width), torch.maximum(close, far / DEEPEST), far)
        context = _context(verts_px.device)
        raster, _ = dr.rasterize(context, clip.contiguous(), faces, (height, width), grad_db=False)
        return raster[..., 3].int() - 1


@lru_cache(maxsize=8)
def _context(device: torch.device):
    import nvdiffrast.torch as dr
    from torch.utils import cpp_extension

    try:
        try:
            return dr.RasterizeCudaContext(device=device)
        except ModuleNotFoundError as error:
            # nvdiffrast 0.3 compiles its kernels at first use and then imports them by their name,
            # under which recent PyTorch versions no longer make them known.
            if not str(error.name).startswith("nvdiffrast_plugin"):
                raise
            sys.path.append(cpp_extension._get_build_directory(error.name, False))
            return dr.RasterizeCudaContext(device=device)
    except (ImportError, OSError, RuntimeError) as error:
        reason = shorten(str(error), 100)
        raise UserError(
            f"nvdiffrast cannot compile or load its CUDA kernels ({reason}): see "
            "requirements-gpu.txt for what it needs, or run with --device cpu"
        ) from error
