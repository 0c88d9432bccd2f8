import numpy as np
import pytest
import torch

from models.gcn.prediction import correct
from tests.scenes.captures import right_hand, two_hands

RADIUS = 0.06  # metres
UNIT = 1000.0  # the tests' world is in millimetres


@pytest.fixture
def before():
    return UNIT * two_hands(np.random.default_rng(0))


@pytest.fixture
def rest():
    return torch.from_numpy(right_hand(np.random.default_rng(3))).float()


def turned(points, angle=0.3, offset=(30.0, -10.0, 5.0)):
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]).T + offset


def test_a_frame_like_the_one_before_stays_as_it_is(before, rest):
    corrected = correct(turned(before), before, rest, RADIUS)
    assert np.array_equal(corrected.points, turned(before))
    assert not corrected.swapped and corrected.dropped == corrected.lent == 0


def test_keypoints_that_were_not_seen_move_along_with_the_hand(before, rest):
    now = turned(before)
    now[1, [7, 8, 0]] = np.nan
    corrected = correct(now, before, rest, RADIUS)
    assert corrected.lent == 3 and np.isnan(corrected.observed[1, 8]).all()
    assert np.abs(corrected.points - turned(before)).max() < 1e-6 * UNIT


def test_keypoints_that_jumped_are_replaced(before, rest):
    now = turned(before)
    now[0, 12] += 90.0  # mm in every axis
    now[0, 16] += 20.0  # as fingers move
    corrected = correct(now, before, rest, RADIUS)
    assert corrected.dropped == 1 and np.isnan(corrected.observed[0, 12]).all()
    assert np.linalg.norm(corrected.points[0, 12] - turned(before)[0, 12]) < 8  # mm
    assert np.array_equal(corrected.points[0, 16], now[0, 16])


def test_hands_that_traded_names_get_them_back(before, rest):
    corrected = correct(turned(before)[::-1].copy(), before, rest, RADIUS)
    assert corrected.swapped and np.array_equal(corrected.points, turned(before))


def test_nothing_is_made_up_of_a_hand_that_was_not_seen(before, rest):
    now = turned(before)
    now[0] = np.nan
    now[1, 5:] = np.nan  # five keypoints left
    corrected = correct(now, before, rest, RADIUS)
    assert np.array_equal(corrected.points, now, equal_nan=True) and corrected.lent == 0


def test_a_hand_that_was_not_there_before_is_taken_as_it_is(before, rest):
    now, earlier = turned(before), before.copy()
    earlier[0] = np.nan
    now[0, 3] = np.nan
    corrected = correct(now, earlier, rest, RADIUS)
    assert np.array_equal(corrected.points, now, equal_nan=True) and not corrected.swapped


def test_frames_without_a_common_hand(before, rest):
    now, earlier = turned(before), before.copy()
    now[0], earlier[1] = np.nan, np.nan
    earlier[0] += 500.0
    corrected = correct(now, earlier, rest, RADIUS)
    assert not np.isnan(corrected.points).all()
