"""Cameras see all of the hands, from all around, without flips."""

import numpy as np
import pytest
import torch

from utils.synthetic.rig import make_cameras, make_lights


@pytest.mark.parametrize("size", [(400, 400), (512, 640), (96, 64)])
def test_hands_and_keypoints_lie_inside_every_image(hands, size):
    points = np.concatenate([hand.verts for hand in hands])
    cameras, _ = make_cameras(points, 14, size, np.random.default_rng(0))
    keypoints = np.concatenate([hand.keypoints for hand in hands])
    for inside in (points, keypoints):
        px = cameras.project(torch.from_numpy(inside)).numpy()
        margin = 0.03 * min(size)
        assert px.min() > margin
        assert (px.max((0, 1)) < np.array(size[::-1]) - 1 - margin).all()
    spans = px.max(1) - px.min(1)
    assert (spans / np.array(size[::-1])).max(1).min() > 0.25  # nor are they tiny anywhere


def test_cameras_are_proper_and_stand_all_around(hands):
    points = np.concatenate([hand.verts for hand in hands])
    cameras, world_from_norm = make_cameras(points, 14, (400, 400), np.random.default_rng(0))
    R = cameras.R.numpy()
    assert np.allclose(R @ R.transpose(0, 2, 1), np.eye(3), atol=1e-12)
    assert np.allclose(np.linalg.det(R), 1)
    assert (R[:, 1, 2] < 0).all()  # y of the image points down, z of the world up
    around = cameras.centers().numpy() - points.mean(0)
    azimuth = np.sort(np.arctan2(around[:, 1], around[:, 0]))
    gaps = np.diff(np.append(azimuth, azimuth[0] + 2 * np.pi))
    assert np.degrees(gaps.max()) < 75
    in_norm = world_from_norm.inverse().apply(torch.from_numpy(points)).norm(dim=1)
    assert 0.7 < float(in_norm.max()) < 1.1


def test_lights_stand_above_and_shine():
    for seed in range(5):
        lights = make_lights(np.array([0, 0, 1.0]), np.random.default_rng(seed))
        assert 3 <= len(lights) <= 5
        assert all(light.position[2] > 1 and (light.radiance > 0).all() for light in lights)
