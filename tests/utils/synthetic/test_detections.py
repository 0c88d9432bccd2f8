"""The statistics of the keypoints' errors."""

import numpy as np
import pytest
import torch

from utils.synthetic.observations import (
    MISSED_SHARE,
    NOISE_SD,
    OTHER,
    OUTLIER_SHARE,
    REFERENCE_WIDTH,
    detect,
)
from utils.synthetic.rig import make_cameras

VIEWS, SIZE = 200, (320, 640)


@pytest.fixture(scope="module")
def scene(hands):
    points = np.concatenate([hand.verts for hand in hands])
    cameras, _ = make_cameras(points, VIEWS, SIZE, np.random.default_rng(1))
    keypoints = {hand.side: hand.keypoints for hand in hands}
    return cameras, keypoints, detect(keypoints, cameras, np.random.default_rng(2))


def errors(scene):
    """Pixel errors (views, 2, 21, 2) by true side, nan where a hand was missed."""
    cameras, keypoints, found = scene
    result = np.full((VIEWS, 2, 21, 2), np.nan)
    for hand, (side, points) in enumerate(keypoints.items()):
        px = cameras.project(torch.from_numpy(points)).numpy()
        for view in range(VIEWS):
            called = OTHER[side] if view in found.swapped else side
            values = found.poses[view][called.title()]
            if values:
                xy = (np.reshape(values, (21, 3))[:, :2] + 1) / 2 * SIZE[::-1]
                result[view, hand] = xy - px[view]
    return result


def test_noise_and_outliers(scene):
    error, found = errors(scene), scene[2]
    is_outlier = np.zeros(error.shape[:3], bool)
    for view, side, keypoint in found.outliers:
        is_outlier[view, list(OTHER).index(side), keypoint] = True
    seen = np.isfinite(error[..., 0])
    scale = SIZE[1] / REFERENCE_WIDTH
    # 8,000 keypoints: the sd of the noise is known to 1 %, the share of outliers to 5 %
    assert error[seen & ~is_outlier].std() == pytest.approx(NOISE_SD * scale, rel=0.04)
    assert is_outlier.sum() / seen.sum() == pytest.approx(OUTLIER_SHARE, rel=0.2)
    assert np.linalg.norm(error[is_outlier], axis=-1).min() > 10 * scale


def test_missed_and_swapped_views(scene):
    _, _, found = scene
    assert len(found.missed) == round(VIEWS * MISSED_SHARE)
    assert len(found.swapped) == VIEWS // 10
    assert not set(found.missed) & set(found.swapped)
    for view, hands in enumerate(found.poses):
        empty = [side for side, values in hands.items() if not values]
        assert empty == ([found.missed[view].title()] if view in found.missed else [])
        assert all(len(values) in (0, 63) for values in hands.values())


def test_one_hand_is_never_swapped(scene):
    cameras, keypoints, _ = scene
    found = detect({"right": keypoints["right"]}, cameras[:8], np.random.default_rng(0))
    assert found.swapped == []
    assert all(view["Left"] == [] for view in found.poses)
    assert sum(view["Right"] == [] for view in found.poses) == 1
