"""Names of hands from votes and bends; ambiguous and impossible pairs are said."""

import numpy as np
import pytest
import torch

from models.detection.sides import bend_evidence, name_hands
from models.gcn.weights import load_network, weights_path
from models.hand import load_hand_model
from tests.scenes.hands import hand_scene

CLEAR = 0.3
MIRROR = np.array([-1, 1, 1])


@pytest.fixture(scope="module")
def models():
    return {s: load_hand_model(s, "open", dtype=torch.float64) for s in ("left", "right")}


@pytest.fixture(scope="module")
def network(models):
    return load_network(models["right"], weights_path("open"))


@pytest.fixture(scope="module")
def points():
    return hand_scene(views=2).points


def flat(points):
    """A hand squeezed into a plane, which is its own mirror image."""
    seen = points - points.mean(0)
    *_, axes = np.linalg.svd(seen)
    return seen - np.outer(seen @ axes[2], axes[2]) + points.mean(0)


def test_bends_tell_the_side(network, models, points):
    assert bend_evidence(network, models, points[0]) > CLEAR
    assert bend_evidence(network, models, points[1]) < -CLEAR
    assert bend_evidence(network, models, points[0] * MIRROR) < -CLEAR


@pytest.mark.parametrize("exchange", [False, True])
def test_most_views_naming_wrongly_is_no_harm(network, models, points, exchange):
    """Five of eight views swap the names; the fingers' bend outweighs them."""
    votes = [[0.05] * 5 + [0.95] * 3, [0.95] * 5 + [0.05] * 3]
    step = -1 if exchange else 1
    sides = name_hands(network, models, points[::step], votes[::step])
    assert sides.exchange is exchange and sides.clearness > CLEAR and not sides.notes(CLEAR)


def test_flat_hands_are_named_by_votes(network, models, points):
    hands = np.stack([flat(hand) for hand in points])
    sides = name_hands(network, models, hands, [[0.9] * 6, [0.1] * 6])
    assert not sides.exchange and not sides.notes(CLEAR)


def test_ambiguous_hands_are_said(network, models, points):
    hands = np.stack([flat(hand) for hand in points])
    sides = name_hands(network, models, hands, [[0.5, 0.5], [0.5, 0.5]])
    assert sides.clearness < CLEAR and "left or right is ambiguous" in sides.notes(CLEAR)[0]


def test_two_left_hands_are_said(network, models, points):
    hands = np.stack([points[0], points[0] + 0.3])
    sides = name_hands(network, models, hands, [[0.9], [0.9]])
    assert "both hands look like left hands" in sides.notes(CLEAR)[0]


def test_one_hand(network, models, points):
    alone = points[::-1].copy()
    alone[1] = np.nan
    sides = name_hands(network, models, alone, [[0.1, 0.2], []])
    assert sides.exchange and np.isnan(sides.evidence[1]) and not sides.notes(CLEAR)
