"""Keypoints of other detectors: OpenPose, EasyMocap, .npy; and what is broken in them."""

import json

import numpy as np
import pytest

from tests.scenes.captures import project, ring_of_cameras, two_hands
from utils.detection.other_detectors import one_a_side, read_keypoints
from utils.errors import UserError

RNG = np.random.default_rng(0)
LEFT, RIGHT = RNG.uniform(10, 300, (2, 21, 2))
SPAN = np.array([799, 599])  # OpenPose divides by the size less one


def values(xy, confidence=0.9):
    return np.column_stack([xy, np.full(21, confidence)])


def openpose(*people):
    keys = "hand_left_keypoints_2d", "hand_right_keypoints_2d"
    people = [{key: values(xy).ravel().tolist() for key, xy in zip(keys, one)} for one in people]
    return {"version": 1.3, "people": people}


def easymocap(*people):
    keys = "handl2d", "handr2d"
    annots = [{key: values(xy).tolist() for key, xy in zip(keys, one)} for one in people]
    return {"filename": "000001.jpg", "height": 300, "width": 400, "annots": annots}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def check(found):
    """Both hands in view 0, the left one alone in view 1."""
    assert [[hand.side for hand in view] for view in found] == [[0, 1], [0]]
    np.testing.assert_allclose(found[0][1].xy, RIGHT)
    np.testing.assert_allclose(found[1][0].xy, LEFT)
    np.testing.assert_allclose(found[0][0].confidence, 0.9)
    assert one_a_side(found)


def test_openpose(tmp_path):
    write(tmp_path / "a_keypoints.json", openpose((LEFT, RIGHT)))
    data = openpose((LEFT, RIGHT))
    data["people"][0]["hand_right_keypoints_2d"] = [0] * 63  # how OpenPose says: not seen
    write(tmp_path / "b_keypoints.json", data)
    check(read_keypoints(tmp_path, 2, "1"))


def test_folders_without_padding_are_in_natural_order(tmp_path):
    for view in range(12):
        write(tmp_path / f"cam{view}" / "000001.json", openpose((LEFT + view, RIGHT)))
    found = read_keypoints(tmp_path, 12, "1")
    for view in range(12):
        np.testing.assert_allclose(found[view][0].xy, LEFT + view)


def test_nulls_mean_not_seen(tmp_path):
    data = openpose((LEFT, RIGHT))
    (person,) = data["people"]
    person["hand_right_keypoints_2d"] = None
    person["hand_left_keypoints_2d"][12:15] = [None] * 3
    write(tmp_path / "0.json", data)
    rows = [*values(LEFT).tolist()[:20], None]
    write(tmp_path / "1.json", {"annots": [{"handl2d": rows}]})
    (first,), (second,) = read_keypoints(tmp_path, 2, "1")
    assert np.nonzero(first.confidence == 0)[0].tolist() == [4] and np.isnan(first.xy[4]).all()
    assert np.nonzero(second.confidence == 0)[0].tolist() == [20]


@pytest.mark.parametrize(
    "scaled, said",
    [
        (lambda xy: xy, []),
        (lambda xy: xy / SPAN, ["are in [0, 1] of the photo, not in pixels: read so"]),
        (lambda xy: 2 * xy / SPAN - 1, ["are in [-1, 1] of the photo, not in pixels: read so"]),
    ],
)
def test_scales_of_openpose_are_told_apart(tmp_path, scaled, said):
    cameras = ring_of_cameras(4)
    exact = project(cameras, two_hands(np.random.default_rng(0)))
    for view, hands in enumerate(exact):
        write(tmp_path / f"{view}.json", openpose([scaled(xy) for xy in hands]))
    notes = []
    found = read_keypoints(tmp_path, 4, "1", cameras, notes.append)
    for view, hands in enumerate(found):
        for hand in hands:
            np.testing.assert_allclose(hand.xy, exact[view, hand.side], atol=1e-9)
    assert len(notes) == len(said) and all(text in note for text, note in zip(said, notes))


def test_a_view_in_another_scale_is_left_out(tmp_path):
    cameras = ring_of_cameras(4)
    exact = project(cameras, two_hands(np.random.default_rng(0)))
    for view, hands in enumerate(exact):
        write(tmp_path / f"{view}.json", openpose(hands / (SPAN if view == 2 else 1)))
    notes = []
    found = read_keypoints(tmp_path, 4, "1", cameras, notes.append)
    assert [len(hands) for hands in found] == [2, 2, 0, 2]
    assert notes == [f"keypoints of {tmp_path} are in another range in views 2: left out"]


