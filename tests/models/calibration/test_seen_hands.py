"""Which hands a structure's photos show, whatever the detector called them."""

import numpy as np
import pytest
import torch

from models.calibration.found_keypoints import PhotoKeypoints
from models.calibration.seen_hands import SeenHands
from models.hand import load_hand_model
from models.hand.fitted import FittedHand
from models.hand.kinematics import LAYOUT, SIZE
from utils.calibration.structure import Structure
from utils.cameras import Similarity
from utils.stage.config import load_config
from utils.synthetic.phone.path import walk

VIEWS = 10


@pytest.fixture(scope="module")
def points():
    """Keypoints (21, 3) of a right hand whose fingers bend."""
    model, x = load_hand_model("right", "open", dtype=torch.float64), torch.zeros(SIZE).double()
    x[LAYOUT["pose"]] = 0.3 * torch.tensor([0.0, 0.0, 1.0] * 15)
    same = Similarity(1.0, torch.zeros(3, dtype=torch.float64))
    return FittedHand.of(model, x, same).keypoints().numpy()


def photographed(points, called):
    """A structure, and keypoints that each photo calls left (0) or right (1)."""
    rng = np.random.default_rng(0)
    cameras = walk(points, VIEWS, (480, 360), (), rng).cameras
    xy = np.full((VIEWS, 2, 21, 2), np.nan)
    for view, (camera, side) in enumerate(zip(cameras, called)):
        xy[view, side] = camera.project(points) + rng.normal(0, 0.5, (21, 2))
    nothing, none = np.zeros(0, int), np.zeros((0, 3))
    structure = Structure(cameras, none, nothing, nothing, none[:, :2], [], [])
    names = [camera.photo for camera in cameras]
    return structure, PhotoKeypoints(names, xy, np.isfinite(xy).all(-1).astype(float))


@pytest.mark.parametrize("wrong", [(), (3,), (1, 2, 4, 6, 7, 8, 9), range(VIEWS)])
def test_a_right_hand_is_one_whatever_photos_call_it(points, wrong):
    called = [0 if view in wrong else 1 for view in range(VIEWS)]
    hands = SeenHands.of(*photographed(points, called), load_config(), 0)
    assert np.isnan(hands.points[0]).all()
    assert np.linalg.norm(hands.points[1] - points, axis=1).max() < 0.004  # metres
    assert np.isfinite(hands.xy[:, 1]).all()  # in every photo, by whatever name
    assert not hands.confidence[:, 0].any()
    assert hands.exchanged == (len(wrong) > VIEWS / 2)
    assert ("the wrong way round" in " ".join(hands.lines())) == hands.exchanged


def test_photos_without_hands_show_none(points):
    structure, keypoints = photographed(points, [1] * VIEWS)
    keypoints.xy[:] = np.nan
    assert SeenHands.of(structure, keypoints, load_config(), 0) is None
