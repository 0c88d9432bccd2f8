"""detect_hands.py as users run it: with a made-up detector, and with MediaPipe where it is."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.scenes.captures import project
from tests.scenes.detection import MadeUpDetector, stand_in
from tests.scenes.hands import hand_scene
from utils.captures import load_capture
from utils.captures.camera_files import save_cameras
from utils.io.files import load_json
from utils.io.images import load_image, load_mask, save_image
from utils.keypoints.order import load_keypoints
from utils.stage.config import load_config

VIEWS = 5
ENVIRONMENT = ROOT / load_config().detect_hands.environment


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=VIEWS)


@pytest.fixture
def data(scene, tmp_path):
    """Photos and cameras of one scan, and nothing else."""
    write_photos(tmp_path / "my_data" / "1", scene)
    return tmp_path / "my_data"


def write_photos(folder, scene):
    for view, mask in enumerate(scene.masks):
        photo = np.where(mask[..., None], [0.8, 0.6, 0.5], [0.1, 0.15, 0.2])
        save_image(folder / "img" / f"{view:02d}.png", photo)
    save_cameras(folder / "camera" / "param.npz", scene.cameras, None)


@pytest.fixture
def detector(scene, monkeypatch):
    """Stands for MediaPipe; its faults may be set."""
    return stand_in(monkeypatch, MadeUpDetector(scene.cameras, scene.points, noise=0.5))


@pytest.fixture
def run(data, tmp_path, run_main):
    def run(*args):
        out = "--out_path", tmp_path / "out"
        return run_main("detect_hands.py", "--data_path", data, *out, *args)

    return run


def error_px(folder, scene):
    xy, _ = load_capture(folder, "1").keypoints
    return np.nanmedian(np.linalg.norm(xy - scene.xy, axis=-1))


def test_photos_become_keypoints_and_masks(run, data, detector, scene, tmp_path):
    detector.misnamed = {1, 2, 4}  # most views; the fingers' bend tells
    done = run()
    assert done.returncode == 0, done.stderr
    assert error_px(data, scene) < 1  # 0.5 px of noise in x and y
    for view in range(VIEWS):
        mask = load_mask(data / "1" / "mask" / f"{view:02d}.png")
        true = scene.masks[view]
        assert (mask & true).sum() > 0.9 * (mask | true).sum()
    assert load_image(tmp_path / "out" / "detect" / "overlay_1" / "00.png").shape == (300, 400, 3)
    facts = load_json(tmp_path / "out" / "detect" / "1.json")
    assert len(facts["search"]["views"]) == VIEWS and facts["search"]["further_hands"] == 0
    assert facts["search"]["views"][0]["left"]["detections"] > 1
    assert "found in 5 of 5 views" in done.stdout
    assert "up to date" in run().stdout


def test_files_that_are_there_stay(run, data, detector, scene):
    run("--no_masks")
    pose, mask = data / "1" / "pose" / "02.json", data / "1" / "mask" / "03.png"
    assert not mask.parent.exists()
    given = json.loads(pose.read_text())
    given["note"] = "corrected by hand"
    pose.write_text(json.dumps(given))
    save_image(mask, scene.masks[3])
    kept = pose.read_bytes(), mask.read_bytes()
    detector.windows.clear()
    done = run("--set", "detect_hands.retries=0")  # other settings: its own files are replaced
    assert done.returncode == 0, done.stderr
    assert "kept the keypoints of view 2" in done.stdout and "--overwrite" in done.stdout
    assert {window.view for window in detector.windows} == {0, 1, 3, 4}
    assert (pose.read_bytes(), mask.read_bytes()) == kept
    assert sorted(p.name for p in mask.parent.iterdir()) == [f"{v:02d}.png" for v in range(VIEWS)]
    assert run("--overwrite", "--no_masks").returncode == 0
    assert "note" not in json.loads(pose.read_text()) and mask.read_bytes() == kept[1]


def test_all_that_is_there_needs_no_detector(run, data, detector, monkeypatch):
    run("--no_masks")
    shutil.rmtree(data.parent / "out")  # what is not known to be own is the user's

    def fail(*_):
        raise AssertionError("no detector is needed")

    monkeypatch.setattr("models.detection.detect.Detector", fail)
    done = run("--no_masks")
    assert done.returncode == 0 and "kept the keypoints of views 0, 1, 2, 3, 4" in done.stdout


def test_into_leaves_the_capture_alone(run, data, detector, scene, tmp_path):
    done = run("--into", tmp_path / "other", "--no_masks")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (data / "1").iterdir()) == ["camera", "img"]
    assert error_px(tmp_path / "other", scene) < 1


def test_keypoints_of_another_detector(run, data, scene, tmp_path):
    values = np.concatenate([scene.xy, np.ones((*scene.xy.shape[:3], 1))], -1)
    np.save(tmp_path / "found_1.npy", values.reshape(VIEWS, 42, 3))
    done = run("--from", tmp_path / "found_{scan}.npy", "--no_masks")
    assert done.returncode == 0, done.stderr
    assert error_px(data, scene) < 1e-3


def test_two_people_by_openpose(run, data, scene, tmp_path):
    """The second person's hands are nonsense in all views: no two agree on them."""
    rng = np.random.default_rng(0)
    keys = "hand_left_keypoints_2d", "hand_right_keypoints_2d"
    for view, xy in enumerate(scene.xy):
        others = [rng.uniform(0, 300, (2, 21, 2)), xy]
        people = [
            {key: np.column_stack([p, np.ones(21)]).ravel().tolist() for key, p in zip(keys, one)}
            for one in others
        ]
        path = tmp_path / "openpose" / f"{view}_keypoints.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"people": people}))
    done = run("--from", tmp_path / "openpose", "--no_masks")
    assert done.returncode == 0, done.stderr
    assert error_px(data, scene) < 1e-3


