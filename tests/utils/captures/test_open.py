"""A capture is opened by the reader of its layout."""

import pytest

from tests.scenes.captures import ring_of_cameras
from tests.utils.stage.test_job import job_of
from utils.captures import list_scans, load_capture, open_capture
from utils.captures.camera_files import save_cameras
from utils.errors import UserError


def test_an_unknown_layout_names_those_that_exist(capture_dir):
    with pytest.raises(UserError, match=r"data_type = dmeo: no such layout; there are demo"):
        load_capture(capture_dir, "1", {"data_type": "dmeo"})


def test_scans_are_listed_as_people_count(tmp_path):
    for name in ("take_10", "take_2", "take_1"):
        (tmp_path / name / "img").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    assert list_scans(tmp_path) == ["take_1", "take_2", "take_10"]


def test_corrected_cameras_are_a_field_of_the_capture(capture_dir, tmp_path):
    job = job_of(capture_dir)
    assert not open_capture(job, corrected=True).cameras_corrected
    save_cameras(job.out_path / "cameras" / "param_1.npz", ring_of_cameras(5, focal=99.0), None)
    assert not open_capture(job).cameras_corrected
    capture = open_capture(job, corrected=True)
    assert capture.cameras_corrected and float(capture.cameras.K[0, 0, 0]) == pytest.approx(99)
