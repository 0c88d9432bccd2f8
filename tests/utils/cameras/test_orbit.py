"""Cameras around the hands look at them, upright, and hold all of them in the image."""

import torch

from tests.scenes.captures import ring_of_cameras
from utils.cameras.orbit import orbit_cameras


def test_a_turn_around_the_points():
    seen_from = ring_of_cameras(5, (80, 80), 100.0)
    generator = torch.Generator().manual_seed(0)
    points = 0.05 * torch.randn(200, 3, generator=generator, dtype=torch.float64)
    cameras = orbit_cameras(points, seen_from, 12, (60, 90))
    px = cameras.project(points)
    assert ((px > -0.5) & (px < torch.tensor([89.5, 59.5]))).all()
    middle = (points.amin(0) + points.amax(0)) / 2
    expected = torch.tensor([44.5, 29.5], dtype=torch.float64).expand(12, 2)
    assert torch.allclose(cameras.project(middle[None])[:, 0], expected, atol=1e-6)
    identity = torch.eye(3, dtype=torch.float64).expand(12, 3, 3)
    assert torch.allclose(cameras.R @ cameras.R.transpose(1, 2), identity, atol=1e-9)
    assert torch.allclose(torch.linalg.det(cameras.R), torch.ones(12).double())
    steps = (cameras.centers() - cameras.centers().roll(1, 0)).norm(dim=1)
    assert torch.allclose(steps, steps[:1].expand(12), rtol=1e-6)
    up = torch.nn.functional.normalize(-seen_from.R[:, 1].sum(0), dim=0)
    assert ((-cameras.R[:, 1]) @ up > 0.99).all()
