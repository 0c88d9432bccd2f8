"""Mesh shading: a refined hand drawn into cameras under their own light and gain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.appearance import Appearance
from models.wrist_caps import capped
from utils.cameras import Cameras
from utils.mesh import vertex_normals
from utils.render import Fragments, Renderer


@dataclass(frozen=True)
class Rendering:
    """image (H, W, 3) float32 RGB in [0, 1] on black, covered (H, W) bool."""

    image: np.ndarray
    covered: np.ndarray

    @staticmethod
    def of(
        fragments: Fragments, colors: Tensor, camera: Cameras, background: float = 0.0
    ) -> Rendering:
        """Colours (N, 3) of one camera's fragments on an even background."""
        height, width = camera.sizes[0].tolist()
        image = np.full((height, width, 3), background, np.float32)
        covered = np.zeros((height, width), bool)
        y, x = fragments.y.cpu().numpy(), fragments.x.cpu().numpy()
        image[y, x], covered[y, x] = colors.cpu().numpy(), True
        return Rendering(image, covered)


def render_mesh(
    verts: Tensor, faces: np.ndarray, appearance: Appearance | None, cameras: Cameras
) -> list[Rendering]:
    """Draw verts (V, 3) into every camera, view i under light i; white without appearance.

    Open wrists are closed by caps.
    """
    verts, faces_t, appearance = capped(verts, torch.from_numpy(faces).to(verts.device), appearance)
    renderer = Renderer(faces_t)
    colors = torch.ones(len(cameras), *verts.shape, device=verts.device)
    if appearance is not None:
        colors = appearance.colors_in(cameras, verts, vertex_normals(verts, faces_t))
    renderings = []
    with torch.no_grad():
        for view in range(len(cameras)):
            fragments = renderer.rasterize(cameras[view], verts)
            values = renderer.interpolate(fragments, colors[view]).clamp(0, 1)
            renderings.append(Rendering.of(fragments, values, cameras[view]))
    return renderings
