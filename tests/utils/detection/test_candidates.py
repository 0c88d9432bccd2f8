"""Detections that agree become one; the others stay apart."""

import numpy as np

from tests.scenes.detection import candidate
from utils.detection.candidates import as_arrays, merged

RNG = np.random.default_rng(0)
HAND = RNG.uniform(0, 100, (21, 2))


def test_those_that_agree_become_their_median():
    shifts = [0.0, 1.0, 2.0]
    found = [candidate(0, HAND + shift, left) for shift, left in zip(shifts, (1.0, 1.0, 0.4))]
    (one,) = merged(found)
    np.testing.assert_allclose(one.xy, HAND + 1)
    np.testing.assert_allclose(one.spread, np.sqrt(2))  # distances are sqrt(2) times 1, 0, 1
    assert one.count == 3 and np.isclose(one.left, 0.8)


def test_another_hand_stays_apart_and_the_most_supported_comes_first():
    found = [candidate(0, HAND + 60), *[candidate(0, HAND + k) for k in range(3)]]
    groups = merged(found)
    assert [one.count for one in groups] == [3, 1]
    np.testing.assert_allclose(groups[1].xy, HAND + 60)


def test_one_bad_keypoint_does_not_part_them():
    other = HAND.copy()
    other[4] += 500
    (one,) = merged([candidate(0, HAND), candidate(0, HAND), candidate(0, other)])
    np.testing.assert_allclose(one.xy, HAND)


def test_arrays_are_filled_up():
    xy, confidence = as_arrays([[candidate(0, HAND)], [], [candidate(2, HAND)] * 3])
    assert xy.shape == (3, 3, 21, 2) and confidence.sum() == 4 * 21
    assert np.isnan(xy[1]).all() and np.isfinite(xy[2]).all()
    assert merged([]) == []


def test_the_one_that_agrees_best_stands_for_them():
    found = [candidate(0, HAND + shift) for shift in (0.0, 1.0, 3.0)]
    (one,) = merged(found, lambda each: abs(each.xy[0, 0] - HAND[0, 0] - 2.5))
    np.testing.assert_allclose(one.xy, HAND + 3)
    assert one.count == 3
