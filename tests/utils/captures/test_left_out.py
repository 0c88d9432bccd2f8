"""Views that pose_optim.py left out say nothing to the stages after it."""

import numpy as np
import pytest

from tests.utils.stage.test_job import job_of
from utils.captures import load_capture, open_capture
from utils.captures.mends import recorded_left_out, without_views
from utils.errors import UserError
from utils.io.files import save_json


def test_their_keypoints_and_masks_are_not_seen(capture_dir):
    capture = without_views(load_capture(capture_dir, "1"), [1, 3])
    xy, confidence = capture.keypoints
    assert np.isnan(xy[[1, 3]]).all() and (confidence[[1, 3]] == 0).all()
    assert np.isfinite(xy[[0, 2, 4]]).all()
    assert [capture.mask(view) is None for view in range(5)] == [False, True, False, True, False]
    assert capture.image(1).shape == (120, 160, 3) and capture.left_out == (1, 3)


def test_stages_find_them_in_the_results_of_pose_optim(capture_dir):
    job = job_of(capture_dir)
    save_json(job.out_path / "keypoints3d" / "keypoints_3d_1.json", {"left_out": [2], "mended": {}})
    assert open_capture(job, mended=True).left_out == (2,)
    assert open_capture(job).left_out == ()


@pytest.mark.parametrize("facts", [[], {"left_out": 3}, {"left_out": [7]}, {"left_out": ["a"]}])
def test_damaged_facts_are_told(tmp_path, facts):
    path = tmp_path / "keypoints_3d_1.json"
    save_json(path, facts)
    with pytest.raises(UserError, match="'left_out' is not as pose_optim"):
        recorded_left_out(path, 5)


def test_no_facts_leave_nothing_out(tmp_path):
    assert recorded_left_out(tmp_path / "none.json", 5) == ()
