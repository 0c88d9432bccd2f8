"""Frames of a movement through the stages: what is shared, gaps, bad frames, and going on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.sequences import fitting
from tests.scenes.captures import project, write_pose
from tests.scenes.hands import HandScene, hand_scene, masks_of
from utils.captures.camera_files import save_cameras
from utils.io.files import load_json, load_torch
from utils.io.images import save_image
from utils.io.videos import video_header

FRAMES = (1, 2, 3, 5)  # 4 is missing
QUICK = [
    "sequence.key_frames=2",
    "mano_optim.stages=[{name=place,free=[trans,rotation],steps=5,keypoints_3d=1.0},"
    "{name=all,free=[trans,rotation,pose,shape,scale],steps=8,keypoints_2d=0.3}]",
]
TINY_HAM = "ham_levels=[{verts=1,image_scale=1.0,steps=3,lr=0.005,smoothness=5.0}]"


def moved(scene: HandScene, step: int) -> HandScene:
    """The hands of the scene a little later."""
    hands = [
        replace(hand, trans=hand.trans + 0.004 * step, pose=hand.pose + 0.01 * step)
        for hand in scene.hands
    ]
    points = np.stack([hand.keypoints().numpy() for hand in hands])
    masks = masks_of(hands, scene.cameras)
    return HandScene(hands, scene.cameras, points, project(scene.cameras, points), masks)


@pytest.fixture(scope="module")
def triangulated(tmp_path_factory) -> Path:
    """A movement in D, as pose_optim.py leaves O."""
    root, first = tmp_path_factory.mktemp("sequence"), hand_scene(views=4)
    small = replace(first.cameras, K=first.cameras.K.clone())
    small.K[:, :2] *= 0.4
    first = replace(first, cameras=replace(small, sizes=torch.tensor([[120, 160]] * 4)))
    for frame in FRAMES:
        write_frame(root / "moving_data" / str(frame), moved(first, frame))
    return root


def write_frame(folder: Path, scene: HandScene) -> None:
    for view, mask in enumerate(scene.masks):
        name = f"{view:02d}"
        photo = np.where(mask[..., None], [0.7, 0.5, 0.4], 0.1)
        save_image(folder / "img" / f"{name}.png", photo)
        save_image(folder / "mask" / f"{name}.png", mask)
        write_pose(folder / "pose" / f"{name}.json", scene.xy[view], mask.shape)
    save_cameras(folder / "camera" / "param.npz", scene.cameras, None)


@pytest.fixture
def folders(triangulated, tmp_path):
    shutil.copytree(triangulated, tmp_path, dirs_exist_ok=True)
    data, out = tmp_path / "moving_data", tmp_path / "moving_out"
    return ["--data_path", data, "--out_path", out, "--frames", ":"], data, out


def test_bad_frames_are_said_bridged_and_no_reason_to_stop(folders, run_main):
    args, data, out = folders
    (data / "3" / "pose" / "01.json").write_text("no keypoints")
    other = data / "6"
    shutil.copytree(data / "5", other)
    with np.load(other / "camera" / "param.npz") as file:
        cameras = dict(file)
    cameras["world_mat_0"] = cameras["world_mat_0"] + 0.01
    np.savez(other / "camera" / "param.npz", **cameras)
    done = run_main("pose_optim.py", *args)
    assert done.returncode == 0 and "warning: frame 3 is left out" in done.stdout
    assert "frames 4 are not there" in done.stdout
    done = run_main("mano_optim.py", *args, "--set", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "warning: frame 6 is left out: it is of another rig" in done.stdout
    assert "warning: frame 3 is left out" in done.stdout
    assert "hand is bridged in 2 frames: 3, 4" in done.stdout
    with np.load(out / "sequence" / "1-6_sequence.npz") as file:
        assert file["frames"].tolist() == ["1", "2", "3", "4", "5", "6"]
        assert file["left_seen"].tolist() == [True, True, False, False, True, False]
        steps = np.diff(file["left_trans"][:5, 0])
        # The hands go 4 mm a frame; the detector is exact, the priors pull a little.
        assert np.abs(steps - 0.004).max() < 0.0015
    first, last = (load_torch(out / "mano_out" / f"{k}.pt") for k in (1, 5))
    assert first[0]["shape"].equal(last[0]["shape"]) and first[0]["scale"].equal(last[0]["scale"])
    assert not (out / "mano_out" / "3.pt").exists()
    assert set(load_json(out / "sequence" / "1-6.json")["failed"]) == {"3", "6"}
    assert "up to date" in run_main("mano_optim.py", *args, "--set", *QUICK).stdout


def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(folders, run_main, monkeypatch):
    args, _, out = folders
    run_main("pose_optim.py", *args)
    whole = run_main("mano_optim.py", *args, "--set", *QUICK)
    assert whole.returncode == 0, whole.stderr
    expected = load_torch(out / "mano_out" / "5.pt")
    calls, fit = [], fitting.fit_frame_poses

    def stopped(*given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*given)

    monkeypatch.setattr(fitting, "fit_frame_poses", stopped)
    done = run_main("mano_optim.py", *args, "--overwrite", "--set", *QUICK)
    assert done.returncode == 130
    done = run_main("mano_optim.py", *args, "--set", *QUICK)
    assert done.returncode == 0 and "going on after 3 parts" in done.stdout  # shared, 1 and 2
    assert len(calls) == 5
    found = load_torch(out / "mano_out" / "5.pt")
    assert all(a["pose"].equal(b["pose"]) for a, b in zip(found, expected))
    assert not list((out / "sequence").glob(".*"))


@pytest.mark.slow
def test_detail_follows_the_hands(folders, run_main):
    args, data, out = folders
    run_main("pose_optim.py", *args)
    assert run_main("mano_optim.py", *args, "--set", *QUICK).returncode == 0
    (data / "3" / "img" / "02.png").write_bytes(b"no photo")
    settings = [*QUICK, TINY_HAM, "sequence.steps=2", "report=off"]
    done = run_main("mesh_sfs_optim.py", *args, "--set", *settings)
    assert done.returncode == 0, done.stderr
    assert "warning: frame 3 is left out" in done.stdout
    for frame in (1, 2, 5):
        assert (out / "demo_sfs" / str(frame) / f"{frame}_left_tpose.obj").is_file()
        metrics = load_json(out / "demo_sfs" / str(frame) / "metrics.json")
        assert metrics["fitted_views"]["iou"] > 0.9
    header, count = video_header(out / "sequence" / "1-5.mp4")
    assert (header.height, header.width, count) == (240, 320, 5)
    first, last = (load_torch(out / "demo_sfs" / str(k) / f"{k}.pt") for k in (1, 5))
    assert first["albedo"].equal(last["albedo"])