def test_two_people_in_front_of_the_cameras(run, detector, scene):
    others = 0.5 * scene.points + np.array([0, 0.11, 0])  # children, within the photos
    detector.__init__(scene.cameras, np.concatenate([scene.points, others]), noise=0.5)
    done = run("--no_masks")
    assert "more hands that views agree on: kept are the two" in done.stdout


def fails(done, message):
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_no_hand_anywhere(run, data, detector):
    detector.blind = {(view, hand) for view in range(VIEWS) for hand in (0, 1)}
    fails(run(), "no hand found in any of 5 views")
    assert not (data / "1" / "pose").exists()


def test_no_environment(run, data):
    fails(run("--set", "detect_hands.environment=.venv-none"), "build it with: make detect")
    assert not (data / "1" / "pose").exists()


def test_no_cameras(run, data, detector):
    (data / "1" / "camera" / "param.npz").unlink()
    fails(run(), "param.npz is missing")


def test_truncated_photo(run, data, detector):
    path = data / "1" / "img" / "02.png"
    path.write_bytes(path.read_bytes()[:-40])
    fails(run(), "02.png is truncated")


def test_one_view(run, data, detector, scene):
    for path in (data / "1" / "img").glob("0[1-9].png"):
        path.unlink()
    save_cameras(data / "1" / "camera" / "param.npz", scene.cameras[0], None)
    detector.__init__(scene.cameras[0], scene.points)
    fails(run("--set", "num=1"), "at least 2 calibrated views must see a hand")


def test_range_goes_on_after_a_failure(run, data, detector, scene):
    write_photos(data / "3", scene)
    done = run("--range", "3", "--no_masks")
    fails(done, "failed scans: 2 (1 of 3)")
    assert (data / "3" / "pose" / "04.json").is_file()


def test_help_is_quick_and_teaches(run_script):
    done = run_script("detect_hands.py", "--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("--into", "--from", "--no_masks", "example"))


@pytest.mark.slow
@pytest.mark.skipif(not ENVIRONMENT.is_dir(), reason="no MediaPipe here; make detect builds it")
def test_mediapipe_finds_the_demos_hands(run_main, tmp_path):
    """Rendered hands without forearms are hard for it; most are found, and where they are."""
    data = "--data_path", ROOT / "demo_data", "--into", tmp_path / "data"
    data = *data, "--out_path", tmp_path / "out"  # the usual one would lie in the working folder
    done = run_main("detect_hands.py", *data, "--no_masks", "--set", "detect_hands.retries=0")
    assert done.returncode == 0, done.stderr
    capture = load_capture(tmp_path / "data", "1")
    truth = load_keypoints(ROOT / "demo_data" / "1" / "gt" / "keypoints3d.xyz")
    xy, _ = capture.keypoints
    seen = np.isfinite(xy[..., 0]).all(2)  # (12, 2)
    assert seen.sum() >= 16  # 19 were found when this was written
    away = np.linalg.norm(xy - project(capture.cameras, truth), axis=-1)[seen]
    # 400 px photos of hands of 150 px. Right and left exchanged would be farther off by far.
    assert np.median(away) < 10 and (np.median(away, 1) < 30).all()
