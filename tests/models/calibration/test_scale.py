"""A board's scale is held against the size of the hand beside it."""

import numpy as np
import pytest

from models.calibration.natural_size import NaturalSize
from models.calibration.scale import Scale, _held_against


@pytest.mark.parametrize(
    ("square", "doubted"), [(1.0, False), (1.15, False), (1.41, True), (0.6, True)]
)
def test_a_board_by_which_hands_are_giants_is_doubted(square, doubted):
    """A4 printed on A5 or A3 is off by 1.41; adults' hands differ by less than 20 %."""
    scale = Scale(np.diag([0.01 * square] * 3 + [1.0]), "m", "scale: by the board")
    held = _held_against(scale, NaturalSize(0.01, 0.07))
    assert ("warning: by this board" in held.line) == doubted
    assert held.facts["hand_over_natural_size"] == pytest.approx(square)
