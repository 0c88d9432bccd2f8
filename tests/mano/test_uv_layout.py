"""The open hand's texture layout."""

import numpy as np
import pytest

from mano.open_hand.uv_layout import fill_unit_square
from models.hand import load_hand_model

#   3 --- 2        6
#   |   / |      / |     one chart of two faces, one of a face, far apart
#   | /   |    4 - 5
#   0 --- 1
CHARTS = np.array([[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1], [0.8, 0.8], [0.85, 0.8], [0.85, 0.83]])
FACES = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]])


def test_charts_are_enlarged_alike_into_the_square():
    charts = CHARTS * [1, 0.5]  # leaves room above
    filled = fill_unit_square(charts, FACES)
    sizes = [np.linalg.norm(filled[b] - filled[a]) for a, b in ((0, 1), (1, 2), (4, 5), (5, 6))]
    given = [np.linalg.norm(charts[b] - charts[a]) for a, b in ((0, 1), (1, 2), (4, 5), (5, 6))]
    assert np.allclose(np.divide(sizes, given), sizes[0] / given[0])
    assert sizes[0] > 0.95
    assert filled.min() > 0.01 and filled.max() < 0.99


def test_a_chart_without_a_place_is_an_error():
    with pytest.raises(ValueError, match="finds no free place"):
        fill_unit_square(
            np.concatenate([CHARTS[:4], CHARTS[:4] + 0.5]), np.r_[FACES[:2], FACES[:2] + 4]
        )


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_shipped_layout_covers_a_third_of_the_square_once(side):
    model = load_hand_model(side, "open")
    corners = model.uv.double().numpy()[model.face_uv.numpy()]
    (ax, ay), (bx, by) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    area = (ax * by - ay * bx) / 2
    assert (area > 0).all() if side == "right" else (area < 0).all()  # nothing folded
    assert 0.33 < np.abs(area).sum() < 0.4
    assert corners.min() > 0.01 and corners.max() < 0.99
