"""calibrate_cameras.py as users run it: what it refuses, and a phone's photos from end to end."""

import numpy as np
import pytest

from make_demo import main as make_demo
from utils.calibration.agreement import compare_cameras
from utils.captures import load_capture
from utils.captures.calibrations.cameras_json import read
from utils.io.files import load_json
from utils.io.images import save_image
from utils.io.meshes import load_mesh


@pytest.fixture
def run(tmp_path, run_main):
    def run(*args):
        places = "--data_path", tmp_path / "my_data", "--out_path", tmp_path / "out"
        return run_main("calibrate_cameras.py", *places, *args)

    return run


def test_a_board_is_printed(tmp_path, run):
    done = run("--board-pdf", tmp_path / "b.pdf", "--board", "april:3x4:40:12")
    assert done.returncode == 0
    assert "april:3x4:40:12" in done.stdout
    assert (tmp_path / "b.pdf").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--photos is missing"),
        (("--photos", "no_such"), "no_such is missing"),
        (("--photos", "x", "--distance", "80"), "--distance and --marks belong together"),
        (("--photos", "x", "--board", "5x7"), "expected charuco"),
        (("--photos", "x", "--focal", "-3"), "--focal -3"),
    ],
)
def test_messages(run, tmp_path, arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "my_data").exists()


def test_a_capture_of_somebody_is_not_replaced(tmp_path, run):
    save_image(tmp_path / "my_data" / "1" / "img" / "00.png", np.zeros((8, 8)))
    done = run("--photos", tmp_path)
    assert done.returncode == 2
    assert "did not write" in done.stderr


def test_plain_photos_without_hands_are_refused_and_nothing_is_written(tmp_path, run):
    for k in range(4):
        save_image(tmp_path / "in" / f"{k}.png", np.full((64, 64), 0.5))
    (tmp_path / "none").mkdir()
    done = run("--photos", tmp_path / "in", "--way", "hands", "--keypoints", tmp_path / "none")
    assert done.returncode == 2
    assert "no file named like a photo, such as 0.json" in done.stderr
    assert not (tmp_path / "my_data" / "1" / "img").exists()


@pytest.mark.slow
def test_a_phone_around_a_hand(tmp_path, run):
    pytest.importorskip("pycolmap", reason="pycolmap is not installed")
    demo = "--rig phone --photos 16 --hands right --board --renderer raster --levels 0 --seed 1"
    lens = ["--distortion", "0.08,-0.12"]
    assert make_demo([*demo.split(), *lens, "--out", str(tmp_path), "--scan_id", "phone"]) == 0
    phone = tmp_path / "phone"
    done = run("--photos", phone / "photos", "--keypoints", phone / "pose", "--board")
    assert done.returncode == 0, done.stderr
    assert "16 of 16 photos registered" in done.stdout
    report = load_json(tmp_path / "my_data" / "1" / "calibration" / "report.json")
    assert report["scale"]["by"] == "board"
    capture = load_capture(tmp_path / "my_data", "1", {"data_type": "demo"})
    assert len(capture) == 16
    assert np.isfinite(capture.keypoints[0]).any()
    found = read(tmp_path / "my_data" / "1" / "calibration" / "cameras.json").cameras
    truth = {camera.name: camera for camera in read(phone / "gt" / "cameras.json").cameras}
    verts = load_mesh(phone / "gt" / "mesh.ply")[0][::20]
    px, (scale, _, _) = compare_cameras(found, [truth[c.name] for c in found], verts)
    assert np.sqrt((px**2).mean()) < 0.5  # 16 photos of 360x480; 60 larger ones give 0.15
    assert scale == pytest.approx(1, abs=0.006)
    again = run("--photos", phone / "photos", "--keypoints", phone / "pose", "--board")
    assert "up to date" in again.stdout
