"""Files that hold no motion: one line each, which says what is there and what should be."""

import numpy as np
import pytest

from tests.scenes.motion import smplh, write_npz, write_sequence
from utils.errors import UserError
from utils.motion.load import load_motion
from utils.motion.options import MotionOptions

NAN = np.where(np.arange(4)[:, None] > 1, np.nan, smplh(4))


def refused(path, **options) -> str:
    """What is said of a file."""
    with pytest.raises(UserError) as error:
        load_motion(path, MotionOptions(**options))
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("poses", "more", "message"),
    [
        (None, {}, "has no poses and no pose_hand; it has labels, betas, gender, mocap_framerate"),
        (np.zeros((4, 72)), {}, r"poses has shape (4, 72), a body without fingers; expected (T"),
        (np.zeros((4, 162)), {}, "poses has shape (4, 162), expected (T, 156) or (T, 165)"),
        (None, {"pose_hand": np.zeros((4, 24))}, "shape (4, 24), expected (T, 90)"),
        (np.zeros((0, 156)), {}, "poses has shape (0, 156), expected frames"),
        (np.zeros((4, 156), bool), {}, "poses holds bool, expected numbers"),
        (NAN, {}, "left hand in poses is not finite in frame 2 and in 1 more (of 4)"),
    ],
)
def test_bodies(tmp_path, poses, more, message):
    assert message in refused(write_npz(tmp_path / "a.npz", poses, **more))


def test_a_rate_that_is_none(tmp_path):
    message = refused(write_npz(tmp_path / "a.npz", smplh(4), -5.0))
    assert "mocap_framerate is array(-5.), expected frames a second" in message


def test_wrists_that_the_file_cannot_tell(tmp_path):
    path = write_npz(tmp_path / "a.npz", None, pose_hand=np.zeros((4, 90)))
    assert "has no root_orient; it has" in refused(path, wrists="file")
    poses = smplh(4)
    poses[3, 40] = np.nan  # the left collar bone
    path = write_npz(tmp_path / "b.npz", poses)
    assert "the left arm is not finite in frame 3" in refused(path, wrists="file")
    assert len(load_motion(path, MotionOptions(fps=120))) == 4


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"left_trans": np.zeros((3, 3))}, "left_trans has shape (3, 3), expected (4, 3)"),
        ({"left_seen": np.ones(3, bool)}, "left_seen has shape (3,) of bool, expected (4,) bool"),
        ({"left_trans": np.full((4, 3), np.nan)}, "left_trans is not finite in frame 0"),
        (dict.fromkeys(("left_seen", "right_seen"), np.zeros(4, bool)), "no frame shows a hand"),
    ],
)
def test_sequences(tmp_path, more, message):
    assert message in refused(write_sequence(tmp_path / "s.npz", smplh(4), **more))


def test_files_of_other_kinds(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no archive")
    assert "is no npz archive" in refused(tmp_path / "a.npz")
    assert "expected a file that ends in .pt, .npz or .json" in refused(tmp_path / "a.bvh")
    assert "is missing" in refused(tmp_path / "b.npz")
    assert "is missing" in refused(tmp_path / "b.json")
