"""What is written is what the demo layout's reader reads."""

import json

import numpy as np

from utils.captures import load_capture
from utils.captures.pose_files import save_pose


def test_round_trip(capture_dir):
    rng = np.random.default_rng(0)
    xy, confidence = rng.uniform(0, 100, (2, 21, 2)), rng.uniform(0.1, 1, (2, 21))
    xy[1, 7], confidence[1, 7] = np.nan, 0.5
    save_pose(capture_dir / "1" / "pose" / "03.json", xy, confidence, (120, 160))
    capture = load_capture(capture_dir, "1")
    read_xy, read_confidence = capture.views[3].keypoints()
    np.testing.assert_allclose(read_xy, xy, atol=1e-4)  # 1e-7 of a coordinate in [-1, 1]
    assert read_confidence[1, 7] == 0
    seen = np.isfinite(xy[..., 0])
    np.testing.assert_allclose(read_confidence[seen], confidence[seen], atol=1e-3)


def test_a_hand_that_was_not_seen(tmp_path):
    xy = np.full((2, 21, 2), np.nan)
    xy[0] = 50
    save_pose(tmp_path / "00.json", xy, np.ones((2, 21)), (100, 100), np.full((2, 21), 10.0))
    data = json.loads((tmp_path / "00.json").read_text())
    assert data["Right"] == [] and "Right_confidence" not in data
    assert data["Left"][0] == [0.0, 0.0, -0.8]
