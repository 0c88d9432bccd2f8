"""Forearms drawn into exact masks are found, and cost a perfect hand nothing."""

import numpy as np
import pytest
import torch

from models.evaluation.forearms import covered_pixels, find_forearms
from models.evaluation.views import shape_in_view
from models.ham.reconstruction import load_reconstruction
from models.hand.forearm import forearm_fan
from tests.scenes.evaluation import write_reconstruction
from tests.scenes.ham import hand_scene
from utils.geometry.mesh import open_edges
from utils.metrics.masks import mask_scores

VIEWS = 5


@pytest.fixture(scope="module")
def scene():
    return hand_scene(sides=("right",), views=VIEWS, pixels=120)


@pytest.fixture(scope="module")
def hand(scene, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hand")
    write_reconstruction(folder, scene)
    return load_reconstruction(folder, "1")


def with_forearm(scene, hand, direction):
    """The scene's masks with the tube of one direction drawn into them."""
    rim = open_edges(torch.from_numpy(hand.faces))
    points, faces = forearm_fan(torch.from_numpy(hand.verts), rim)
    tube = points.view(-1, 4 * len(rim), 3)[direction]
    drawn = covered_pixels(tube, faces[: 2 * len(rim)], hand.cameras)
    return [mask | forearm for mask, forearm in zip(scene.masks, drawn)]


@pytest.mark.parametrize("direction", [0, 3, 7, 12])
def test_a_forearm_is_found_and_left_out(scene, hand, direction):
    masks = with_forearm(scene, hand, direction)
    tube, faces = find_forearms(hand, hand.cameras, masks)
    drawn = covered_pixels(tube, faces, hand.cameras)
    missed = [mask & ~own & ~forearm for mask, own, forearm in zip(masks, scene.masks, drawn)]
    assert sum(pixels.sum() for pixels in missed) == 0  # the very direction
    whole = []
    for view in range(VIEWS):
        shape = shape_in_view(hand, hand.cameras[view], (tube, faces))
        assert mask_scores(shape.covered, masks[view], shape.ignored)["iou"] == 1
        nothing = np.zeros_like(shape.ignored)
        whole.append(mask_scores(shape.covered, masks[view], nothing)["iou"])
    assert min(whole) < 0.8


def test_masks_of_hands_alone_hold_no_forearm(scene, hand):
    assert find_forearms(hand, hand.cameras, scene.masks) is None
    grown = [np.roll(mask, 1, 0) | mask for mask in scene.masks]  # a pixel off
    assert find_forearms(hand, hand.cameras, grown) is None
    assert find_forearms(hand, hand.cameras, [None] * VIEWS) is None


def test_masks_of_some_views_are_enough(scene, hand):
    """Two views show it, in one the mask is cut at the wrist, two have no mask."""
    masks = with_forearm(scene, hand, 0)
    order = np.argsort([scene.masks[view].sum() - masks[view].sum() for view in range(VIEWS)])
    some = [None] * VIEWS
    for view in order[:2]:
        some[view] = masks[view]
    some[order[2]] = scene.masks[order[2]]
    assert find_forearms(hand, hand.cameras, some) is not None
