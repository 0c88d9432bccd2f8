"""Cameras found by hands alone: derivatives, PnP of a hand, and a rig from its keypoints."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.calibration.attempt import Attempt
from models.calibration.by_hands import calibrate_by_hands
from models.calibration.natural_size import natural_size
from models.calibration.pose_of_view import hand_pose
from models.calibration.sightings import HandSightings
from models.hand import load_hand_model
from models.hand.fitted import FittedHand
from models.hand.kinematics import SIZE
from utils.calibration.agreement import compare_cameras
from utils.cameras import Similarity
from utils.cameras.calibrated import CalibratedCamera
from utils.errors import UserError
from utils.stage.config import load_config
from utils.synthetic.phone.path import walk

OPTIONS = load_config().pose_optim
SAME = Similarity(1.0, torch.zeros(3, dtype=torch.float64))


@pytest.fixture(scope="module")
def hand(model):
    x = torch.zeros(SIZE, dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    x[6:51] = 0.5 * (
        torch.randn(45, generator=generator).double() * model.hands_std @ model.hands_components
    )
    x[51:61] = 0.5 * torch.randn(10, generator=generator).double()
    return FittedHand.of(model, x, SAME)


def seen_by(hand, views, noise, seed=0):
    """Cameras about the hand, and sightings of its keypoints."""
    rng = np.random.default_rng(seed)
    points = hand.keypoints().numpy()
    cameras = walk(points, views, (480, 360), (), rng).cameras
    xy = np.full((views, 2, 21, 2), np.nan)
    for view, camera in enumerate(cameras):
        xy[view, 1] = camera.project(points) + rng.normal(0, noise, (21, 2))
    confidence = np.isfinite(xy).all(-1).astype(float)
    return cameras, HandSightings.of_views(xy, confidence, np.array([[480, 360]] * views))


def miss_px(found, cameras, points):
    """Root mean square of how far found cameras show points from where true ones do, pixels."""
    K, R, t = (x.numpy() for x in (found.cameras.K, found.cameras.R, found.cameras.t))
    mine = [CalibratedCamera(str(k), K[k], R[k], t[k]) for k in range(len(K))]
    return np.sqrt((compare_cameras(mine, cameras, points)[0] ** 2).mean())


def test_a_view_is_placed_by_its_hand_and_not_by_its_reflection(hand):
    cameras, sightings = seen_by(hand, 10, 1.0)
    points = hand.keypoints().numpy()
    for camera, xy in zip(cameras, sightings.xy[:, 0, 1]):
        pose, cost = hand_pose(points, xy, camera.K)
        turn = Rotation.from_rotvec(pose[:3]).as_matrix() @ camera.R.T
        assert Rotation.from_matrix(turn).magnitude() < np.radians(4)
        assert cost < 0.5


def test_too_few_keypoints_place_no_view(hand):
    xy = np.full((21, 2), np.nan)
    xy[:5] = 1.0
    assert hand_pose(hand.keypoints().numpy(), xy, np.eye(3))[1] == np.inf


def test_derivatives_are_those_of_finite_differences(model, hand):
    _, sightings = seen_by(hand, 3, 1.0)
    attempt = Attempt({"right": model}, sightings, 360.0, False, False, OPTIONS)
    attempt.hands = {(0, 1): attempt._start_hand((0, 1))}
    attempt._place_views()
    problem = attempt._problem()
    x = attempt._unknowns(problem)
    x = x + 0.01 * torch.randn(len(x), generator=torch.Generator().manual_seed(0)).double()
    for rank, block in enumerate(problem(x)):
        step = 1e-6
        for column in [*range(0, len(x), 7), len(x) - 1]:
            ahead, behind = x.clone(), x.clone()
            ahead[column] += step
            behind[column] -= step
            slope = (problem(ahead)[rank].value - problem(behind)[rank].value) / (2 * step)
            assert torch.allclose(slope, block.jacobian[..., column], atol=2e-4, rtol=1e-4)


@pytest.mark.slow
def test_a_rig_is_found_by_one_hand(model, hand):
    cameras, sightings = seen_by(hand, 10, 1.0)
    found = calibrate_by_hands({"right": model}, sightings, 360.0, True, OPTIONS)
    # 21 keypoints with 1 px of noise place each view to some 0.5 px
    assert miss_px(found, cameras, hand.keypoints().numpy()) < 1.2
    assert found.residual_px < 1.6
    assert np.median(found.sigma_px) < 1.2
    assert not found.swaps.any()


@pytest.mark.slow
def test_a_right_hand_that_is_called_left_in_all_views(model, hand):
    cameras, sightings = seen_by(hand, 6, 1.0)
    called_left = sightings.exchanged(np.ones((6, 1), bool))
    models = {"left": load_hand_model("left", "open", dtype=torch.float64), "right": model}
    found = calibrate_by_hands(models, called_left, 360.0, True, OPTIONS)
    assert found.which == [(0, 1)]
    assert found.swaps.all()
    assert miss_px(found, cameras, hand.keypoints().numpy()) < 1.2


@pytest.mark.slow
def test_several_frames_are_calibrated_together(model, hand):
    """A rig of five views that sees a hand in two poses; the second one bent and elsewhere."""
    cameras, first = seen_by(hand, 5, 1.0)
    moved = FittedHand(model, hand.pose.clone(), hand.shape, hand.trans + 0.02, hand.scale)
    moved.pose[0, 3:] += 0.2
    points = moved.keypoints().numpy()
    rng = np.random.default_rng(1)
    second = np.full((5, 2, 21, 2), np.nan)
    for view, camera in enumerate(cameras):
        second[view, 1] = camera.project(points) + rng.normal(0, 1.0, (21, 2))
    xy = np.stack([first.xy[:, 0], second], 1)
    both = HandSightings(xy, np.isfinite(xy).all(-1).astype(float), first.sizes)
    found = calibrate_by_hands({"right": model}, both, 360.0, True, OPTIONS)
    assert sorted(found.which) == [(0, 1), (1, 1)]
    assert miss_px(found, cameras, hand.keypoints().numpy()) < 1.5  # five views with 1 px of noise


@pytest.mark.slow
def test_detectors_exchange_hands_in_each_view_and_frame_for_themselves(model, hand):
    """Two hands in two poses; in one view of each frame, another one, the names are wrong."""
    left = load_hand_model("left", "open", dtype=torch.float64)
    rng, frames, points = np.random.default_rng(3), [], None
    for bent in (0.0, 0.25):
        x = torch.zeros(SIZE, dtype=torch.float64)
        x[0], x[1], x[6:51] = -0.1, 0.06 * bent, 0.3 * bent * left.hands_std @ left.hands_components
        other = FittedHand(model, hand.pose + bent, hand.shape, hand.trans + 0.03, hand.scale)
        hands = [FittedHand.of(left, x, SAME), other if bent else hand]
        here = np.stack([each.keypoints().numpy() for each in hands])
        points = here if points is None else points
        cameras = walk(points.reshape(-1, 3), 7, (480, 360), (), np.random.default_rng(0)).cameras
        xy = np.stack([camera.project(here.reshape(-1, 3)) for camera in cameras])
        frames.append(xy.reshape(7, 2, 21, 2) + rng.normal(0, 0.7, (7, 2, 21, 2)))
    xy = np.stack(frames, 1)
    wrong = np.zeros((7, 2), bool)
    wrong[2, 0] = wrong[5, 1] = True
    xy[wrong] = xy[wrong][:, ::-1]
    sizes = np.array([[480, 360]] * 7)
    seen = HandSightings(xy, np.isfinite(xy).all(-1).astype(float), sizes)
    found = calibrate_by_hands({"left": left, "right": model}, seen, 360.0, True, OPTIONS)
    assert found.swaps.tolist() == wrong.tolist()
    assert len(found.which) == 4
    assert miss_px(found, cameras, points.reshape(-1, 3)) < 1.0


def test_two_views_are_too_few(model, hand):
    _, sightings = seen_by(hand, 2, 1.0)
    with pytest.raises(UserError, match="at least 3 are needed"):
        calibrate_by_hands({"right": model}, sightings, None, True, OPTIONS)


def test_the_natural_size_is_a_guess_with_its_spread(model, hand):
    points = np.full((2, 21, 3), np.nan)
    points[1] = 250 * hand.keypoints().numpy() + [1, 2, 3]
    size = natural_size({"right": model}, points)
    assert 0.03 < size.relative_error < 0.15
    # the hand's shape is half a standard deviation of every component off the mean
    assert size.metres_per_unit * 250 == pytest.approx(1, abs=2 * size.relative_error)
