import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.gcn.frame import PalmFrame
from tests.scenes.captures import right_hand
from utils.keypoints.order import PALM

MM = 1e-3


@pytest.fixture
def hands():
    """Keypoints (4, 21, 3) of four hands, and the mean one's (21, 3)."""
    rng = np.random.default_rng(0)
    points = torch.from_numpy(np.stack([right_hand(rng) for _ in range(5)]))
    return points[:4], points[4]


def moved(points, seed=1):
    rng = np.random.default_rng(seed)
    R = torch.from_numpy(Rotation.random(len(points), random_state=seed).as_matrix())
    scale = torch.from_numpy(rng.uniform(0.2, 900, len(points)))
    offset = torch.from_numpy(rng.normal(size=(len(points), 1, 3))) * scale[:, None, None]
    return scale[:, None, None] * points @ R.transpose(1, 2) + offset


ALL = torch.ones(4, 21, dtype=torch.bool)


def test_rotation_place_and_size_vanish(hands):
    points, rest = hands
    a = PalmFrame.of(points, ALL, rest).to_canonical(points)
    world = moved(points)
    frame = PalmFrame.of(world, ALL, rest)
    assert torch.allclose(frame.to_canonical(world), a, atol=1e-9)
    assert torch.allclose(frame.to_world(a), world, rtol=1e-9)
    assert torch.allclose(torch.linalg.det(frame.rotation), torch.ones(4).double())


def test_palms_lie_on_the_mean_hands_palm(hands):
    points, rest = hands
    found = PalmFrame.of(moved(points), ALL, rest).to_canonical(moved(points))
    # These hands differ in their fingers only, which have a little say in the frame.
    assert (found - rest)[:, PALM].norm(dim=2).max() < 1.5 * MM


def test_one_wrong_joint_hardly_turns_the_frame(hands):
    points, rest = hands
    wrong = points.clone()
    wrong[:, 17] += 60 * MM
    a, b = (PalmFrame.of(x, ALL, rest).to_canonical(points) for x in (points, wrong))
    assert (a - b)[:, PALM].norm(dim=2).max() < 3 * MM  # 18 mm without reweighting


def test_a_palm_that_was_not_seen_is_found_by_the_fingers(hands):
    points, rest = hands
    seen = ALL.clone()
    seen[:, PALM] = False
    lost = torch.where(seen[..., None], points, torch.zeros(3).double())
    found = PalmFrame.of(lost, seen, rest).to_canonical(points)
    assert (found - rest)[:, PALM].norm(dim=2).max() < 40 * MM  # fingers bend; upright all the same


def test_degenerate_keypoints_give_finite_frames(hands):
    rest = hands[1]
    for points in (torch.zeros(1, 21, 3), torch.ones(1, 21, 1) * torch.tensor([1.0, 0, 0])):
        frame = PalmFrame.of(points.double(), ALL[:1], rest)
        assert torch.isfinite(frame.to_canonical(points.double())).all()
