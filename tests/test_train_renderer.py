"""Pre-training: a new hand under the same highlights is learned faster, and files are checked."""

from dataclasses import replace

import pytest
import torch

from models.appearance.light import LOBES, lobe_responses, towards_cameras
from models.neural.inputs import net_shape
from models.neural.known import KnownPixels
from models.neural.pretraining import Example, load_pretrained, pretrain, save_pretrained
from models.neural.renderer import make_network
from models.neural.training import fresh, train
from tests.scenes.neural import SHORT, neural_scene, short_config, small_shape
from utils.errors import UserError
from utils.geometry.mesh import vertex_normals

SETTINGS = [part for each in SHORT for part in ("--set", f"neural_render.{each}")]


@pytest.fixture(scope="module")
def scene():
    return neural_scene()


def shining(scene, strength: float) -> Example:
    """The scene's pixels with highlights that the mesh's shading does not know."""
    mesh, pixels = scene.mesh, scene.pixels
    normals = vertex_normals(mesh.verts, scene.faces)
    lobes = torch.zeros(LOBES, 3)
    lobes[10:14] = strength
    towards = towards_cameras(mesh.verts, pixels.centers)
    shine = [lobe_responses(normals, each) @ lobes for each in towards]
    color = pixels.color.clone()
    for view in range(len(pixels.centers)):
        seen = pixels.view == view
        color[seen] += pixels.interpolate(shine[view])[seen]
    return Example(mesh, replace(pixels, color=color))


def test_learned_faster_from_there(scene):
    torch.manual_seed(0)
    config, shape = short_config().neural_render, small_shape()
    weights = pretrain([shining(scene, 0.3), shining(scene, 0.5)], "mlp", shape, config, 4, 40)
    losses = []
    for start in (None, weights):
        torch.manual_seed(1)
        example = shining(scene, 0.4)
        learner = fresh("mlp", shape, len(example.mesh.verts), 6, "cpu")
        if start:
            learner.model.network.load_state_dict(start)
        train(learner, KnownPixels.of(example.pixels, example.mesh, shape), config, 15)
        losses.append(sum(learner.history[-5:]))
    assert losses[1] < 0.9 * losses[0]


def test_the_script_and_a_training_that_starts_there(scene, run_main, tmp_path):
    scene.write(tmp_path / "data", tmp_path / "out")
    base = ["--data_path", tmp_path / "data", "--out_path", tmp_path / "out", "--device", "cpu"]
    options = ["--scans", "1", "--rounds", 2, "--steps", 5, "--save", tmp_path / "start.pth"]
    done = run_main("train_renderer.py", *base, *SETTINGS, *options)
    assert done.returncode == 0, done.stderr
    start = ["--set", f'neural_render.pretrained="{tmp_path / "start.pth"}"']
    done = run_main("neural_render.py", *base, *SETTINGS, *start)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_trained_is_said(scene, run_main, tmp_path):
    base = ["--data_path", tmp_path / "data", "--out_path", tmp_path / "out", "--device", "cpu"]
    options = ["--scans", "1", "--save", tmp_path / "start.pth"]
    done = run_main("train_renderer.py", *base, *options)
    assert "run mesh_sfs_optim.py on this scan first" in done.stderr
    done = run_main("train_renderer.py", *base, *options, "--rounds", 0)
    assert "--rounds: 0 is no whole number from 1" in done.stderr


def test_weights_of_another_network_are_refused(tmp_path):
    path, shape = tmp_path / "start.pth", small_shape()
    assert load_pretrained("", "mlp", shape) is None
    with pytest.raises(UserError, match=r"is missing; make it with train_renderer\.py"):
        load_pretrained(str(path), "mlp", shape)
    save_pretrained(path, "mlp", shape, {})
    with pytest.raises(UserError, match=r"weights has no hidden\.0\.weight.*; make it again"):
        load_pretrained(str(path), "mlp", shape)
    weights = make_network("mlp", shape).state_dict()
    save_pretrained(path, "mlp", shape, weights)
    read = load_pretrained(str(path), "mlp", shape)
    assert all(torch.equal(read[name], value) for name, value in weights.items())
    with pytest.raises(UserError, match="the settings ask for mlp"):
        load_pretrained(str(path), "mlp", net_shape("mlp", "paper"))
    torch.save({"foreign": 1}, path)
    with pytest.raises(UserError, match=r"is no file of train_renderer\.py"):
        load_pretrained(str(path), "mlp", shape)


def test_help_names_the_scans_and_no_single_one(run_script):
    done = run_script("train_renderer.py", "--help")
    assert done.returncode == 0 and "--scans" in done.stdout and "--scan_id" not in done.stdout
