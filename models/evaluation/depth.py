"""The mesh's depth against depth maps: along z, where both have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from models.appearance.shading import capped
from models.ham.reconstruction import Reconstruction
from utils.cameras import Cameras
from utils.cameras.arrays import CameraArrays
from utils.captures.truth import DepthMap
from utils.errors import UserError
from utils.render import Renderer

NEAR_MM = 5.0  # depths that are closer count as right


def depth_scores(
    reconstruction: Reconstruction, depth_maps: Sequence[DepthMap], mm_per_unit: float
) -> dict[str, Any]:
    """Depth errors |d| of all pixels together (`all`) and of each map (`views`), mm.

    Mean, median, the share within NEAR_MM, and the number of pixels: those in which both the map
    and the mesh have a depth; the wrist's closed end is none. A map in which there is none has no
    numbers. Raises UserError where no map has any, and as the maps' readers.
    """
    errors = {each.name: _errors(reconstruction, *each.read()) for each in depth_maps}
    together = np.concatenate([np.zeros(0), *errors.values()]) * mm_per_unit
    if not len(together):
        raise UserError(
            f"none of the {len(errors)} depth maps ({depth_maps[0].path} and so on) has a depth "
            "where the hands are seen; expected those of this frame, in the capture's cameras"
        )
    views = [{"name": name, **_scores(mm_per_unit * error)} for name, error in errors.items()]
    return {"all": _scores(together), "views": views}


def _scores(error: np.ndarray) -> dict[str, float | int | None]:
    if not len(error):
        return {"mean_mm": None, "median_mm": None, "within_5_mm": None, "pixels": 0}
    return {
        "mean_mm": float(error.mean()),
        "median_mm": float(np.median(error)),
        "within_5_mm": float((error <= NEAR_MM).mean()),
        "pixels": len(error),
    }


def _errors(reconstruction: Reconstruction, depth: np.ndarray, arrays: CameraArrays) -> np.ndarray:
    """|d| (N,) world units in the pixels that both have; depth (H, W), 0: none."""
    verts, own = reconstruction.in_hand_units(Cameras.of_arrays(arrays))
    open_faces = torch.from_numpy(reconstruction.faces)
    verts, faces, _ = capped(verts, open_faces, None)
    fragments = Renderer(faces).rasterize(own, verts)
    on_skin = fragments.face < len(open_faces)
    y, x = fragments.y[on_skin].numpy(), fragments.x[on_skin].numpy()
    found = reconstruction.frame.scale * fragments.depth[on_skin].double().numpy()
    both = depth[y, x] > 0
    return np.abs(found - depth[y, x])[both]
