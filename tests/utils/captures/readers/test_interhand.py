"""InterHand2.6M: a made-up capture written as the release is."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.scenes.captures import ring_of_cameras
from tests.scenes.interhand_tree import (
    CONFIG,
    FRAMES,
    HANDS,
    SEQUENCE,
    camera_entry,
    image_path,
    joint_entry,
    opened,
    refused,
    write_annotation,
    write_tree,
)
from utils.captures import list_scans
from utils.captures.open import named_out_path
from utils.errors import UserError
from utils.io.images import save_image

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def root(plain, tmp_path):
    """The same capture as a tree of the data set, with two frames."""
    write_tree(tmp_path / "ih", plain, HANDS, FRAMES)
    return tmp_path / "ih"


def test_cameras_photos_and_joints_are_the_capture_s(plain, root):
    capture = opened(root)
    assert capture.names == [f"cam{400200 + 3 * view}" for view in range(5)]
    for key in ("K", "R", "t"):
        assert np.allclose(getattr(capture.cameras, key), getattr(plain.cameras, key), atol=1e-12)
    assert np.abs(capture.image(2) - plain.image(2)).mean() < 0.01  # a JPEG
    assert np.allclose(capture.annotation.keypoints, HANDS, atol=1e-12)
    xy, confidence = capture.keypoints
    exact = plain.cameras.project(capture.cameras.K.new_tensor(HANDS.reshape(-1, 3)))
    exact = exact.numpy().reshape(xy.shape)
    inside = ((exact > -0.5) & (exact < [159.5, 119.5])).all(-1)
    assert np.array_equal(confidence > 0, inside) and np.isnan(xy[~inside]).all()
    assert np.allclose(xy[inside], exact[inside], atol=1e-9)
    assert capture.unit == "m" and capture.mask(0) is None


def test_invalid_joints_are_not_seen_whatever_their_numbers(plain, tmp_path):
    points = HANDS.copy()
    points[0] = np.nan
    points[1, 3] = np.nan
    write_tree(tmp_path / "one", plain, points)
    xy, confidence = opened(tmp_path / "one", "0").keypoints
    assert np.isnan(xy[:, 0]).all() and np.isnan(xy[:, 1, 3]).all() and confidence[:, 1].any()


def test_scans_are_the_frames_in_the_order_of_their_numbers(root):
    assert list_scans(root, CONFIG) == ["0", "1"]
    assert opened(root, "0").image_paths[0].name == "image0563.jpg"
    assert opened(root, "1").image_paths[0].name == "image20625.jpg"
    assert opened(root, "0", frame=20625).image_paths[0].name == "image20625.jpg"
    assert "2 frames from 563 to 20625" in refused(root, "2")
    assert "2 frames from 563 to 20625" in refused(root, frame=7)
    assert str(named_out_path(root, CONFIG)) == f"interhand_out/Capture0_{SEQUENCE}"


@pytest.mark.parametrize("names", ["cam400203,400209", ["cam400203", 400209]])
def test_dropped_and_held_cameras(root, names):
    dropped = opened(root, drop_cam=names)
    assert dropped.names == ["cam400200", "cam400206", "cam400212"] and dropped.held is None
    capture = opened(root, eval_cam=names, drop_cam="400200,cam999999")
    assert capture.names == ["cam400206", "cam400212"]
    assert capture.held.names == ["cam400203", "cam400209"]
    assert capture.held.image(1).shape == (120, 160, 3)
    assert "no camera 400001" in refused(root, eval_cam="cam400001")


def test_photos_are_resized_with_their_cameras_turned_where_they_lie(plain, root):
    capture = opened(root, w=60, h=80)  # of photos that lie: 80x60
    assert capture.image(0).shape == (60, 80, 3)
    points = capture.cameras.K.new_tensor(HANDS.reshape(-1, 3))
    stored = (plain.cameras.project(points).numpy() + 0.5) / 2 - 0.5
    assert np.allclose(capture.cameras.project(points).numpy(), stored, atol=1e-9)


def test_grey_black_missing_and_damaged_photos_are_left_out(root, plain):
    path = image_path(root, "400203")
    save_image(path, np.zeros((120, 160, 3)))
    notes = "\n".join(opened(root).notes)
    assert f"view cam400203 is left out: {path} is black" in notes
    path.unlink()
    capture = opened(root)
    assert len(capture) == 4 and "400203 are left out: no image of frame 20625" in str(
        list(capture.notes)
    )
    cut = image_path(root, "400206")
    cut.write_bytes(cut.read_bytes()[:900])
    capture = opened(root)
    assert capture.names == ["cam400200", "cam400209", "cam400212"]
    assert "cam400206 is left out" in str(list(capture.notes)) and "truncated" in str(
        list(capture.notes)
    )
    cut.with_name("image0563.jpg").write_bytes(b"")
    image_path(root, "400200").write_bytes(b"nothing")
    assert "2 views are left, 3 are needed" in refused(root)


def test_grey_cameras_and_those_without_images_or_calibration(root, plain):
    shutil.copytree(image_path(root, "400200").parent, image_path(root, "410001").parent)
    shutil.copytree(image_path(root, "400200").parent, image_path(root, "400999").parent)
    image_path(root, "400888").parent.mkdir()
    names = ["400200", "400203", "400206", "400209", "400888"]
    write_annotation(root, "camera", {"0": camera_entry(plain, names)})
    capture = opened(root)
    assert capture.names == ["cam400200", "cam400203", "cam400206", "cam400209"]
    notes = "\n".join(capture.notes)
    assert "grey cameras are left out: 1 of 8" in notes
    assert "400212, 400999 are left out: not in the camera file" in notes
    assert "400888 are left out: no image of frame 20625" in notes


def test_older_releases(root, plain):
    shutil.move(root / "annotations" / "test", root / "annotations" / "all")
    assert np.allclose(opened(root).annotation.keypoints, HANDS)
    shutil.move(root / "annotations" / "all", root / "annotations" / "human_annot")
    write_annotation(root, "joint_3d", {"0": {"563": joint_entry(HANDS)}}, folder="human_annot")
    entry = {"0": {"20625": joint_entry(HANDS + 0.01)}}
    write_annotation(root, "joint_3d", entry, folder="machine_annot")
    assert np.allclose(opened(root, "0").annotation.keypoints, HANDS)
    assert np.allclose(opened(root, "1").annotation.keypoints, HANDS + 0.01)


def test_what_is_not_there_is_said_with_what_there_is(root, tmp_path):
    assert "images is no folder" in refused(tmp_path / "nowhere")
    assert "holds no Capture9 (capture_name = Capture9); there are Capture0" in refused(
        root, capture_name="Capture9"
    )
    assert f"holds no other (data_name = other); there are {SEQUENCE}" in refused(
        root, data_name="other"
    )
    assert "holds no val (split = val); there are test" in refused(root, split="val")
    (root / "images" / "train").mkdir()
    assert "there are test, train; say which with --set split=..." in refused(root)
    assert "it is empty; say which" in refused(root, split="train")
    (root / "images" / "test" / "Capture5" / "s" / "cam400200").mkdir(parents=True)
    there = {"split": "test", "capture_name": "Capture5"}
    assert "has no cameras of Capture5; it has 0" in refused(root, "0", **there)


def test_frames_without_annotation(root):
    write_annotation(root, "joint_3d", {"0": {"563": joint_entry(HANDS)}})
    message = refused(root)
    assert "has no joints of Capture0/0000_made_up, frame 20625" in message
    assert "--set keypoints=detected" in message
    assert opened(root, keypoints="detected").annotation is None
    (root / "annotations/test/InterHand2.6M_test_joint_3d.json").unlink()
    assert "joint_3d.json (or in annotations/all, " in refused(root)


def test_detected_keypoints_are_files_in_the_results(root, tmp_path):
    capture = opened(root, made_path=tmp_path / "made" / "1", keypoints="detected")
    assert capture.views[0].pose_path == tmp_path / "made/1/pose/cam400200.json"
    assert not capture.annotation.are_keypoints
    with pytest.raises(UserError, match=r"cam400200\.json is missing"):
        _ = capture.keypoints


def test_a_frame_s_annotation_is_kept_for_records(root, tmp_path):
    capture = opened(root, made_path=tmp_path / "made" / "1")
    (path,) = set(capture.files("pose"))
    kept = json.loads(path.read_text())
    assert path == tmp_path / "made/1/annotation.json" and np.shape(kept["keypoints"]) == (2, 21, 3)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('{"0": {"20625": {"world_coord": [[1, 2', "no joint_3d file"),
        ('{"0": {"20625": {"world_coord": [[1, 2, 3]], "joint_valid": [1]}}}', "no joint_3d file"),
        ('{"0": {"20625": {"joint_valid": [1]}}}', "no joint_3d file"),
        ("[1, 2]", "has no joints of"),
        ('{"0": {"20625": null}}', "has no joints of"),
    ],
)
def test_damaged_annotations(root, text, cause):
    (root / "annotations/test/InterHand2.6M_test_joint_3d.json").write_text(text)
    assert cause in refused(root)


def test_a_changed_file_and_a_damaged_index_are_read_anew(root, tmp_path):
    opened(root)
    write_annotation(root, "joint_3d", {"0": {"20625": joint_entry(HANDS + 0.5)}})
    assert np.allclose(opened(root).annotation.keypoints, HANDS + 0.5)
    (index,) = (tmp_path / "cache").rglob("*.sqlite")
    index.write_bytes(b"SQLite format 3\0" + bytes(5000))
    assert np.allclose(opened(root).annotation.keypoints, HANDS + 0.5)


def test_a_cache_that_cannot_be_written_is_replaced(root, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert np.allclose(opened(root).annotation.keypoints, HANDS)
    assert len(list((tmp_path / "temporary").rglob("*.sqlite"))) == 1


def test_without_ijson_it_is_said_what_to_install(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "ijson", None)
    assert "pip install ijson" in refused(root)


def test_mano_parameters_and_null_hands(root):
    hand = {"pose": [0.1] * 48, "shape": [0.2] * 10, "trans": [0.3, 0.4, 0.5]}
    entries = {"0": {"20625": {"right": hand, "left": None}, "563": None}}
    write_annotation(root, "MANO_NeuralAnnot", entries)
    hands = opened(root).annotation.hands
    assert set(hands) == {"right"} and hands["right"].pose.shape == (48,)
    assert hands["right"].trans.tolist() == [0.3, 0.4, 0.5]
    assert opened(root, "0").annotation.hands == {}


def noise(path: Path) -> np.ndarray:
    """A photo of the released size that is neither black nor small."""
    return np.random.default_rng(0).random((512, 334, 3), np.float32)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the kernel's peak is needed")
def test_a_gigabyte_is_streamed_once_in_little_memory(root, tmp_path, plain):
    """In processes of their own: their memory is measured and their start is a stage's."""
    path = root / "annotations/test/InterHand2.6M_test_joint_3d.json"
    entry = json.dumps(joint_entry(HANDS * np.pi))
    with path.open("w") as file:
        file.write('{"0": {')
        for number in range(1_100_000_000 // len(entry)):
            file.write(f'"{number}": {entry}, ' if number != 20625 else "")
        file.write(f'"20625": {json.dumps(joint_entry(HANDS))}' + "}}")
    assert path.stat().st_size > 1e9
    program = (
        "import time\n"
        "from utils.captures import load_capture\n"
        "config = {'data_type': 'interhand', 'frame': 20625}\n"
        f"load_capture({str(root)!r}, '0', config)\n"
        "status = open('/proc/self/status').read().split()\n"  # getrusage counts the parent's
        "print(time.process_time(), status[status.index('VmHWM:') + 1])\n"
    )
    first, second = [], []
    for numbers in (first, second):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        numbers += map(float, done.stdout.splitlines()[-1].split())
    assert max(first[1], second[1]) < 1e6  # KiB, torch's 500 MB included
    assert second[0] < 0.25 * first[0]  # measured 2.2 s, most of it torch's import, of 50


def test_a_hundred_views_open_before_a_photo_is_decoded(tmp_path, plain, monkeypatch):
    """Measured 0.1 s."""
    cameras = ring_of_cameras(100, size=(512, 334), focal=900.0)
    views = [replace(plain.views[0], size=(512, 334), read_image=noise)] * 100
    rig = replace(plain, views=views, camera_arrays=cameras.arrays())
    for name in write_tree(tmp_path / "ih", rig, HANDS, [100]):
        first = image_path(tmp_path / "ih", name, 100)
        for frame in range(101, 200):
            first.with_name(f"image0{frame}.jpg").hardlink_to(first)
    opened(tmp_path / "ih", "0")  # makes the index
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("a photo is decoded"))
    assert len(opened(tmp_path / "ih", "0")) == 100
