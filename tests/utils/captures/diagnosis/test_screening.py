"""A cheap look at pairs of views tells right cameras from wrong ones, without triangulation."""

from dataclasses import replace

import numpy as np
import pytest

from tests.scenes.captures import project, ring_of_cameras, two_hands
from utils.captures.diagnosis.screening import best_scale, best_shift, pair_residual
from utils.captures.diagnosis.sightings import NO_FIT, Sightings


@pytest.fixture
def exact():
    cameras = ring_of_cameras(6)
    xy = project(cameras, two_hands(np.random.default_rng(0)))
    K, R, t = (x.numpy() for x in (cameras.K, cameras.R, cameras.t))
    return Sightings(K, R, t, cameras.sizes.numpy(), xy, np.ones(xy.shape[:3]))


def test_exact_views_agree_whatever_their_hands_are_named(exact):
    assert pair_residual(exact) < 1e-6
    renamed = exact.xy.copy()
    renamed[2] = renamed[2, ::-1]
    assert pair_residual(replace(exact, xy=renamed)) < 1e-6


def test_the_residual_is_a_share_of_the_hand(exact):
    """Keypoints that move across the epipolar lines by 3 px, of hands of some 240 px."""
    rng = np.random.default_rng(1)
    off = 3 * rng.normal(size=exact.xy.shape)
    residual = pair_residual(replace(exact, xy=exact.xy + off))
    # The farther of two lines: some 1.4 x 0.8 of a coordinate's deviation, on the mean.
    assert residual == pytest.approx(1.1 * 3 * np.sqrt(2) / np.median(exact.hand_sizes), rel=0.4)


def test_rays_that_meet_behind_the_cameras_do_not_agree(exact):
    axes = np.diag([1.0, -1.0, -1.0])
    assert pair_residual(replace(exact, R=axes @ exact.R, t=exact.t @ axes)) == NO_FIT


def test_nothing_in_common_is_no_agreement(exact):
    confidence = exact.confidence.copy()
    confidence[1:] = 0
    assert pair_residual(replace(exact, confidence=confidence)) == NO_FIT


def test_coarse_scales_and_shifts(exact):
    K = exact.K.copy()
    K[:, :2] *= 1.6
    log_scale, residual = best_scale(replace(exact, K=K))
    assert log_scale == pytest.approx(-np.log(1.6), abs=0.12)
    assert residual < pair_residual(replace(exact, K=K))
    K = exact.K.copy()
    K[:, :2, 2] += [-64, 64]  # 0.08 of 800
    assert best_shift(replace(exact, K=K)) == pytest.approx((0, 64, -64, 0))
