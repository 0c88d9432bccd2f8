"""A sphere whose appearance is known, for tests."""

import torch
import trimesh

from models.appearance.model import Appearance

VIEWS = 6


def sphere_normals() -> torch.Tensor:
    """Unit normals (642, 3)."""
    sphere = trimesh.creation.icosphere(3)
    return torch.tensor(sphere.vertices.copy(), dtype=torch.float32)


def known_appearance(normals: torch.Tensor) -> Appearance:
    """Albedo, one light of which views differ a little, and gain as in a real capture."""
    generator = torch.Generator().manual_seed(0)
    albedo = 0.35 + 0.4 * torch.rand(len(normals), 3, generator=generator)
    light = 0.12 * torch.randn(1, 9, generator=generator)
    light = light + 0.01 * torch.randn(VIEWS, 9, generator=generator)
    light[:, 4:] /= 3
    light[:, 0] = 1
    gain = 1 + 0.1 * torch.randn(VIEWS, 3, generator=generator)
    return Appearance(albedo, light, gain)
