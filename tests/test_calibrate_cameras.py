"""calibrate_cameras.py as users run it: what it refuses, and a phone's photos from end to end."""

from pathlib import Path

import numpy as np
import pytest

from make_demo import main as make_demo
from utils.calibration.agreement import compare_cameras
from utils.cameras.calibrated import CalibratedCamera
from utils.captures import load_capture
from utils.captures.calibrations.cameras_json import read
from utils.captures.pose_files import save_pose
from utils.io.files import load_json, save_json
from utils.io.images import save_image
from utils.io.meshes import load_mesh
from utils.keypoints.triangulation import triangulate_hands
from utils.stage.config import load_config


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


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ({}, "is no folder of pose files"),
        ({"7.json": None}, "holds no file named like a photo, such as 00.json"),
        ({"a.png": 64, "b.png": 64, "c.png": 64}, "holds no photo named like one of --photos"),
        ({"00.png": 64, "01.png": 32, "02.png": 64}, "01.png has 32x32 pixels, in --photos 64x64"),
    ],
)
def test_moments_are_of_the_same_cameras(tmp_path, run, moment, words):
    names = [f"{k:02d}.png" for k in range(3)]
    for name in names:
        save_image(tmp_path / "in" / name, np.full((64, 64), 0.5))
        save_json(tmp_path / "pose" / f"{name[:2]}.json", {"Left": [], "Right": []})
    for name, size in moment.items():
        if size is None:
            save_json(tmp_path / "later" / name, {"Left": [], "Right": []})
        else:
            save_image(tmp_path / "later" / name, np.full((size, size), 0.5))
    keypoints = "--keypoints", tmp_path / "pose", "--keep-shaken"
    photos = "--photos", tmp_path / "in", "--way", "hands"
    done = run(*photos, *keypoints, "--moments", tmp_path / "later")
    assert done.returncode == 2
    assert words in done.stderr
    assert not (tmp_path / "my_data" / "1" / "img").exists()


@pytest.mark.slow
def test_the_demo_by_its_hands_at_two_moments(tmp_path, run):
    """The second moment is the first one again, its keypoints a pixel off."""
    demo, rng = load_capture(Path("demo_data"), "1"), np.random.default_rng(0)
    xy, confidence = demo.keypoints
    photos = sorted(Path("demo_data/1/img").iterdir())
    for view, (photo, size) in enumerate(zip(photos, demo.cameras.sizes.tolist())):
        for folder, noise in (("now", 0.0), ("later", 1.0)):
            moved = xy[view] + rng.normal(0, noise, xy[view].shape)
            path = tmp_path / folder / f"{photo.stem}.json"
            save_pose(path, moved, confidence[view], size)
    photos = "--photos", "demo_data/1/img", "--lens", "each", "--keep-shaken"
    moments = "--keypoints", tmp_path / "now", "--moments", tmp_path / "later"
    done = run(*photos, "--way", "hands", *moments)
    assert done.returncode == 0, done.stderr
    assert "12 of 12 views placed by 2 moments" in done.stdout
    assert load_json(tmp_path / "my_data" / "1" / "calibration" / "report.json")["moments"] == 2
    mine = load_capture(tmp_path / "my_data", "1").cameras
    verts = load_mesh(Path("demo_data/1/gt/mesh.ply"))[0][::50]
    px, _ = compare_cameras(_each(mine), _each(demo.cameras), verts)
    assert np.sqrt((px**2).mean()) < 1.5


def _each(cameras):
    K, R, t = (x.numpy() for x in (cameras.K, cameras.R, cameras.t))
    return [CalibratedCamera(str(k), K[k], R[k], t[k]) for k in range(len(K))]


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


@pytest.mark.slow
def test_photos_of_bending_fingers_become_photos_of_one_pose(tmp_path, run):
    pytest.importorskip("pycolmap", reason="pycolmap is not installed")
    demo = "--rig phone --photos 16 --hands right --board --renderer raster --levels 0 --seed 1"
    assert (
        make_demo([*demo.split(), "--bending", "6", "--out", str(tmp_path), "--scan_id", "p"]) == 0
    )
    phone = tmp_path / "p"
    shots = "--photos", phone / "photos", "--keypoints", phone / "pose", "--board"
    done = run(*shots)
    assert done.returncode == 0, done.stderr
    assert "note: fingers bent by up to" in done.stdout
    report = load_json(tmp_path / "my_data" / "1" / "calibration" / "report.json")
    assert report["hand_bending"]["straightened"] is True
    assert report["hand_bending"]["support"] > 0.1
    misses = [_keypoint_misses(tmp_path / "my_data")]
    again = run(*shots, "--as-taken", "--overwrite")
    assert "--as-taken leaves the photos as they are" in again.stdout
    misses.append(_keypoint_misses(tmp_path / "my_data"))
    assert misses[0] < 0.85 * misses[1]


def _keypoint_misses(data_path):
    """Median distance of the keypoints from where the cameras see them triangulated, pixels."""
    capture = load_capture(data_path, "1")
    options = load_config().pose_optim
    hands = triangulate_hands(capture.cameras, *capture.keypoints, options)
    return float(np.nanmedian(hands.residuals))
