"""A capture is opened by the reader of its layout."""

import numpy as np
import pytest
import torch

from tests.scenes.captures import ring_of_cameras
from tests.utils.stage.test_job import job_of
from utils.captures import list_scans, load_capture, open_capture
from utils.captures.camera_files import save_cameras
from utils.detection.own_files import OwnFiles
from utils.errors import UserError
from utils.io import images
from utils.io.files import link_or_copy
from utils.io.images import load_mask, save_image


def test_an_unknown_layout_names_those_that_exist(capture_dir):
    with pytest.raises(UserError, match=r"data_type = dmeo: no such layout; there are demo"):
        load_capture(capture_dir, "1", {"data_type": "dmeo"})


def test_scans_are_listed_as_people_count(tmp_path):
    for name in ("take_10", "take_2", "take_1"):
        (tmp_path / name / "img").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    assert list_scans(tmp_path) == ["take_1", "take_2", "take_10"]


def test_notes_are_printed_once_whenever_they_are_found(capture_dir, capsys):
    scan = capture_dir / "1"
    for view in range(4, -1, -1):
        (scan / "img" / f"{view:02d}.png").rename(scan / "img" / f"{view + 1}.png")
    for path in (scan / "mask").iterdir():
        save_image(path, load_mask(path).astype(np.uint8))
    job = job_of(capture_dir)
    for corrected in (False, True):
        capture = open_capture(job, corrected)
        for view in range(5):
            capture.mask(view)
    names, masks, poses, values = capsys.readouterr().out.splitlines()
    assert names == (
        "note: 5 photos, in the order of their names: 1.png is camera 0, ..., 5.png is camera 4"
    )
    assert masks.startswith("note: mask/ is paired") and poses.startswith("note: pose/ is paired")
    assert values.startswith("note: masks of all views are of small values")
    assert capture.names == ["1", "2", "3", "4", "5"] and len(capture.notes) == 4


def test_a_hundred_views_open_without_a_look_at_their_pixels(capture_dir, tmp_path, monkeypatch):
    cameras = ring_of_cameras(100, size=(120, 160))
    source, scan = capture_dir / "1", tmp_path / "many" / "1"
    for view in range(100):
        for part, suffix in (("img", "png"), ("mask", "png"), ("pose", "json")):
            link_or_copy(source / part / f"00.{suffix}", scan / part / f"{view:02d}.{suffix}")
    save_cameras(scan / "camera" / "param.npz", cameras, None)
    decoded = []
    monkeypatch.setattr(images, "_decoded", lambda path, _: decoded.append(path))
    assert len(load_capture(tmp_path / "many", "1")) == 100
    assert not decoded


def test_corrected_cameras_are_a_field_of_the_capture(capture_dir, tmp_path):
    job = job_of(capture_dir)
    assert not open_capture(job, corrected=True).cameras_corrected
    save_cameras(job.out_path / "cameras" / "param_1.npz", ring_of_cameras(5, focal=99.0), None)
    assert not open_capture(job).cameras_corrected
    capture = open_capture(job, corrected=True)
    assert capture.cameras_corrected and float(capture.cameras.K[0, 0, 0]) == pytest.approx(99)


def test_k_scale_brings_K_to_the_photos(capture_dir):
    """Borders of photos stay borders: pixel x lies at s (x + 1/2) - 1/2 afterwards."""
    given, scaled = (load_capture(capture_dir, "1", {"k_scale": s}).cameras for s in (1.0, 0.5))
    points = torch.tensor([[0.1, -0.05, 0.02]], dtype=torch.float64)
    expected = 0.5 * (given.project(points) + 0.5) - 0.5
    torch.testing.assert_close(scaled.project(points), expected)
    assert torch.equal(scaled.sizes, given.sizes)


def test_masks_that_the_detector_stage_made_are_known(capture_dir):
    job = job_of(capture_dir)
    own = OwnFiles.of_detection(job.out_path, job.scan_id, job.scan_dir)
    assert open_capture(job).detected_masks == []
    for view in (1, 3):
        mask = load_mask(capture_dir / "1" / "mask" / f"{view:02d}.png")
        own.write(
            capture_dir / "1" / "mask" / f"{view:02d}.png", lambda p, m=mask: save_image(p, m)
        )
    assert open_capture(job).detected_masks == [1, 3]
    changed = np.zeros_like(mask)
    save_image(capture_dir / "1" / "mask" / "03.png", changed)
    assert open_capture(job).detected_masks == [1]
