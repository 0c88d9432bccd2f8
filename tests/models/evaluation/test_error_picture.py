import numpy as np
import pytest
import torch

from models.evaluation.error_picture import (
    SIDES_OF_A_HAND,
    _cameras_around,
    error_colors,
    error_picture,
)
from models.ham.reconstruction import load_reconstruction
from tests.scenes.evaluation import write_reconstruction
from tests.scenes.ham import hand_scene
from utils.io.images import load_image

WRIST, THUMB_TIP, LITTLE_TIP, MIDDLE_TIP = 0, 4, 20, 12


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hands")
    write_reconstruction(folder, hand_scene(views=1, pixels=40))
    return load_reconstruction(folder, "1")


def test_colours_are_white_at_no_error_and_grey_where_unknown():
    colors, limit = error_colors(np.array([0, 0.4, -0.4, np.nan]))
    assert limit == 0.5
    np.testing.assert_allclose(colors[0], 1, atol=0.05)
    assert colors[1][0] > colors[1][2] and colors[2][0] < colors[2][2]  # red outside, blue inside
    np.testing.assert_array_equal(colors[3], 0.5)
    assert error_colors(np.full(3, np.nan))[1] == 0.25


@pytest.mark.parametrize("side", ["left", "right"])
def test_each_side_faces_its_camera(hands, side):
    """Fingers up; in the thumb's picture the thumb is nearer than the little finger."""
    own = hands.hand(side)
    points = torch.from_numpy(own.keypoints()[0 if side == "left" else 1])
    px = _cameras_around(own).px_from_world(points)
    depth, y = px[..., 2], px[..., 1] / px[..., 2]
    assert (y[:, WRIST] > y[:, MIDDLE_TIP]).all()
    view = {name: k for k, name in enumerate(SIDES_OF_A_HAND)}
    nearer = depth[:, THUMB_TIP] < depth[:, LITTLE_TIP]
    assert nearer[view["thumb"]] and not nearer[view["little finger"]]
    bent = depth[:, [8, 12, 16]].mean(1) < depth[:, [5, 9, 13]].mean(1)
    assert bent[view["palm"]] and not bent[view["back"]]  # fingers bend towards the palm


def test_a_picture_of_both_hands(hands, tmp_path):
    colors, limit = error_colors(np.linspace(-1, 1, len(hands.verts)))
    error_picture(tmp_path / "error.png", hands, colors, limit)
    image = load_image(tmp_path / "error.png")
    assert image.shape[1] > 1000 and image.std() > 0.05
