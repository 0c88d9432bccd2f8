"""Surfaces of known detail, texture and light, photographed by the suite's own renderer, for tests.

They have what a refinement must find: a surface that differs from its start by known bumps, an
albedo and lights; and they are small enough to be refined in seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
from torch import Tensor

from models.appearance.model import Appearance
from models.appearance.shading import render_mesh
from models.hand import load_hand_model
from models.hand.fitted import SHAPES, FittedHand, joined_mesh
from tests.scenes.captures import ring_of_cameras
from utils.cameras import Cameras, Similarity
from utils.captures.camera_files import save_cameras
from utils.geometry.mesh import vertex_normals
from utils.io.files import save_json, save_torch
from utils.io.images import save_image
from utils.io.meshes import save_mesh
from utils.photos.crops import ViewCrop
from utils.photos.masks import MaskVerdict

DISTANCE = 0.8  # metres, of the cameras of `ring_of_cameras`
RADIUS = 0.15  # metres, of the sphere


@dataclass(frozen=True)
class HamScene:
    """smooth and true (V, 3) float32 metres: the start, and the surface in the photos.

    parameters are those of the hands, one dict a hand; a sphere's are empty of meaning.
    """

    smooth: Tensor
    true: Tensor
    faces: np.ndarray
    appearance: Appearance
    cameras: Cameras
    images: list[np.ndarray]  # (H, W, 3) float32 in [0, 1]
    masks: list[np.ndarray]  # (H, W) bool
    parameters: list[dict[str, Any]]

    def in_hand_units(self) -> tuple[Tensor, Tensor, Cameras]:
        """smooth, true and cameras of the sphere in the unit of HAM: the start's radius is 1."""
        frame = Similarity(RADIUS, torch.zeros(3).double())
        return self.smooth / RADIUS, self.true / RADIUS, self.cameras.normalised(frame)

    def crops(self) -> list[ViewCrop]:
        """The whole photos, every pixel of every mask believed, as a capture would give them."""
        height, width = self.masks[0].shape
        everywhere = np.ones((height, width), bool)
        box = (0, 0, width, height)
        return [
            ViewCrop(box, image, mask, mask, everywhere)
            for image, mask in zip(self.images, self.masks)
        ]

    def write_capture(self, folder: Path, masks: bool = True) -> None:
        """Write the photos in the demo layout into `folder`, D/S."""
        for view, (image, mask) in enumerate(zip(self.images, self.masks)):
            save_image(folder / "img" / f"{view:02d}.png", image)
            if masks:
                save_image(folder / "mask" / f"{view:02d}.png", mask)
        save_cameras(folder / "camera" / "param.npz", self.cameras, None)

    def write_fit(self, folder: Path, scan_id: str = "1") -> None:
        """Write what mano_optim.py would leave in `folder`: the start, and masks all believed."""
        save_mesh(folder / f"{scan_id}.obj", self.smooth.numpy(), self.faces)
        save_torch(folder / f"{scan_id}.pt", self.parameters)
        verdicts = [
            MaskVerdict(view, True, True, 1.0, 0.0, 0.0, "agrees with the hands").as_dict()
            for view in range(len(self.images))
        ]
        save_json(folder / f"{scan_id}_masks.json", verdicts)
        for view, mask in enumerate(self.masks):
            save_image(folder / f"trust_{scan_id}" / f"{view:02d}.png", np.ones_like(mask))


def parameters_of_nothing() -> dict[str, Any]:
    """Parameters as S.pt holds them, of a hand that the mesh beside them is not."""
    values = {name: torch.full(shape, float(name == "scale")) for name, shape in SHAPES.items()}
    return {"type": "right", "hand_model": "open", **values}


def sphere_scene(level: int = 4, views: int = 8, pixels: int = 96) -> HamScene:
    """A sphere with three wide bumps of +-3 % of its radius, in photos of pixels x pixels."""
    mesh = trimesh.creation.icosphere(level)
    directions = torch.tensor(np.array(mesh.vertices), dtype=torch.float32)
    true = RADIUS * directions * (1 + _bumps(directions))
    focal = 0.42 * pixels / math.tan(math.asin(RADIUS / DISTANCE))
    parts = RADIUS * directions, true, np.array(mesh.faces), _texture(directions * 9)
    return _photographed(*parts, views, pixels, focal, [parameters_of_nothing()])


def hand_scene(
    sides: tuple[str, ...] = ("left", "right"), views: int = 6, pixels: int = 120
) -> HamScene:
    """Open hands 0.2 m apart, slightly bent, whose true skin bulges by up to 3 mm."""
    hands = [_hand(side) for side in sides]
    verts, faces = joined_mesh(hands)
    smooth, faces = torch.tensor(verts, dtype=torch.float32), np.array(faces)
    normals = vertex_normals(smooth, torch.from_numpy(faces))
    true = smooth + 0.003 * torch.sin(60 * smooth.sum(1, keepdim=True)) * normals
    parameters = [hand.as_dict() for hand in hands]
    focal = pixels * DISTANCE / (0.25 if len(sides) == 1 else 0.45)
    parts = smooth, true, faces, _texture(smooth * 60)
    return _photographed(*parts, views, pixels, focal, parameters)


def _hand(side: str) -> FittedHand:
    model = load_hand_model(side, "open", dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    pose = 0.1 * torch.randn(1, 48, generator=generator, dtype=torch.float64)
    trans = torch.tensor([[-0.1 if side == "left" else 0.1, 0.0, 0.0]], dtype=torch.float64)
    size = torch.tensor([1.05], dtype=torch.float64)
    return FittedHand(model, pose, torch.zeros(1, 10, dtype=torch.float64), trans, size)


def _photographed(smooth, true, faces, albedo, views, pixels, focal, parameters) -> HamScene:
    light = torch.tensor([[0.85, -0.2, 0.15, 0.2, 0.05, 0.0, 0.06, 0.0, 0.05]])
    exposure = 1 + 0.1 * torch.cos(2.4 * torch.arange(views))[:, None]
    tint = torch.tensor([[1.05, 1.0, 0.95]]) ** torch.sin(torch.arange(views))[:, None]
    appearance = Appearance(albedo, light * exposure, tint)
    cameras = ring_of_cameras(views, (pixels, pixels), focal)
    renderings = render_mesh(true, faces, appearance, cameras.to(dtype=torch.float32))
    images = [np.where(r.covered[..., None], r.image, np.float32(0.15)) for r in renderings]
    masks = [r.covered for r in renderings]
    return HamScene(smooth, true, faces, appearance, cameras, images, masks, parameters)


def _bumps(directions: Tensor) -> Tensor:
    peaks = torch.tensor([[0.9, 0.1, 0.4], [-0.5, 0.4, 0.7], [0.0, -0.5, -0.8]])
    heights = torch.tensor([0.03, -0.03, 0.03])
    peaks = torch.nn.functional.normalize(peaks, dim=1)
    return (heights * torch.exp(-(torch.cdist(directions, peaks) ** 2) / 0.15)).sum(1, True)


def _texture(points: Tensor) -> Tensor:
    """Albedo (V, 3) with detail by which photos of the surface can be aligned."""
    x, y, z = points.unbind(1)
    pattern = torch.stack([torch.sin(x) * torch.sin(y), torch.sin(y + z), torch.cos(z - x)], 1)
    return torch.tensor([0.6, 0.45, 0.4]) + 0.12 * pattern
