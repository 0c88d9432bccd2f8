"""A hand that moves is told from one that keeps still, and its motion found."""

import numpy as np
import pytest
import torch

from models.calibration.motion import find_motion
from utils.cameras import Cameras
from utils.cameras.calibrated import CalibratedCamera
from utils.synthetic.phone.path import drift, walk

VIEWS, NOISE = 24, 1.0  # pixels


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(3)
    points = rng.normal(0, 0.04, (2, 21, 3))
    points[0] = np.nan
    cameras = walk(points[1], VIEWS, (480, 360), (), rng).cameras
    return points, cameras, rng


def stacked(cameras):
    K, R, t = (np.stack([getattr(camera, key) for camera in cameras]) for key in ("K", "R", "t"))
    return Cameras.of(K, R, t, torch.tensor([camera.size for camera in cameras]))


def sightings(points, cameras, motions, rng):
    xy = np.full((VIEWS, 2, 21, 2), np.nan)
    centre = points[1].mean(0)
    for view, (camera, motion) in enumerate(zip(cameras, motions)):
        moved = (points[1] - centre) @ motion[:3, :3].T + motion[:3, 3] + centre
        xy[view, 1] = camera.project(moved) + rng.normal(0, NOISE, (21, 2))
    return xy, np.isfinite(xy).all(-1).astype(float)


def test_a_still_hand_asks_for_no_motion(scene):
    points, cameras, rng = scene
    xy, confidence = sightings(points, cameras, [np.eye(4)] * VIEWS, rng)
    motion = find_motion(stacked(cameras), xy, confidence, points, 1.0)
    assert not motion.asked_for


def test_a_motion_is_found_and_its_cameras_see_a_still_hand(scene):
    points, cameras, rng = scene
    motions = drift(VIEWS, 6.0, rng)
    xy, confidence = sightings(points, cameras, motions, rng)
    motion = find_motion(stacked(cameras), xy, confidence, points, 1.0)
    assert motion.asked_for
    assert motion.support > 0.4
    assert 3 < motion.reach_mm < 9  # 6 mm about the mean place
    moved = motion.cameras(cameras)
    assert isinstance(moved[0], CalibratedCamera)
    miss = [
        np.nanmedian(np.linalg.norm(c.project(points[1]) - xy[v, 1], axis=1))
        for v, c in enumerate(moved)
    ]
    before = [
        np.nanmedian(np.linalg.norm(c.project(points[1]) - xy[v, 1], axis=1))
        for v, c in enumerate(cameras)
    ]
    # 21 keypoints with noise of 1 px a coordinate leave some 1.2 px (the median of its length)
    assert np.median(miss) < 1.6
    assert np.median(before) > 2 * np.median(miss)
