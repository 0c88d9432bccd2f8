"""A hand's course: gaps, turns, and the file of the whole sequence."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from models.hand import load_hand_model
from models.hand.fitted import FittedHand
from models.sequences.course import course_of
from models.sequences.files import save_sequence
from models.sequences.walk import FramePoses
from utils.motion.load import load_motion
from utils.motion.options import MotionOptions

STEP = 0.02  # metres and radians a frame


@pytest.fixture(scope="module")
def model():
    return load_hand_model("right", "open", dtype=torch.float64)


def frame(model, step: int, turn: float = STEP) -> FramePoses:
    """A hand that goes evenly along x, turns evenly about z, and bends all joints a little."""
    pose = torch.full((1, 48), 0.001 * step).double()
    pose[0, :3] = torch.from_numpy(Rotation.from_rotvec([0, 0, turn * step]).as_rotvec())
    trans = torch.tensor([[STEP * step, 0, 0]]).double()
    hand = FittedHand(model, pose, torch.zeros(1, 10).double(), trans, torch.ones(1).double())
    return FramePoses({"right": hand}, {"right": 1e6 * torch.eye(51).double()}, {"right": 51.0})


def test_short_gaps_are_bridged_and_long_ones_are_not(model):
    steps = [*range(6), *range(8, 12), *range(20, 26)]
    course = course_of("right", {k: frame(model, k) for k in steps}, 28, 4, smoothing=True)
    assert np.flatnonzero(course.seen).tolist() == steps
    assert np.flatnonzero(course.bridged).tolist() == [6, 7]
    # An even movement stays even: in gaps of any length, and at rest beyond the ends.
    expected = STEP * np.minimum(np.arange(28), 25)
    assert np.allclose(course.trans[:, 0], expected, atol=1e-4)
    assert course_of("left", {0: frame(model, 0)}, 1, 4, smoothing=True) is None


def test_a_turn_goes_through_half_a_circle(model):
    """Rotation vectors jump there, turns do not."""
    frames = {k: frame(model, k, turn=0.3) for k in range(24)}
    course = course_of("right", frames, 24, 4, smoothing=True)
    true = Rotation.from_rotvec(0.3 * np.arange(24)[:, None] * [0, 0, 1.0])
    off = (Rotation.from_rotvec(course.rotation) * true.inv()).magnitude()
    assert off.max() < 1e-3


def test_without_smoothing_frames_stay_as_fitted(model):
    frames = {k: frame(model, k) for k in range(5)}
    frames[2].hands["right"].trans[0, 1] = 0.03
    course = course_of("right", frames, 5, 4, smoothing=False)
    assert np.allclose(course.trans[2], [2 * STEP, 0.03, 0])


def test_the_file_is_laid_out_as_amass_has_it(model, tmp_path):
    frames = {k: frame(model, k) for k in (0, 1, 3)}
    course = course_of("right", frames, 4, 4, smoothing=False)
    like = frames[0].hands["right"]
    path = tmp_path / "sequence" / "0-3_sequence.npz"
    save_sequence(path, {"right": course}, {"right": like}, ["0", "1", "2", "3"], 30.0)
    with np.load(path, allow_pickle=False) as file:
        found = dict(file)
    assert found["poses"].shape == (4, 156) and found["trans"].shape == (4, 3)
    assert not found["poses"][:, :63].any() and not found["poses"][:, 66:111].any()
    assert np.allclose(found["poses"][3, 63:66], frames[3].hands["right"].pose[0, :3])
    fingers = frames[3].hands["right"].pose[0, 3:] + model.hands_mean
    assert np.allclose(found["poses"][3, 111:156], fingers)
    assert np.allclose(found["right_trans"][:, 0], STEP * np.arange(4))
    assert found["right_seen"].tolist() == [True, True, False, True]
    assert not found["left_seen"].any() and found["left_betas"].shape == (10,)
    assert found["mocap_framerate"] == 30 and found["frames"].tolist() == ["0", "1", "2", "3"]
    assert found["right_scale"] == 1 and found["hand_model"] == "open"
    moving = load_motion(path, MotionOptions(fps=30.0))
    assert len(moving) == 4 and np.allclose(moving[3][0]["pose"][3:], fingers)
