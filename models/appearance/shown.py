"""A coloured mesh as the live view takes it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.appearance.model import Appearance, light_for_unseen
from utils.geometry.mesh import vertex_normals
from utils.viewer.shown import Surface


@torch.no_grad()
def shown_surface(verts: Tensor, faces: np.ndarray, appearance: Appearance) -> Surface:
    """A copy of verts (V, 3), faces (F, 3) and their appearance: shaded under the views' mean light
    without highlights, as albedo, and as normals, (n + 1) / 2.
    """
    normals = vertex_normals(verts, torch.from_numpy(faces).to(verts.device))
    colors = {
        "shaded": light_for_unseen(appearance, 1).vertex_colors(normals)[0],
        "albedo": appearance.albedo,
        "normals": (normals + 1) / 2,
    }
    copies = {name: color.clamp(0, 1).cpu().numpy() for name, color in colors.items()}
    return Surface(verts.detach().cpu().numpy().copy(), faces, copies)