def test_easymocap_a_folder_a_view(tmp_path):
    for scan in (1, 12):
        write(tmp_path / "cam1" / f"{scan:06d}.json", easymocap((LEFT, RIGHT)))
        write(tmp_path / "cam2" / f"{scan:06d}.json", easymocap((LEFT,)))
    check(read_keypoints(tmp_path, 2, "12"))


def test_older_easymocap_is_a_list(tmp_path):
    write(tmp_path / "0.json", easymocap((LEFT, RIGHT))["annots"])
    write(tmp_path / "1.json", easymocap((LEFT,))["annots"])
    check(read_keypoints(tmp_path, 2, "1"))


def test_npy(tmp_path):
    table = np.zeros((2, 42, 3))
    table[0] = np.concatenate([values(LEFT), values(RIGHT)])
    table[1, :21] = values(LEFT)
    table[1, 21:] = np.nan
    np.save(tmp_path / "scan7.npy", table)
    check(read_keypoints(tmp_path / "scan{scan}.npy", 2, "7"))


def test_keypoints_that_were_not_seen_and_scores_above_one(tmp_path):
    table = np.concatenate([values(LEFT, 1.2), values(RIGHT, 0)])[None]
    table[0, 4, 2] = 0
    np.save(tmp_path / "k.npy", table)
    ((hand,),) = read_keypoints(tmp_path / "k.npy", 1, "1")
    assert np.isnan(hand.xy[4]).all() and hand.confidence[4] == 0 and hand.confidence.max() == 1


def test_several_people_are_told_from_one(tmp_path):
    write(tmp_path / "0.json", openpose((LEFT, RIGHT), (LEFT + 50, RIGHT + 50)))
    found = read_keypoints(tmp_path, 1, "1")
    assert len(found[0]) == 4 and not one_a_side(found)


BROKEN = [
    ("{", "0.json is not valid JSON"),
    ({"persons": []}, "0.json is no file of keypoints; expected OpenPose's 'people' or Easy"),
    ({"people": [1]}, "0.json is no file of keypoints"),
    ({"people": [{"hand_left_keypoints_2d": [1, 2]}]}, "holds 2 numbers, expected 63"),
    ({"annots": [{"handr2d": ["a"]}]}, "'handr2d' holds something other than numbers"),
    ({"people": []}, "holds no hand in any of 1 views; detect again"),
]


@pytest.mark.parametrize("content, message", BROKEN)
def test_broken_json(tmp_path, content, message):
    write(tmp_path / "0.json", content)
    with pytest.raises(UserError, match=message):
        read_keypoints(tmp_path, 1, "1")


def test_wrong_numbers_of_files(tmp_path):
    write(tmp_path / "0.json", openpose((LEFT, RIGHT)))
    with pytest.raises(UserError, match="keypoints of 1 views, the capture has 3"):
        read_keypoints(tmp_path, 3, "1")
    for number in (4, 5):
        write(tmp_path / "cams" / "a" / f"{number:06d}.json", easymocap((LEFT,)))
    with pytest.raises(UserError, match=r"2 JSON files, none of scan 7; .* such as 000007.json"):
        read_keypoints(tmp_path / "cams", 1, "7")


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(UserError, match=r"none.npy is missing; expected a .npy"):
        read_keypoints(tmp_path / "none.npy", 1, "1")
    with pytest.raises(UserError, match=r"none is missing; expected a .npy of .*, or a folder"):
        read_keypoints(tmp_path / "none", 1, "1")
    with pytest.raises(UserError, match=r"k.csv is no .npy file; expected"):
        read_keypoints(write(tmp_path / "k.csv", "1,2,3"), 1, "1")


def test_broken_npy(tmp_path):
    np.save(tmp_path / "k.npy", np.zeros((2, 21, 3)))
    with pytest.raises(UserError, match="holds 2 x 21 x 3 numbers, expected 2 x 42 x 3"):
        read_keypoints(tmp_path / "k.npy", 2, "1")
    with pytest.raises(UserError, match=r"no .npy file of numbers"):
        read_keypoints(write(tmp_path / "text.npy", "hello"), 2, "1")
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"no .npy file of numbers"):
        read_keypoints(tmp_path / "objects.npy", 2, "1")
