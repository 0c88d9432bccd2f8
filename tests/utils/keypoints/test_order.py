"""The skeleton, the file of keypoints, and telling left from right."""

import numpy as np
import pytest

from tests.scenes.captures import two_hands
from utils.errors import UserError
from utils.keypoints.order import (
    BONES,
    bone_lengths,
    load_keypoints,
    right_handedness,
    save_keypoints,
)


def test_bones_form_a_tree_from_the_wrist():
    assert sorted(BONES[:, 1]) == list(range(1, 21))
    assert (BONES[:, 0] < BONES[:, 1]).all()
    assert BONES[BONES[:, 0] == 0, 1].tolist() == [1, 5, 9, 13, 17]


def test_keypoints_survive_the_file_exactly(tmp_path):
    points = np.random.default_rng(0).normal(size=(2, 21, 3)) / 3
    points[0, 4] = np.nan
    save_keypoints(tmp_path / "k.xyz", points)
    assert len((tmp_path / "k.xyz").read_text().splitlines()) == 42
    np.testing.assert_array_equal(load_keypoints(tmp_path / "k.xyz"), points)


@pytest.mark.parametrize(
    "text, message",
    [(None, "is missing; run pose_optim.py first"), ("1 2 3\n", "holds 1 x 3 numbers"),
     ("a b c\n", "is no table of numbers")],
)  # fmt: skip
def test_foreign_keypoint_files(tmp_path, text, message):
    if text is not None:
        (tmp_path / "k.xyz").write_text(text)
    with pytest.raises(UserError, match=message):
        load_keypoints(tmp_path / "k.xyz")


def edited(change) -> np.ndarray:
    points = np.array(two_hands(np.random.default_rng(0)))
    change(points)
    return points


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: p[0].fill(0.3), "one point is every keypoint of the left hand"),
        (lambda p: p[1, 4].fill(1e300), r"1e\+300 is a coordinate of the right hand"),
        (lambda p: p[0, 4].fill(np.inf), "inf is a coordinate of the left hand"),
        (lambda p: p[1, 8].fill(1e4), "times as long as most of the right hand"),
    ],
)
def test_edited_keypoints_are_refused(tmp_path, change, message):
    save_keypoints(tmp_path / "k.xyz", edited(change))
    with pytest.raises(UserError, match=rf"k\.xyz.*{message}.*; run pose_optim.py first"):
        load_keypoints(tmp_path / "k.xyz")


def test_a_hand_of_zeros_and_rows_with_a_nan_were_not_seen(tmp_path):
    def change(points):
        points[0], points[1, 3, 2] = 0, np.nan

    save_keypoints(tmp_path / "k.xyz", edited(change))
    loaded = load_keypoints(tmp_path / "k.xyz")
    assert np.isnan(loaded[0]).all() and np.isnan(loaded[1, 3]).all()
    assert np.isfinite(np.delete(loaded[1], 3, 0)).all()


def test_bone_lengths():
    points = np.zeros((21, 3))
    points[4] = [3, 4, 0]
    lengths = bone_lengths(points)
    assert lengths.shape == (20,) and lengths[BONES[:, 1] == 4] == 5 and lengths.sum() == 5


@pytest.mark.parametrize("seed", range(5))
def test_right_handedness_tells_left_from_right(seed):
    left, right = two_hands(np.random.default_rng(seed))
    assert right_handedness(left) < -0.15 < 0.15 < right_handedness(right)


def test_right_handedness_with_unseen_joints():
    right = two_hands(np.random.default_rng(0))[1]
    right[8] = np.nan
    assert right_handedness(right) > 0.15
    assert np.isnan(right_handedness(np.full((21, 3), np.nan)))
