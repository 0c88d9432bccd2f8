"""InterHand2.6M: real files of its release."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.scenes.captures import ring_of_cameras
from tests.scenes.interhand_tree import (
    HANDS,
    camera_entry,
    joint_entry,
    opened,
    refused,
    write_annotation,
    write_tree,
)
from utils.io.images import save_image
from utils.keypoints.joint_orders import own_rows

ROOT = Path(__file__).parents[4]
SHARED = ROOT.parent / "shared" / "formats" / "interhand"
pytestmark = pytest.mark.usefixtures("own_cache")


real = pytest.mark.skipif(not SHARED.is_dir(), reason="real files are not here")


@pytest.fixture
def real_tree(tmp_path):
    """Four real images with their annotations, as folders of the official tree."""
    source, root = SHARED / "mmpose", tmp_path / "real"
    data = json.loads((source / "test_interhand2.6m_data.json").read_text())
    for image in data["images"]:
        folder = f"images/test/Capture{image['capture']}/seq/cam{image['camera']}"
        target = root / folder / f"image{image['frame_idx']}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / image["file_name"], target)
    for kind in ("camera", "joint_3d"):
        path = root / "annotations" / "test" / f"InterHand2.6M_test_{kind}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / f"test_interhand2.6m_{kind}.json", path)
    return root, data["images"]


@real
def test_real_joints_fall_on_the_expected_pixels(real_tree, monkeypatch):
    monkeypatch.setattr("utils.captures.readers.studio_views.LEAST_VIEWS", 1)
    root, images = real_tree
    expected = json.loads((SHARED / "expected.json").read_text())
    rows = own_rows("interhand")
    for image in images:
        capture = opened(root, "0", split="test", capture_name=f"Capture{image['capture']}")
        assert capture.views[0].size == (image["height"], image["width"])
        want = expected[image["file_name"]]
        uv, valid = np.array(want["uv"]).reshape(2, 21, 2), np.array(want["valid"]).reshape(2, 21)
        xy, confidence = capture.keypoints
        assert np.array_equal(confidence[0] > 0, valid[::-1][:, rows] > 0)
        wanted = np.where(valid[..., None] > 0, uv, np.nan)[::-1][:, rows]
        assert xy[0] == pytest.approx(wanted, abs=1e-3, nan_ok=True)  # as they were rounded


@real
def test_the_official_tree_without_cameras_says_so():
    message = refused(SHARED / "official_tree", "0")
    assert "no cameras: " in message and "InterHand2.6M_test_camera.json" in message


@real
def test_one_real_frame_of_73_cameras(tmp_path, plain):
    images = json.loads((SHARED / "one_frame_73_cameras" / "test_data.json").read_text())
    names = [image["camera"] for image in images]
    cameras = ring_of_cameras(73, size=(512, 334), focal=900.0)
    rig = replace(plain, camera_arrays=cameras.arrays())
    for image in images:
        path = tmp_path / "images/train/Capture0/s" / f"cam{image['camera']}" / "image0563.jpg"
        save_image(path, np.random.default_rng(0).random((image["height"], image["width"], 3)))

    write_annotation(tmp_path, "camera", {"0": camera_entry(rig, names)}, "train")
    write_annotation(tmp_path, "joint_3d", {"0": {"563": joint_entry(HANDS)}}, "train")
    capture = opened(tmp_path, "0", w=334, h=512, eval_cam="cam410018")
    assert len(capture) == 33 and all(name.startswith("cam400") for name in capture.names)
    assert {view.size for view in capture.views} == {(512, 334)}
    assert [view.size for view in capture.held.views] == [(334, 512)]  # it lies


@real
def test_the_official_excerpt_of_mano_lies_on_its_wrist(tmp_path, plain):
    """12.0 mm from the annotated wrist, by MANO's mean wrist."""
    write_tree(tmp_path, plain, HANDS, [22360])
    for kind in ("joint_3d", "MANO_NeuralAnnot"):
        name = f"InterHand2.6M_test_{kind}.json"
        shutil.copy(SHARED / "official_json_excerpt" / name, tmp_path / "annotations" / "test")
    annotation = opened(tmp_path, "0").annotation
    assert np.isfinite(annotation.keypoints[1, :, 0]).sum() == 20
    assert np.isnan(annotation.keypoints[1, 1]).all()  # r_thumb1: invalid, though it looks fine
    assert set(annotation.hands) == {"right"}
    wrist = annotation.hands["right"].trans + np.array([0.09567, 0.00638, 0.00619])
    assert np.linalg.norm(wrist - annotation.keypoints[1, 0]) == pytest.approx(0.012, abs=1e-4)
