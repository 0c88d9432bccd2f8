"""Masks of hands from photos and fits that are a little off."""

import numpy as np
import pytest

from models.fitting.masks import segment_hands

SHAPE = (160, 200)


@pytest.fixture
def scene():
    """A skin-coloured disc with a finger before a dark, noisy ground; a forearm below."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    hand = ((x - 100) ** 2 + (y - 80) ** 2 < 40**2) | ((abs(x - 100) < 8) & (y < 60) & (y > 15))
    forearm = (abs(x - 100) < 25) & (y > 100)
    rng = np.random.default_rng(0)
    image = np.full((*SHAPE, 3), [0.1, 0.15, 0.12]) + 0.03 * rng.normal(size=(*SHAPE, 3))
    skin = [0.8, 0.6, 0.5] + 0.05 * rng.normal(size=(*SHAPE, 3))
    image = np.where((hand | forearm)[..., None], skin, image).clip(0, 1).astype(np.float32)
    return image, hand, forearm


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_a_misplaced_fit_finds_the_hand(scene):
    image, hand, _ = scene
    nothing = np.zeros(SHAPE, bool)
    fit = np.roll(hand, (0, 4), (0, 1))
    mask = segment_hands(image, fit, nothing)
    above = np.arange(SHAPE[0])[:, None] < 100  # of the forearm
    assert iou(hand & above, fit & above) < 0.9 and iou(mask & above, hand & above) > 0.95


def test_a_forearm_may_be_part_of_it(scene):
    image, hand, forearm = scene
    mask = segment_hands(image, hand, forearm)
    assert iou(mask, hand | forearm) > 0.97


def test_it_is_deterministic_and_keeps_the_image(scene):
    image, hand, forearm = scene
    before = image.copy()
    first, second = (segment_hands(image, hand, forearm) for _ in range(2))
    assert np.array_equal(first, second) and np.array_equal(image, before)


def test_a_hand_that_fills_the_image_is_taken_as_it_is(scene):
    everything = np.ones(SHAPE, bool)
    assert segment_hands(scene[0], everything, ~everything).all()


def test_what_lies_between_fingers_is_not_hand_although_the_fit_covers_it():
    """Black and white squares, half of which between the fingers the fit takes for hand."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    fingers = ((abs(x - 80) < 10) | (abs(x - 116) < 10)) & (y > 20) & (y < 100)
    hand = fingers | ((abs(x - 98) < 28) & (y >= 90) & (y < 140))
    squares = (y // 8 + x // 8) % 2
    rng = np.random.default_rng(0)
    image = np.where(hand[..., None], [0.75, 0.55, 0.45], 0.05 + 0.85 * squares[..., None])
    image = (image + 0.02 * rng.normal(size=image.shape)).clip(0, 1).astype(np.float32)
    fit = hand | np.roll(hand, 3, 1)
    mask = segment_hands(image, fit, np.zeros(SHAPE, bool))
    assert iou(fit, hand) < 0.92 and iou(mask, hand) > 0.97


def test_no_mask_where_colors_are_alike(scene):
    image, hand, _ = scene
    noise = np.random.default_rng(0).random(image.shape).astype(np.float32)
    assert segment_hands(noise, hand, np.zeros(SHAPE, bool)) is None
