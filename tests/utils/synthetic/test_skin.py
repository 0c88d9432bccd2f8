"""What the paint leaves on a hand."""

import numpy as np

from utils.synthetic.fields import MM
from utils.synthetic.skin import ALBEDO_RANGE


def test_relief_is_skin_deep(hands):
    for hand in hands:
        relief = hand.skin.relief / MM
        assert np.abs(relief).max() < 3.5  # knuckle and tendon may coincide
        assert 0.1 < relief.std() < 0.6
        low, high = hand.facts["relief_mm_p1_p99"]
        assert low < -0.4  # creases
        assert high > 0.5  # knuckles, tendons


def test_albedo_is_that_of_skin(hands):
    for hand in hands:
        albedo = hand.skin.albedo
        assert albedo.min() >= ALBEDO_RANGE[0]
        assert albedo.max() <= ALBEDO_RANGE[1]
        red, green, blue = np.median(albedo, 0)
        assert red > green > blue
        assert albedo.std(0).min() > 0.01  # it is not one colour
        assert ((hand.skin.roughness >= 0.2) & (hand.skin.roughness <= 0.7)).all()
