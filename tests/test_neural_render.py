"""The script as users run it: its modes, its files, its messages."""

import shutil

import numpy as np
import pytest
import torch

from tests.scenes.neural import SHORT, neural_scene
from utils.io.files import load_json
from utils.io.images import load_image, load_mask
from utils.io.meshes import load_mesh

# An albedo that may hardly vary: the scene's mesh is grey, and trials must find it so again.
ALL = [*(f"neural_render.{each}" for each in SHORT), "albedo_weight=200"]
SETTINGS = [part for each in ALL for part in ("--set", each)]


@pytest.fixture(scope="module")
def scene():
    return neural_scene()


@pytest.fixture
def folders(scene, tmp_path):
    scene.write(tmp_path / "data", tmp_path / "out")
    return tmp_path / "data", tmp_path / "out"


@pytest.fixture(scope="module")
def trained(scene, tmp_path_factory):
    """Folders in which training has run; tests only read or add there."""
    import neural_render

    root = tmp_path_factory.mktemp("trained")
    scene.write(root / "data", root / "out")
    assert neural_render.main(arguments((root / "data", root / "out"))) == 0
    return root / "data", root / "out"


def arguments(folders, *more) -> list[str]:
    data, out = folders
    base = ["--data_path", data, "--out_path", out, "--device", "cpu", *SETTINGS, *more]
    return [str(each) for each in base]


def refused(run_main, folders, *more) -> str:
    done = run_main("neural_render.py", *arguments(folders, *more))
    message = done.stderr.split("\r")[-1]  # after progress bars, which wipe themselves
    assert done.returncode == 2 and message.startswith("error: ")
    assert len(message.strip().splitlines()) == 1
    return message


def test_help_names_the_modes(run_script):
    done = run_script("neural_render.py", "--help")
    assert done.returncode == 0 and "turntable" in done.stdout


def test_training_writes_its_files_and_knows_when_it_is_done(trained, run_main):
    folder = trained[1] / "demo_sfs" / "1"
    verts, _ = load_mesh(folder / "final_1.obj")
    assert len(verts) == len(load_mesh(folder / "ori_1.obj")[0])
    torch.load(folder / "checkpoints" / "mlp_1.pth", weights_only=True)
    metrics = load_json(folder / "neural_metrics.json")
    assert metrics["net_type"] == "mlp" and len(metrics["tried"]["neural"]) == 3
    assert len(list((folder / "rerender").glob("nr_*.png"))) == 6
    assert not list(folder.glob(".neural_*"))
    again = run_main("neural_render.py", *arguments(trained))
    assert "up to date" in again.stdout


def test_render_any_cameras(trained, scene, run_main, tmp_path):
    cameras = trained[0] / "1" / "camera" / "param.npz"
    options = ("--mode", "render", "--cameras", cameras, "--render_path", tmp_path)
    done = run_main("neural_render.py", *arguments(trained, *options))
    assert done.returncode == 0, done.stderr
    for view, true in enumerate(scene.scene.masks):
        image, mask = (
            load_image(tmp_path / f"{view:02d}.png"),
            load_mask(tmp_path / f"mask_{view:02d}.png"),
        )
        assert (image[~mask] == 0).all() and (mask & true).sum() > 0.95 * (mask | true).sum()


def test_eval_is_better_than_the_meshs_own_shading(trained, run_main):
    capture = trained[0] / "1"
    options = ("--mode", "eval", "--cameras", capture / "camera" / "param.npz")
    results = trained[1] / "demo_sfs" / "1"
    options += ("--images", capture / "img", "--masks", capture / "mask", "--name", "own")
    options += ("--gt_mesh", results / "final_1.obj")
    done = run_main("neural_render.py", *arguments(trained, *options))
    assert done.returncode == 0, done.stderr
    folder = results / "eval" / "own"
    metrics = load_json(folder / "metrics.json")
    mean, surface = metrics["mean"], metrics["truth"]["surface"]
    assert surface["nr's mesh"]["to_truth"]["mean_mm"] < 1e-3 and "nr's mesh" in done.stdout
    assert mean["nr"]["psnr_aligned"] > mean["mesh"]["psnr_aligned"] + 1  # the mesh is grey
    assert (folder / "nr_00.png").is_file() and "neural renderer" in done.stdout


