"""A mirror's image of a hand is told from a second hand."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.scenes.captures import two_hands
from tests.scenes.mirrors import Mirror
from utils.calibration.reflection import find_reflection, fit_mirror
from utils.synthetic.phone.path import walk

NOISE = 0.0015  # metres: of triangulated keypoints


@pytest.fixture
def hand():
    """Keypoints (21, 3) about the origin."""
    points = two_hands(np.random.default_rng(3))[1]
    return points - points.mean(0)


def cameras_about(points, count=12):
    return walk(points, count, (480, 360), (), np.random.default_rng(0)).cameras


def before(mirror, cameras):
    """Those of the cameras that are before the mirror."""
    return [c for c in cameras if c.center @ mirror.normal > mirror.offset]


def mirror_behind(hand, seed=0):
    """A mirror at any angle that touches the hand."""
    normal = Rotation.random(random_state=seed).apply([0, 0, 1.0])
    return Mirror(normal, float((hand @ normal).min()))


@pytest.mark.parametrize("image", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_the_image_is_found_whichever_hand_it_is(hand, image, seed):
    mirror = mirror_behind(hand, seed)
    points = np.empty((2, 21, 3))
    points[image], points[1 - image] = mirror.image(hand), hand
    points += np.random.default_rng(seed).normal(0, NOISE, points.shape)
    points[image, 4] = np.nan
    cameras = before(mirror, cameras_about(hand))
    found = find_reflection(points, cameras)
    assert found.image == image
    # 20 pairs with 1.5 mm of noise each, over a hand of some 18 cm: half a degree, half a mm
    assert found.normal @ mirror.normal > np.cos(np.radians(1.5))
    assert found.offset == pytest.approx(mirror.offset, abs=3 * NOISE)
    assert found.miss < 0.03
    assert (("left", "right")[image] + " hand is the") in found.line()


def test_the_least_squares_mirror_is_the_least(hand):
    mirror = mirror_behind(hand)
    rng = np.random.default_rng(1)
    a, b = hand, mirror.image(hand) + rng.normal(0, 0.01, hand.shape)
    normal, offset, miss = fit_mirror(a, b)
    for _ in range(50):
        turn = Rotation.from_rotvec(rng.normal(0, 0.01, 3))
        other = Mirror(turn.apply(normal), offset + rng.normal(0, 0.001))
        assert np.sqrt(((other.image(a) - b) ** 2).sum(1).mean()) > miss


@pytest.mark.parametrize("seed", range(8))
def test_two_hands_of_one_person_are_two_hands(seed):
    hands = two_hands(np.random.default_rng(seed))
    middle = hands.reshape(-1, 3)
    for cameras in (cameras_about(middle), cameras_about(middle)[:4]):
        assert find_reflection(hands, cameras) is None


def test_hands_held_alike_are_filmed_from_both_sides(hand):
    mirror = mirror_behind(hand)
    hands = np.stack([mirror.image(hand), hand])
    cameras = cameras_about(hands.reshape(-1, 3))
    assert find_reflection(hands, cameras) is None
    assert find_reflection(hands, before(mirror, cameras)) is not None


def test_little_is_no_evidence(hand):
    mirror = mirror_behind(hand)
    hands = np.stack([mirror.image(hand), hand])
    cameras = before(mirror, cameras_about(hand))
    assert find_reflection(hands, cameras) is not None
    assert find_reflection(hands, cameras[:2]) is None
    hands[0, 8:] = np.nan
    assert find_reflection(hands, cameras) is None
    hands[0] = np.nan
    assert find_reflection(hands, cameras) is None
