import numpy as np
import pytest
import torch

from models.fitting.camera_support import support
from tests.scenes.captures import project, ring_of_cameras, two_hands
from tests.scenes.hands import moved
from utils.cameras.correction import CorrectableCameras

PRIOR = torch.tensor([0.005] * 3 + [0.003] * 3).double()


def gain(shifts: dict[int, float], hands: slice, seed: int, noise: float = 2.0) -> float:
    """Support of corrections when some cameras are off by so many pixels."""
    rng = np.random.default_rng(seed)
    true = ring_of_cameras(8)
    points = two_hands(rng)
    pixels = project(true, points) + noise * rng.normal(size=(8, 2, 21, 2))
    given = true
    for view, px in shifts.items():
        given = moved(given, view, px)
    cameras = CorrectableCameras(given, torch.zeros(3).double())
    near = torch.from_numpy(points[hands])
    pixels = torch.from_numpy(pixels[:, hands])
    return support(cameras, (near, near), pixels, torch.ones(pixels.shape[:3]), 0.004, PRIOR)


@pytest.mark.parametrize("hands", [slice(0, 2), slice(1, 2)])
def test_bad_cameras_are_seen(hands):
    assert gain({k: (-1) ** k * 12.0 for k in range(8)}, hands, 0) > 0.5


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hands", [slice(0, 2), slice(1, 2)])
def test_noise_is_no_reason_to_move_cameras(hands, seed):
    assert gain({}, hands, seed) < 0.03  # the shipped threshold is 0.1


def test_nothing_to_leave_out_is_nan():
    cameras = CorrectableCameras(ring_of_cameras(2), torch.zeros(3).double())
    nothing = torch.full((2, 1, 21, 2), torch.nan).double()
    points = torch.zeros(1, 21, 3).double()
    gained = support(cameras, (points, points), nothing, torch.ones(2, 1, 21), 0.004, PRIOR)
    assert np.isnan(gained)
