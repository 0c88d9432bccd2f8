"""Small parts of the agreement whose meaning can be written down."""

import numpy as np

from utils.detection.agreement import shown_by, two_hands, view_shifts


def test_each_candidate_shows_one_hand_at_most():
    scores = np.array([[[0.9, 0.8, 0.0]], [[0.85, 0.1, 0.0]]])  # (2 hands, 1 view, 3 candidates)
    assert shown_by(scores, 0.3).tolist() == [[1, 0]]  # 0.8 + 0.85 is more than 0.9 + 0.1
    assert shown_by(scores, 0.82).tolist() == [[0, -1]]
    assert shown_by(np.full((2, 1, 2), np.nan), 0.3).tolist() == [[-1, -1]]


def test_the_second_hand_adds_most_beside_the_first():
    hands = np.random.default_rng(0).normal(size=(3, 21, 3)) + 5 * np.arange(3)[:, None, None]
    scores = np.zeros((3, 4, 2))
    scores[0, :, 0] = 0.9
    scores[1, :, 0] = 0.8  # the same candidates as the first: adds nothing
    scores[2, :2, 1] = 0.5
    found = two_hands(hands, scores)
    np.testing.assert_array_equal(found, hands[[0, 2]])
    scores[2] = 0
    assert np.isnan(two_hands(hands, scores)[1]).all()
    assert np.isnan(two_hands(hands, np.zeros((3, 4, 2)))).all()


def test_both_hands_must_ask_for_the_same_shift():
    away = np.full((4, 2, 21, 2), np.nan)
    away[0] = [30, -5]
    away[1, 0], away[1, 1] = [30, 0], [-5, 0]
    away[2, 1] = [7, 8]
    shift = view_shifts(away)
    np.testing.assert_array_equal(shift, [[30, -5], [0, 0], [7, 8], [0, 0]])
