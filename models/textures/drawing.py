"""A reconstruction drawn with its texture, where it has one."""

from __future__ import annotations

import torch

from models.appearance.model import Appearance
from models.appearance.shading import Rendering
from models.ham.reconstruction import Reconstruction
from models.textures.layout import AlbedoTexture
from models.textures.painting import TexturePainter
from utils.cameras import Cameras


def draw_mesh(
    reconstruction: Reconstruction,
    camera: Cameras,
    appearance: Appearance,
    texture: AlbedoTexture | None,
) -> Rendering:
    """Mesh shading in one camera (world units) under `appearance`, of one light."""
    if texture is None:
        return reconstruction.render(camera, appearance)[0]
    verts, own = reconstruction.in_hand_units(camera)
    faces = torch.from_numpy(reconstruction.faces)
    return TexturePainter(verts, faces, appearance, texture).render(own, 0)
