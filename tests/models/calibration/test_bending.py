"""Fingers that bent while they were photographed: found, and photos drawn as if they had not."""

import numpy as np
import pytest
import torch

from models.calibration.bending import find_bending
from models.calibration.motion import find_motion
from models.calibration.natural_size import fit_to_points
from models.calibration.straightening import Straightening, straightened
from models.hand.fitted import FittedHand
from models.hand.kinematics import SIZE
from utils.cameras import Cameras, Similarity
from utils.cameras.calibrated import without_lenses
from utils.render import Renderer
from utils.synthetic.phone.path import drift, walk

VIEWS, NOISE = 18, 1.0  # pixels
SAME = Similarity(1.0, torch.zeros(3, dtype=torch.float64))


@pytest.fixture(scope="module")
def hand(model):
    return FittedHand.of(model, torch.zeros(SIZE, dtype=torch.float64), SAME)


def bent(hand, radians):
    """The hand with the last joint vector's angles of its four fingers turned by so much."""
    pose = hand.pose.clone()
    pose[0, 3:39] += radians * torch.tensor([0.0, 0.0, 1.0] * 12, dtype=torch.float64)
    return FittedHand(hand.model, pose, hand.shape, hand.trans, hand.scale)


def seen(hand, angles, motions=None):
    """Cameras about the hand, keypoints in 18 photos of it bent and moved, and their places."""
    rng = np.random.default_rng(4)
    points = np.full((2, 21, 3), np.nan)
    points[1] = hand.keypoints().numpy()
    cameras, centre = walk(points[1], VIEWS, (480, 360), (), rng).cameras, points[1].mean(0)
    xy = np.full((VIEWS, 2, 21, 2), np.nan)
    for view, (camera, angle) in enumerate(zip(cameras, angles)):
        here = bent(hand, angle).keypoints().numpy()
        if motions is not None:
            M = motions[view]
            here = (here - centre) @ M[:3, :3].T + M[:3, 3] + centre
        xy[view, 1] = camera.project(here) + rng.normal(0, NOISE, (21, 2))
    return cameras, xy, np.isfinite(xy).all(-1).astype(float), points


def found_in(model, cameras, xy, confidence, points):
    fit = fit_to_points({"right": model}, points)
    rigid = Cameras.of_arrays(without_lenses(cameras)), xy, confidence, points
    return find_bending(*rigid, fit, find_motion(*rigid, 1.0).asked_for)


def test_still_fingers_are_left_alone(model, hand):
    found = found_in(model, *seen(hand, np.zeros(VIEWS)))
    assert not found.asked_for
    assert not found.moves


def test_a_rigid_motion_is_no_bending(model, hand):
    motions = drift(VIEWS, 6.0, np.random.default_rng(1))
    found = found_in(model, *seen(hand, np.zeros(VIEWS), motions))
    assert found.moves
    assert not found.asked_for


def test_bending_fingers_are_followed(model, hand):
    angles = 0.12 * np.sin(np.linspace(0, 2 * np.pi, VIEWS))
    cameras, xy, confidence, points = seen(hand, angles)
    found = found_in(model, cameras, xy, confidence, points)
    assert found.asked_for
    assert found.support > 0.4
    still, moved = found.keypoints(0)
    truth = np.stack([bent(hand, angle).keypoints().numpy() for angle in angles])
    error = np.linalg.norm((moved - still) - (truth - points[1]), axis=-1)
    assert np.linalg.norm(truth - points[1], axis=-1).max() > 0.01  # tips went a centimetre
    assert error.mean() < 0.001


def test_a_straightened_photo_is_one_of_the_mean_pose(hand):
    """Of hands painted by place: photo of the bent one, straightened, against the still one's."""
    path = walk(hand.keypoints().numpy(), 5, (480, 360), (), _rng())
    camera = Cameras.of_arrays(without_lenses(path.cameras))[2]
    still, turned = (each.verts() for each in (hand, bent(hand, 0.06)))
    faces = hand.model.faces.cpu().numpy()
    want, photo = (painted(camera, verts, still, faces) for verts in (still, turned))
    got = straightened(photo, camera, still.numpy(), turned.numpy(), faces)
    inside = want.sum(-1) > 0
    before, after = (_overlap(inside, each.sum(-1) > 0.2) for each in (photo, got))
    assert after > 0.975
    assert 1 - after < 0.5 * (1 - before)
    misses = [np.abs(each - want)[inside].mean() for each in (photo, got)]
    assert misses[1] < 0.35 * misses[0]
    assert np.array_equal(got[:40], photo[:40])  # far from the hand nothing changes


def painted(camera: Cameras, verts, colours, faces):
    """A photo (H, W, 3) of a hand whose colours tell places of `colours` (N, 3), on black."""
    renderer = Renderer(torch.from_numpy(faces), backend="cpu")
    fragments = renderer.rasterize(camera, verts)
    spread = (colours - colours.min(0).values) / (colours.max(0).values - colours.min(0).values)
    image = np.zeros((480, 360, 3), np.float32)
    values = renderer.interpolate(fragments, (0.3 + 0.7 * spread).float())
    image[fragments.y.numpy(), fragments.x.numpy()] = values.numpy()
    return image


def _overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def _rng():
    return np.random.default_rng(4)


def test_keypoints_go_with_their_photo(model, hand):
    angles = 0.12 * np.sin(np.linspace(0, 2 * np.pi, VIEWS))
    cameras, xy, confidence, points = seen(hand, angles)
    found = found_in(model, cameras, xy, confidence, points)
    twice = np.diag([2.0, 2, 2, 1])
    twice[:3, 3] = 1, 2, 3
    hands = Straightening.of(found, [camera.name for camera in cameras], twice)
    still, bent_points = found.keypoints(0)
    assert np.allclose(hands.still_points[1], 2 * still + [1, 2, 3])
    assert np.allclose(hands.bent_points[5, 1], 2 * bent_points[5] + [1, 2, 3])
    assert np.isnan(hands.still_points[0]).all()
    assert hands.bent.shape == (VIEWS, *hands.still.shape)
