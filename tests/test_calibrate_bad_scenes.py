"""calibrate_cameras.py on photos that do not belong together, and before a mirror."""

import numpy as np
import pytest

from tests.scenes.phones import chosen_photos, two_tables
from utils.calibration.agreement import compare_cameras
from utils.captures import load_capture
from utils.captures.calibrations.cameras_json import read
from utils.io.files import load_json
from utils.io.meshes import load_mesh

pytestmark = pytest.mark.slow


@pytest.fixture
def calibrate(tmp_path, run_main):
    """Calibrate by the photos and keypoints of a folder."""
    pytest.importorskip("pycolmap", reason="pycolmap is not installed")

    def run(folder, *args):
        places = "--data_path", tmp_path / "my_data", "--out_path", tmp_path / "out"
        shots = "--photos", folder / "photos", "--keypoints", folder / "pose"
        return run_main("calibrate_cameras.py", *places, *shots, *args)

    return run


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return two_tables(tmp_path_factory.mktemp("phones"))


def test_of_two_pieces_the_larger_is_kept_and_the_other_named(tmp_path, calibrate, tables):
    here, there = tables
    photos = chosen_photos(tmp_path / "in", (here, range(6)), (there, range(6, 16)))
    done = calibrate(photos)
    assert done.returncode == 0, done.stderr
    said = (
        "warning: the photos fall into 2 pieces that do not connect: 10 photos (06.jpg to 15.jpg) "
        "and 6 photos (00.jpg to 05.jpg); the largest is kept"
    )
    assert said in done.stdout
    assert "verdict: doubtful" in done.stdout
    folder = tmp_path / "my_data" / "1" / "calibration"
    report = load_json(folder / "report.json")
    assert report["pieces"] == [[f"{k:02d}.jpg" for k in range(6)]]
    assert report["not_registered"] == []
    assert report["registered"] == 10
    kept = [f"{k:02d}" for k in range(6, 16)]
    assert report["views"] == [f"{name}.jpg" for name in kept]
    found = read(folder / "cameras.json").cameras
    assert [camera.name for camera in found] == kept
    capture = load_capture(tmp_path / "my_data", "1", {"data_type": "demo"})
    assert len(capture) == len(list((tmp_path / "my_data" / "1" / "img").iterdir())) == 10
    assert cameras_miss(found, there) < 0.5  # 10 photos of 360x480, as in test_calibrate_cameras


def cameras_miss(found, demo):
    """Root mean square of pixels by which cameras miss the demo's hand."""
    truth = {camera.name: camera for camera in read(demo / "gt" / "cameras.json").cameras}
    verts = load_mesh(demo / "gt" / "mesh.ply")[0][::20]
    px, _ = compare_cameras(found, [truth[camera.name] for camera in found], verts)
    return np.sqrt((px**2).mean())


def test_pieces_that_are_all_too_small_are_the_cause_that_is_named(tmp_path, calibrate, tables):
    here, there = tables
    photos = chosen_photos(tmp_path / "in", (here, range(3)), (there, range(6, 9)))
    done = calibrate(photos, "--way", "background")
    assert done.returncode == 2
    assert "2 pieces that do not connect: 3 photos (" in done.stderr
    for piece in ("00.jpg to 02.jpg", "06.jpg to 08.jpg"):
        assert piece in done.stderr
    assert "too little to see" not in done.stderr
    scan = tmp_path / "my_data" / "1"
    assert [path.name for path in scan.iterdir()] == ["calibration"]  # no half of a capture
    kept = {path.name.split("_")[0] for path in (scan / "calibration").iterdir()}
    assert kept == {"colmap", "photos"}  # a run with more photos or another way goes on from there
