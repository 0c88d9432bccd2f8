"""A sphere with bumps and a texture, lit and photographed by the suite's own renderer, for tests.

It has what a refinement must find: a surface that differs from its start by known bumps, an albedo
and lights; and it is small enough to be refined in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import trimesh
from torch import Tensor

from models.appearance import Appearance
from models.rerender import render_mesh
from tests.scenes import ring_of_cameras
from utils.cameras import Cameras, Similarity
from utils.photos import ViewCrop

RADIUS = 0.15  # metres; the cameras of `ring_of_cameras` stand at 0.8


@dataclass(frozen=True)
class SphereScene:
    """smooth and true (V, 3) float32 metres: the start, and the surface in the photos."""

    smooth: Tensor
    true: Tensor
    faces: np.ndarray
    appearance: Appearance
    cameras: Cameras
    images: list[np.ndarray]  # (H, W, 3) float32 in [0, 1]
    masks: list[np.ndarray]  # (H, W) bool

    def in_hand_units(self) -> tuple[Tensor, Tensor, Cameras]:
        """smooth, true and cameras in the unit of HAM: the start's radius is 1."""
        frame = Similarity(RADIUS, torch.zeros(3).double())
        return self.smooth / RADIUS, self.true / RADIUS, self.cameras.normalised(frame)

    def crops(self) -> list[ViewCrop]:
        """The whole photos, every pixel of every mask believed, as a capture would give them."""
        everywhere = np.ones_like(self.masks[0])
        size = self.images[0].shape
        box = (0, 0, size[1], size[0])
        return [
            ViewCrop(box, image, mask, mask, everywhere)
            for image, mask in zip(self.images, self.masks)
        ]


def bumps(directions: Tensor) -> Tensor:
    """Heights (V, 1) of the bumps, in radii: three wide ones of +-3 %."""
    peaks = torch.tensor([[0.9, 0.1, 0.4], [-0.5, 0.4, 0.7], [0.0, -0.5, -0.8]])
    heights = torch.tensor([0.03, -0.03, 0.03])
    peaks = torch.nn.functional.normalize(peaks, dim=1)
    return (heights * torch.exp(-(torch.cdist(directions, peaks) ** 2) / 0.15)).sum(1, True)


def texture(directions: Tensor) -> Tensor:
    """Albedo (V, 3) with detail that photographs of the surface can be aligned by."""
    x, y, z = (directions * 9).unbind(1)
    pattern = torch.stack([torch.sin(x) * torch.sin(y), torch.sin(y + z), torch.cos(z - x)], 1)
    return torch.tensor([0.6, 0.45, 0.4]) + 0.12 * pattern


def sphere_scene(level: int = 4, views: int = 8, pixels: int = 96) -> SphereScene:
    """Photograph the bumpy sphere of icosphere `level` from `views` sides, pixels x pixels."""
    mesh = trimesh.creation.icosphere(level)
    directions = torch.tensor(np.array(mesh.vertices), dtype=torch.float32)
    faces = np.array(mesh.faces)
    true = RADIUS * directions * (1 + bumps(directions))
    light = torch.tensor([[0.85, -0.2, 0.15, 0.2, 0.05, 0.0, 0.06, 0.0, 0.05]])
    exposure = 1 + 0.1 * torch.cos(2.4 * torch.arange(views))[:, None]
    tint = torch.tensor([[1.05, 1.0, 0.95]]) ** torch.sin(torch.arange(views))[:, None]
    appearance = Appearance(texture(directions), light * exposure, tint)
    focal = 0.42 * pixels / math.tan(math.asin(RADIUS / 0.8))
    cameras = ring_of_cameras(views, (pixels, pixels), focal)
    renderings = render_mesh(true, faces, appearance, cameras.to(dtype=torch.float32))
    images = [np.where(r.covered[..., None], r.image, np.float32(0.15)) for r in renderings]
    masks = [r.covered for r in renderings]
    return SphereScene(RADIUS * directions, true, faces, appearance, cameras, images, masks)
