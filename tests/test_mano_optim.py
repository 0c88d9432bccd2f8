"""mano_optim.py as users run it, on a small capture of known hands."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from tests.scenes.captures import write_pose
from tests.scenes.hands import HandScene, hand_scene
from utils.captures.camera_files import save_cameras
from utils.io.files import load_torch
from utils.io.images import save_image
from utils.io.meshes import load_mesh
from utils.keypoints.order import save_keypoints


@pytest.fixture(scope="module")
def scene() -> HandScene:
    return hand_scene(views=5)


@pytest.fixture(scope="module")
def stage_input(scene, tmp_path_factory):
    """A capture D and results O after pose_optim.py."""
    root = tmp_path_factory.mktemp("mano")
    folder = root / "tiny_data" / "1"
    for view, mask in enumerate(scene.masks):
        name = f"{view:02d}"
        save_image(
            folder / "img" / f"{name}.png", np.where(mask[..., None], 0.7, 0.1) + np.zeros(3)
        )
        save_image(folder / "mask" / f"{name}.png", mask)
        write_pose(folder / "pose" / f"{name}.json", scene.xy[view], mask.shape)
    save_cameras(folder / "camera" / "param.npz", scene.cameras, None)
    save_keypoints(root / "out" / "keypoints3d" / "keypoints_3d_1.xyz", scene.points)
    return root


@pytest.fixture
def folders(stage_input, tmp_path):
    shutil.copytree(stage_input, tmp_path, dirs_exist_ok=True)
    return ["--data_path", tmp_path / "tiny_data", "--out_path", tmp_path / "out"], tmp_path / "out"


def test_the_stage_writes_what_its_help_promises(run_script, folders, scene):
    args, out = folders
    stale = out / "cameras" / "param_1.npz"
    stale.parent.mkdir()
    stale.write_bytes(b"of an earlier run")
    done = run_script("mano_optim.py", *args)
    assert done.returncode == 0, done.stderr
    verts, faces = load_mesh(out / "mano_out" / "1.obj")
    hands = load_torch(out / "mano_out" / "1.pt")
    assert [hand["type"] for hand in hands] == ["left", "right"]
    shapes = {"pose": (1, 48), "shape": (1, 10), "trans": (1, 3), "scale": (1,)}
    assert all(tuple(hand[k].shape) == shape for hand in hands for k, shape in shapes.items())
    assert all(hand["hand_model"] == "open" for hand in hands)
    assert all(hand["flat_hand_mean"] is False for hand in hands)
    true = np.concatenate([hand.verts().numpy() for hand in scene.hands])
    assert np.linalg.norm(verts - true, axis=1).mean() < 0.0015  # metres; see test_hand_fitting
    assert len(faces) == 2 * len(scene.models[0].faces)
    for hand, model, rows in zip(hands, scene.models, np.split(verts, 2)):
        pose, shape, trans, scale = (hand[name].double() for name in shapes)
        posed, _ = model(pose, shape, trans, scale)
        assert np.abs(posed[0].detach().numpy() - rows).max() < 1e-5  # float32
    assert len(list((out / "mano_out" / "overlay_1").glob("*.png"))) == 5
    assert len(list((out / "mano_out" / "trust_1").glob("*.png"))) == 5
    metrics = json.loads((out / "mano_out" / "1.json").read_text())
    assert min(mask["iou"] for mask in metrics["masks"]) > 0.95
    verdicts = json.loads((out / "mano_out" / "1_masks.json").read_text())
    assert all(verdict["believed"] for verdict in verdicts)
    assert not stale.exists() and "cameras kept" in done.stdout
    assert "up to date" in run_script("mano_optim.py", *args).stdout


def test_one_hand_without_masks_is_fine(run_script, folders, scene):
    args, out = folders
    shutil.rmtree(args[1] / "1" / "mask")
    points = scene.points.copy()
    points[0] = np.nan
    save_keypoints(out / "keypoints3d" / "keypoints_3d_1.xyz", points)
    done = run_script("mano_optim.py", *args)
    assert done.returncode == 0, done.stderr
    assert [hand["type"] for hand in load_torch(out / "mano_out" / "1.pt")] == ["right"]
    assert "no mask" in done.stdout


def test_it_says_which_stage_must_run_before(run_script, folders):
    args, out = folders
    (out / "keypoints3d" / "keypoints_3d_1.xyz").unlink()
    done = run_script("mano_optim.py", *args)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "keypoints_3d_1.xyz is missing; run pose_optim.py" in done.stderr
    assert not (out / "mano_out").exists()


def test_bad_settings_are_named(run_script, folders):
    args, _ = folders
    done = run_script("mano_optim.py", *args, "--set", "mano_optim.mask_sizes=3")
    assert done.returncode == 2 and "did you mean 'mask_size'" in done.stderr
    stage = "mano_optim.stages=[{name = a, free = [pse], steps = 1, keypoints_3d = 1.0}]"
    done = run_script("mano_optim.py", *args, "--set", stage)
    assert done.returncode == 2 and "'pse'" in done.stderr and "pose" in done.stderr


def test_the_settings_that_match_detections_reach_the_fit(run_main, folders, scene):
    """Keypoints in 3D some pixels beside the detections: these fit well, but not exactly."""
    args, out = folders
    save_keypoints(out / "keypoints3d" / "keypoints_3d_1.xyz", scene.points + 0.005)
    light = "mano_optim.stages=[{name = a, free = [trans], steps = 1, keypoints_3d = 1.0}]"
    pixels = []
    for value in ("0.3", "1.0"):
        setting = f"pose_optim.min_fit={value}"
        done = run_main("mano_optim.py", *args, "--set", light, "--set", setting)
        assert done.returncode == 0 and "up to date" not in done.stdout
        metrics = json.loads((out / "mano_out" / "1.json").read_text())
        pixels.append(metrics["stages"][0]["keypoint_px"])
    assert pixels[0] > 0 and pixels[1] is None


def test_no_hand_in_the_keypoints(run_script, folders):
    args, out = folders
    save_keypoints(out / "keypoints3d" / "keypoints_3d_1.xyz", np.full((42, 3), np.nan))
    done = run_script("mano_optim.py", *args)
    assert done.returncode == 2 and "no hand has 6 of 21 keypoints" in done.stderr


def test_pt_holds_plain_tensors_only(run_script, folders):
    args, out = folders
    light = "mano_optim.stages=[{name = a, free = [trans], steps = 1, keypoints_3d = 1.0}]"
    assert run_script("mano_optim.py", *args, "--set", light).returncode == 0
    hands = torch.load(out / "mano_out" / "1.pt", weights_only=True)
    assert hands[0]["pose"].dtype == torch.float32