@pytest.mark.slow
def test_eval_draws_the_mesh_with_its_texture(trained, tmp_path):
    import bake_textures
    import neural_render

    out, capture = shutil.copytree(trained[1], tmp_path / "out"), trained[0] / "1"
    own = ["--data_path", str(trained[0]), "--out_path", str(out)]
    assert bake_textures.main([*own, "--set", "texture_size=64"]) == 0
    options = ("--mode", "eval", "--cameras", capture / "camera" / "param.npz")
    options += ("--images", capture / "img", "--masks", capture / "mask", "--name", "own")
    pictures = {}
    for name in ("--no-texture", "--quiet"):  # the second: as it is by default
        assert neural_render.main(arguments((trained[0], out), *options, name)) == 0
        pictures[name] = load_image(out / "demo_sfs" / "1" / "eval" / "own" / "mesh_00.png")
    assert np.abs(pictures["--no-texture"] - pictures["--quiet"]).max() > 0.001


def test_turntable(trained, run_main, tmp_path):
    import cv2

    for name in ("turn.mp4", "turn.gif"):
        options = ("--mode", "turntable", "--pictures", 3, "--video", tmp_path / name)
        done = run_main("neural_render.py", *arguments(trained, *options))
        assert done.returncode == 0, done.stderr
        film = cv2.VideoCapture(str(tmp_path / name))
        frames = []
        while (read := film.read())[0]:
            frames.append(read[1])
        assert len(frames) == 3 and all((frame > 20).any() for frame in frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--mode", "render"), "--mode render needs --cameras"),
        (("--mode", "eval"), "--mode eval needs --cameras"),
        (("--mode", "turntable"), "nothing trained yet; run neural_render.py --net_type mlp"),
        (("--set", "neural_render.preset=huge"), "preset = 'huge': expected one of small, paper"),
        (
            ("--set", "neural_render.inputs=[smell]"),
            "inputs[0] = 'smell': expected one of normal, albedo",
        ),
        (("--set", "neural_render.stepz=3"), "unknown key 'stepz'"),
    ],
)
def test_what_cannot_be_done_is_said(folders, run_main, options, message):
    assert message in refused(run_main, folders, *options)
    assert not (folders[1] / "demo_sfs" / "1" / "checkpoints").exists()


def test_before_its_predecessor(folders, run_main):
    (folders[1] / "demo_sfs" / "1" / "1.pt").unlink()
    assert "run mesh_sfs_optim.py on this scan first" in refused(run_main, folders)


def test_without_the_parametric_hand(folders, run_main):
    (folders[1] / "demo_sfs" / "1" / "ori_1.obj").unlink()
    assert "ori_1.obj is missing; run mesh_sfs_optim.py" in refused(run_main, folders)


def test_a_photo_too_few(folders, run_main):
    data = folders[0] / "1"
    (data / "img" / "05.png").unlink()
    cameras = dict(np.load(data / "camera" / "param.npz"))
    kept = {key: value for key, value in cameras.items() if not key.endswith("_5")}
    np.savez(data / "camera" / "param.npz", **kept)
    assert "holds 5 photos, the reconstruction 6 views" in refused(run_main, folders)


def test_a_turntable_has_pictures(trained, run_main):
    done = run_main("neural_render.py", *arguments(trained, "--pictures", "0"))
    assert done.returncode == 2 and "--pictures: 0 is no whole number from 1" in done.stderr


def test_cameras_with_nan(trained, run_main, tmp_path):
    cameras = dict(np.load(trained[0] / "1" / "camera" / "param.npz"))
    cameras["world_mat_2"][0, 0] = np.nan
    np.savez(tmp_path / "bad.npz", **cameras)
    options = ("--mode", "render", "--cameras", tmp_path / "bad.npz", "--render_path", tmp_path)
    assert "world_mat_2 is not a finite 4x4 matrix" in refused(run_main, trained, *options)


def test_cameras_that_see_nothing(trained, run_main, tmp_path):
    path = trained[0] / "1" / "camera" / "param.npz"
    cameras = {k: v for k, v in np.load(path).items() if k.startswith(("world_mat", "scale_mat"))}
    for key, value in cameras.items():
        if key.startswith("world_mat"):
            cameras[key] = value @ np.diag([1, 1, 1, -1.0])  # the world on the other side
    np.savez(tmp_path / "away.npz", **cameras)
    options = ("--mode", "render", "--cameras", tmp_path / "away.npz", "--render_path", tmp_path)
    assert "no camera sees the hands" in refused(run_main, trained, *options)


def test_a_film_of_another_kind(trained, run_main, tmp_path):
    options = ("--mode", "turntable", "--video", tmp_path / "turn.mov")
    assert "expected a file that ends in .mp4 or .gif" in refused(run_main, trained, *options)
