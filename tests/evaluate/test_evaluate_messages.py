"""What evaluate.py says of bad input: one line, and nothing written."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.scenes.captures import ring_of_cameras
from tests.scenes.evaluation import run
from utils.captures.camera_files import save_cameras
from utils.io.files import load_torch, save_torch
from utils.io.images import save_image
from utils.io.meshes import save_mesh
from utils.keypoints.order import save_keypoints

ROOT = Path(__file__).parents[2]


def refused(folders, capsys, *more: object) -> str:
    """The one line that a run ends with; nothing may have been written."""
    assert run(folders, *more) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert not (folders[1] / "demo_sfs" / "1" / "eval").exists()
    return error


def test_before_its_predecessor(folders, capsys):
    (folders[1] / "demo_sfs" / "1" / "1.pt").unlink()
    assert "1.pt is missing; run mesh_sfs_optim.py" in refused(folders, capsys)


def test_a_foreign_reconstruction(folders, capsys):

    path = folders[1] / "demo_sfs" / "1" / "1.pt"
    whole = load_torch(path)
    save_torch(path, {"verts": torch.zeros(3, 3)})
    assert "1.pt has no albedo, cameras" in refused(folders, capsys)
    save_torch(path, whole | {"faces": whole["faces"][1:]})
    assert "not a mesh of the hand models" in refused(folders, capsys)


def test_another_number_of_photos(folders, capsys):
    cameras = ring_of_cameras(2, (120, 120), 400.0)
    save_cameras(folders[0] / "1" / "camera" / "param.npz", cameras, None)
    (folders[0] / "1" / "img" / "02.png").unlink()
    assert "holds 2 photos, the reconstruction 3 views" in refused(folders, capsys)


def test_more_photos_than_cameras(folders, cameras_file, capsys):
    images = folders[0] / "1" / "img"
    error = refused(folders, capsys, "--cameras", cameras_file, "--images", images)
    assert "expected 00.png to 01.png for 2 cameras, found also 02.png" in error


@pytest.mark.parametrize("option", ["--images", "--masks"])
def test_folders_that_are_not_there_or_empty(folders, option, tmp_path, capsys):
    assert "nowhere is no folder" in refused(folders, capsys, option, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "found none" in refused(folders, capsys, option, tmp_path / "empty")


def test_a_mask_of_another_size(folders, scene, capsys):
    path = folders[0] / "1" / "mask" / "01.png"
    save_image(path, scene.masks[1][:60])
    assert "01.png is 120x60, expected 120x120" in refused(folders, capsys)


def test_photos_of_another_scale_than_the_cameras(folders, scene, tmp_path, capsys):
    """Half-size photos beside full-size intrinsics."""
    save_cameras(tmp_path / "c.npz", scene.cameras, None)
    for view, image in enumerate(scene.images):
        save_image(tmp_path / "half" / f"{view:02d}.png", image[::2, ::2])
    options = ("--cameras", tmp_path / "c.npz", "--images", tmp_path / "half")
    error = refused(folders, capsys, *options)
    assert "camera 0 seems to be of images 1.9 times as large as its 60x60" in error


def test_stated_sizes_that_are_none(folders, scene, tmp_path, capsys):
    save_cameras(tmp_path / "c.npz", scene.cameras, None)
    with np.load(tmp_path / "c.npz") as file:
        np.savez(tmp_path / "c.npz", **dict(file), sizes=[(120, 120)])
    error = refused(folders, capsys, "--cameras", tmp_path / "c.npz")
    assert "sizes is (1, 2), expected (3, 2)" in error


def test_cameras_of_another_convention(folders, scene, tmp_path, capsys):
    """OpenGL's cameras look along -z: the hands lie behind them all."""
    turned = scene.cameras
    flip = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
    turned = type(turned)(turned.K, flip @ turned.R, turned.t @ flip, turned.sizes)
    save_cameras(tmp_path / "gl.npz", turned, None)
    error = refused(folders, capsys, "--cameras", tmp_path / "gl.npz")
    assert "behind every camera" in error and "expected OpenCV's K [R | t]" in error


def test_cameras_of_another_world(folders, scene, tmp_path, capsys):
    moved = type(scene.cameras)(
        scene.cameras.K, scene.cameras.R, scene.cameras.t + 2, scene.cameras.sizes
    )
    save_cameras(tmp_path / "c.npz", moved, None)
    assert "beside every image" in refused(folders, capsys, "--cameras", tmp_path / "c.npz")


def test_a_truth_in_other_units(folders, scene, tmp_path, capsys):
    save_mesh(tmp_path / "gt.ply", 1000 * scene.true.numpy(), scene.faces)
    error = refused(folders, capsys, "--gt_mesh", tmp_path / "gt.ply")
    assert "1000 times as large" in error and "divide it by 1000" in error


def test_keypoints_in_other_units_or_elsewhere(folders, truth, keypoints, capsys):
    save_keypoints(truth[3], 1000 * keypoints)
    error = refused(folders, capsys, *truth[2:])
    assert "set of true keypoints is 1000 times as large" in error
    save_keypoints(truth[3], keypoints + 1)
    assert "set of true keypoints lies 1.73 world units" in refused(folders, capsys, *truth[2:])
    save_keypoints(truth[3], np.full_like(keypoints, np.nan))
    assert "hold none of the left and right hand" in refused(folders, capsys, *truth[2:])
    Path(truth[3]).write_text("1 2 3\n")
    assert "give the true keypoints, 42 rows" in refused(folders, capsys, *truth[2:])


def test_a_truth_that_is_not_there(folders, tmp_path, capsys):
    assert "gt.ply is missing" in refused(folders, capsys, "--gt_mesh", tmp_path / "gt.ply")


def test_names_are_folder_names(folders, capsys):
    assert "--name a/b: expected a plain folder name" in refused(folders, capsys, "--name", "a/b")
