"""Keypoints in other orders and under exchanged names are mended where they are read."""

import json

import numpy as np
import pytest

from tests.scenes.captures import write_pose
from utils.captures import load_capture
from utils.captures.mends import Mend, mended, recorded_mend
from utils.captures.pose_files import load_pose
from utils.errors import UserError
from utils.keypoints.joint_orders import own_rows


def test_mended_captures_read_the_right_keypoints(capture_dir):
    truth = load_capture(capture_dir, "1").keypoints[0]
    rows = own_rows("interhand")
    for view in range(5):
        path = capture_dir / "1" / "pose" / f"{view:02d}.json"
        xy = np.empty((2, 21, 2))
        xy[:, rows] = load_pose(path, (120, 160))[0][::-1]
        write_pose(path, xy, (120, 160))
    capture = mended(load_capture(capture_dir, "1"), Mend("interhand", True))
    np.testing.assert_allclose(capture.keypoints[0], truth, atol=1e-9)
    np.testing.assert_allclose(capture.views[3].keypoints()[0], truth[3], atol=1e-9)


def test_nothing_to_mend_leaves_the_capture(capture_dir):
    capture = load_capture(capture_dir, "1")
    assert mended(capture, Mend()) is capture


def test_mends_are_recorded(tmp_path):
    path = tmp_path / "keypoints_3d_1.json"
    assert recorded_mend(path) == Mend()
    path.write_text("{}")  # by an earlier version
    assert recorded_mend(path) == Mend()
    path.write_text(json.dumps({"mended": Mend("mano", True).facts()}))
    assert recorded_mend(path) == Mend("mano", True)
    path.write_text(json.dumps({"mended": Mend(without_keypoints=(2, 4)).facts()}))
    assert recorded_mend(path) == Mend(without_keypoints=(2, 4))


def test_keypoints_that_show_something_else_are_not_seen(capture_dir):
    capture = mended(load_capture(capture_dir, "1"), Mend(without_keypoints=(1,)))
    xy, confidence = capture.keypoints
    assert np.isnan(xy[1]).all() and not confidence[1].any() and np.isfinite(xy[0]).any()
    assert capture.mask(1) is not None


@pytest.mark.parametrize("facts", ['{"mended": {"order": 1}}', '{"mended": 3}', "[]",
                                   '{"mended": {"joint_order": "x"}}',
                                   '{"mended": {"joint_order": []}}',
                                   '{"mended": {"without_keypoints": 2}}',
                                   '{"mended": {"without_keypoints": ["a"]}}',
                                   '{"mended": {"sides_exchanged": 1}}'])  # fmt: skip
def test_damaged_records_are_named(tmp_path, facts):
    path = tmp_path / "keypoints_3d_1.json"
    path.write_text(facts)
    with pytest.raises(UserError, match="'mended' is not as"):
        recorded_mend(path)
