"""Keypoints of all ranges, and of all ways to say that a hand is not seen."""

import json

import numpy as np
import pytest

from utils.cameras import Cameras
from utils.captures import load_capture
from utils.captures.keypoint_forms import Range, numbers_of, range_of, without_fillings
from utils.errors import UserError

SIZE = np.array([160, 120])  # width, height of the small capture's photos


@pytest.fixture
def poses(capture_dir):
    return sorted((capture_dir / "1" / "pose").iterdir())


@pytest.fixture
def expected(capture_dir):
    return load_capture(capture_dir, "1").keypoints[0]


def rewrite(path, change):
    """Change the rows (21, 3) of both hands, and leave other things alone."""
    data = json.loads(path.read_text())
    lists = {side: change(np.reshape(values, (21, 3))).tolist() for side, values in data.items()}
    path.write_text(json.dumps(lists))


def unit(rows):
    return (rows + 1) / 2


def pixels(rows):
    return unit(rows) * [*SIZE, 1]


@pytest.mark.parametrize(
    "change, note",
    [
        (unit, "keypoints are in [0, 1], not in [-1, 1]: x read as u / W instead of 2u / W - 1"),
        (pixels, "keypoints are in pixels, not in [-1, 1]: x read as u instead of 2u / W - 1"),
    ],
)
def test_ranges_are_told_apart(capture_dir, poses, expected, change, note):
    for path in poses:
        rewrite(path, change)
    capture = load_capture(capture_dir, "1")
    assert not list(capture.notes)  # opening reads no keypoints
    np.testing.assert_allclose(capture.views[3].keypoints()[0], expected[3], atol=1e-9)
    np.testing.assert_allclose(capture.keypoints[0], expected, atol=1e-9)
    assert list(capture.notes) == [note]


@pytest.mark.parametrize("most, other", [(lambda x: x, pixels), (unit, pixels), (pixels, unit)])
def test_a_view_in_another_range_is_left_out(capture_dir, poses, expected, most, other):
    for path in poses:
        rewrite(path, other if path.stem == "02" else most)
    capture = load_capture(capture_dir, "1")
    xy, confidence = capture.keypoints
    assert np.isnan(xy[2]).all() and (confidence[2] == 0).all()
    kept = [0, 1, 3, 4]
    np.testing.assert_allclose(xy[kept], expected[kept], atol=1e-9)
    assert capture.notes[-1].startswith("keypoints of view 02 are in another range than")


def test_hands_in_one_quarter_of_all_photos_stay_in_their_range(capture_dir, poses, expected):
    """Coordinates in [-1, 1] of hands at the lower right are in [0, 1], too: the cameras tell."""
    cameras = load_capture(capture_dir, "1").cameras
    sizes = cameras.sizes.numpy()
    signed = 2 * expected / sizes[0, ::-1] - 1
    moved = np.where(np.isfinite(signed), 0.5 + 0.49 * signed / np.nanmax(np.abs(signed)), np.nan)
    moved_K = cameras.K.clone()  # that see the same hands there
    scale = 0.49 / np.nanmax(np.abs(signed))
    for axis, extent in enumerate(SIZE):
        moved_K[:, axis, axis] *= scale
        centre = 2 * cameras.K[:, axis, 2] / extent - 1
        moved_K[:, axis, 2] = (0.5 + scale * centre + 1) / 2 * extent
    own = Cameras(moved_K, cameras.R, cameras.t, cameras.sizes)
    assert range_of(moved, sizes, own)[0] is Range.SIGNED
    assert range_of(moved, sizes)[0] is Range.UNIT  # as nobody could tell


NOT_SEEN = [
    None,
    [],
    [0.0] * 63,
    [-1.0] * 63,
    [None] * 63,
    [None] * 21,
    [[None] * 3] * 20 + [None],
    [float("nan")] * 63,
    [0.3, 0.2, 0.0] * 21,
]


@pytest.mark.parametrize("values", NOT_SEEN)
def test_a_hand_that_is_not_seen(capture_dir, poses, expected, values):
    for path in poses:
        path.write_text(json.dumps({**json.loads(path.read_text()), "Left": values}))
    capture = load_capture(capture_dir, "1")
    xy, confidence = capture.keypoints
    assert np.isnan(xy[:, 0]).all() and (confidence[:, 0] == 0).all()
    np.testing.assert_array_equal(xy[:, 1], expected[:, 1])
    filled = isinstance(values, list) and bool(values) and values[0] in (0.0, -1.0, 0.3)
    said = "the left hand is one point in all views: taken as not seen"
    assert list(capture.notes) == [said] * filled


def test_a_missing_side_is_not_seen(capture_dir, poses, expected):
    data = json.loads(poses[1].read_text())
    poses[1].write_text(json.dumps({"Right": data["Right"], "Right_confidence": None}))
    xy, confidence = load_capture(capture_dir, "1").keypoints
    assert np.isnan(xy[1, 0]).all() and (confidence[1, 1] == 1).all()
    np.testing.assert_array_equal(xy[1, 1], expected[1, 1])


def test_single_keypoints_that_are_not_seen(capture_dir, poses):
    def change(rows):
        rows = rows.tolist()
        rows[3], rows[5], rows[7], rows[9] = [-1] * 3, None, [0, 0, 0], [0, 0, -1]
        return np.array(rows, object)

    data = json.loads(poses[0].read_text())
    rows = change(np.reshape(data["Right"], (21, 3)))
    poses[0].write_text(json.dumps({**data, "Right": list(rows), "Right_confidence": [0.5] * 21}))
    xy, confidence = load_capture(capture_dir, "1").keypoints
    assert np.nonzero(np.isnan(xy[0, 1, :, 0]))[0].tolist() == [3, 5, 7, 9]
    assert confidence[0, 1, [3, 5, 7, 9]].tolist() == [0] * 4 and confidence[0, 1, 4] == 0.5


def test_one_keypoint_in_the_middle_of_the_photo_is_seen():
    rng = np.random.default_rng(0)
    hand = rng.uniform(-0.5, 0.5, (1, 21, 2))
    hand[0, 4] = 0
    xy, filled = without_fillings(hand)
    assert np.isfinite(xy).all() and not filled.any()


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"Left": [' + "1" * 500 + "]}", "'Left' holds something other than numbers"),
        ('{"Left": [' + "1" * 5000 + "]}", "04.json is "),
        ("[" * 100_000 + "]" * 100_000, "04.json is "),
        ('{"Left": [' + "1e300," * 62 + "1]}", "'Left' holds .* no coordinates"),
        ('{"Left": [[1, 2], [3]]}', "'Left' holds something other than numbers"),
    ],
)
def test_hostile_files(capture_dir, poses, text, message):
    poses[4].write_text(text)
    with pytest.raises(UserError, match=message):
        _ = load_capture(capture_dir, "1").keypoints


def test_numbers_of_rows_with_nulls():
    np.testing.assert_array_equal(numbers_of([[1, 2, None], None]), [1, 2] + [np.nan] * 4)
    assert numbers_of(None).shape == numbers_of([]).shape == (0,)
