"""Masks made from keypoints and photos are the hands', end at the wrist, and agree with the fit."""

import numpy as np

from models.detection.masks import make_masks
from models.fitting.fit import fit_hands
from tests.scenes.hands import hand_scene
from utils.stage.config import load_config

OPTIONS = load_config().mano_optim


def photo_of(mask, rng):
    """Skin-coloured hands before a dark wall, noisy."""
    color = np.where(mask[..., None], [0.8, 0.6, 0.5], [0.1, 0.15, 0.2])
    return (color + 0.02 * rng.normal(size=color.shape)).clip(0, 1).astype(np.float32)


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_masks_are_the_hands():
    scene, rng = hand_scene(views=5), np.random.default_rng(0)
    photos = [photo_of(mask, rng) for mask in scene.masks]
    for photo, mask in zip(photos, scene.masks):  # a forearm of skin beside one of the hands
        photo[-60:, 180:200] = np.where(mask[-60:, 180:200, None], photo[-60:, 180:200], 0.5)
    given = [None, None, scene.masks[2], None, None]
    xy = scene.xy + rng.normal(size=scene.xy.shape)
    observations = scene.observations(xy=xy, masks=given, photo=photos.__getitem__)
    made = make_masks(fit_hands(scene.models, observations, OPTIONS), observations)
    assert sorted(made.masks) == [0, 1, 3, 4] and not made.refused
    # The rim of a wrist seen from its open side is not told from the forearm: a few per cent.
    assert min(iou(mask, scene.masks[view]) for view, mask in made.masks.items()) > 0.93


def test_no_mask_where_the_photo_says_nothing():
    """A photo of noise of one colour: nothing in it tells hands from what is around them."""
    scene, rng = hand_scene(views=4), np.random.default_rng(0)
    photos = [photo_of(mask, rng) for mask in scene.masks]
    photos[1] = photo_of(np.zeros_like(scene.masks[1]), rng)
    observations = scene.observations(photo=photos.__getitem__)
    made = make_masks(fit_hands(scene.models, observations, OPTIONS), observations)
    assert set(made.masks) == {0, 2, 3}
    assert "colours do not tell" in made.refused[1]
