"""What a fit is told of a capture: detections under the hands they show, masks, photos."""

import numpy as np
import pytest

from models.fitting.observations import Observations
from tests.scenes.hands import hand_scene
from utils.stage.config import load_config


class CaptureOf:
    """A scene as a capture in memory, each detection under the name `xy` gives it."""

    def __init__(self, scene, xy):
        self.cameras, self.keypoints = scene.cameras, (xy, np.isfinite(xy[..., 0]).astype(float))
        self.mask, self.image = scene.masks.__getitem__, lambda view: view
        self.left_out, self.detected_masks = [1], [2]

    def __len__(self):
        return len(self.cameras)


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=3)


def pose_options(*overrides: str):
    return load_config(None, overrides).pose_optim


def test_detections_stand_with_the_hands_they_show(scene):
    xy = scene.xy.copy()
    xy[1] = xy[1, ::-1]
    seen = Observations.of(CaptureOf(scene, xy), scene.points, pose_options())
    np.testing.assert_array_equal(seen.xy, scene.xy)
    assert (seen.confidence == 1).all()
    assert seen.photo(2) == 2 and seen.photo(1) is None  # view 1 is left out


@pytest.mark.parametrize("override", ["pose_optim.fit_radius=0.1", "pose_optim.min_fit=0.9"])
def test_the_config_says_how_near_a_detection_must_be(scene, override):
    """One lies a tenth of the hand's size beside it: by default it fits by 1 - (0.1 / 0.25)^2."""
    xy = scene.xy.copy()
    xy[2, 0, :, 0] += 0.1 * np.linalg.norm(np.ptp(xy[2, 0], 0))
    capture = CaptureOf(scene, xy)
    assert np.isfinite(Observations.of(capture, scene.points, pose_options()).xy).all()
    strict = Observations.of(capture, scene.points, pose_options(override))
    assert np.argwhere(strict.confidence.sum(2) == 0).tolist() == [[2, 0]]
    assert np.isnan(strict.xy[2, 0]).all() and np.isfinite(strict.xy[:2]).all()


def test_masks_that_the_suite_made_are_known(scene):
    observations = Observations.of(CaptureOf(scene, scene.xy), scene.points, pose_options())
    assert list(observations.detected) == [2]


def test_masks_are_the_captures_unless_others_are_given(scene):
    capture = CaptureOf(scene, scene.xy)
    assert Observations.of(capture, scene.points, pose_options()).masks[1] is scene.masks[1]
    given = [None, scene.masks[0], None]
    assert Observations.of(capture, scene.points, pose_options(), given).masks is given
