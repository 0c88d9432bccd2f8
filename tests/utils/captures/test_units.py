import numpy as np
import pytest

from tests.scenes.captures import two_hands
from utils.captures.units import hand_length, unit_line

HANDS = two_hands(np.random.default_rng(0))


@pytest.mark.parametrize(("factor", "unit"), [(1, "m"), (100, "cm"), (1000, "mm")])
def test_the_hands_tell_the_unit(factor, unit):
    assert unit_line(factor * HANDS, None).startswith(f"unit: {unit} (the hands are ")
    assert unit_line(factor * HANDS, unit).startswith(f"unit: {unit}, as the calibration says")


def test_a_stated_unit_that_the_hands_contradict_is_a_warning():
    line = unit_line(1000 * HANDS, "m")
    assert line.startswith("warning: the calibration says m, but the hands are ")
    assert line.endswith("it looks like mm: --set unit=mm")


def test_arbitrary_units_are_said():
    assert "unit: unknown" in unit_line(7 * HANDS, None)
    assert "neither m, cm nor mm" in unit_line(7 * HANDS, "mm")


def test_without_a_whole_hand_nothing_is_said():
    hands = HANDS.copy()
    hands[:, 9] = np.nan
    assert unit_line(hands, None) is None
    hands[1] = HANDS[1]
    assert hand_length(hands) == pytest.approx(hand_length(HANDS[[1, 1]]))
