"""What triangulated keypoints say of themselves."""

import numpy as np
import pytest

from tests.scenes.captures import corrupt, project, ring_of_cameras, two_hands
from utils.keypoints.triangulation import triangulate_hands
from utils.keypoints.verdict import judge_keypoints, keypoint_measures
from utils.stage.config import load_config


def triangulated(cameras, xy):
    confidence = np.isfinite(xy[..., 0]).astype(float)
    return triangulate_hands(cameras, xy, confidence, load_config().pose_optim)


@pytest.fixture(scope="module")
def scene():
    hands, cameras = two_hands(np.random.default_rng(0)), ring_of_cameras(8)
    return cameras, project(cameras, hands)


@pytest.mark.parametrize("noise", [0.0, 2.0, 4.0])
def test_what_detectors_do_is_good(scene, noise):
    cameras, exact = scene
    xy = corrupt(exact, np.random.default_rng(1), noise).xy
    assert judge_keypoints(triangulated(cameras, xy)).level == "good"


def test_cameras_in_another_order_fail(scene):
    """Views 1, 3, 5 and 7 bear each other's cameras: half of the rays pass the hands."""
    cameras, xy = scene
    verdict = judge_keypoints(triangulated(cameras[[0, 3, 2, 5, 4, 7, 6, 1]], xy))
    assert verdict.level == "failed" and "check_data.py" in verdict.line()


def test_one_hand_detected_badly_in_many_views_is_doubtful(scene):
    """The other hand's keypoints say that the cameras are right."""
    cameras, exact = scene
    xy = exact + np.random.default_rng(0).normal(size=exact.shape)
    for view, way in zip((0, 2, 5, 7), ([45, 0], [-45, 0], [0, 45], [0, -45])):
        xy[view, 0] += way
    verdict = judge_keypoints(triangulated(cameras, xy))
    assert verdict.level == "doubtful" and verdict.measures["views_off"] > 0.35
    assert verdict.measures["views_astray"] < 0.15


def test_few_views_are_doubtful(scene):
    cameras, xy = scene
    verdict = judge_keypoints(triangulated(cameras[[0, 2, 5]], xy[[0, 2, 5]]))
    assert verdict.level == "doubtful" and "3 views show a hand" in verdict.line()


def test_measures(scene):
    """Detections all shifted by 3 px, in turn left and right: that is what residuals measure."""
    cameras, exact = scene
    xy = exact.copy()
    xy[::2, ..., 0] += 3
    xy[1::2, ..., 0] -= 3
    measures = keypoint_measures(triangulated(cameras, xy))
    box = np.linalg.norm(np.ptp(exact, axis=2), axis=-1)
    assert measures["residual_share"] == pytest.approx(3 / float(np.median(box)), rel=0.3)
    assert measures["views"] == 8 and measures["views_without_fit"] == 0
