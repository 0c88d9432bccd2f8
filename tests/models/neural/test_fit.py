"""Both stages together: stage 2's geometry, its check, resumption and checkpoints."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ham.reconstruction import load_reconstruction
from models.neural import fit as fit_module
from models.neural.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint
from models.neural.fit import fit_renderer
from models.neural.mesh import NeuralMesh
from models.neural.painter import Painter
from models.neural.refinement import refine_surface, silhouette_agreement
from models.neural.training import fresh
from tests.scenes.neural import neural_scene, short_config, small_shape
from utils.errors import UserError
from utils.geometry.mesh import vertex_normals
from utils.io.files import load_torch, save_torch
from utils.io.sealed import load_sealed
from utils.stage.progress import Progress


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def scene():
    return neural_scene()


@pytest.fixture(scope="module")
def fit(scene):
    """Where the mesh's albedo may hardly vary, so that there is something to add."""
    torch.manual_seed(0)
    config = short_config()
    config["albedo_weight"] = 200.0
    return fit_renderer(scene.start, scene.photos, config)


@pytest.fixture
def found(scene, tmp_path):
    scene.write(tmp_path / "data", tmp_path / "out")
    return load_reconstruction(tmp_path / "out" / "demo_sfs" / "1", "1")


def test_stage_2_moves_a_smooth_hand_to_the_true_one(scene):
    start = replace(scene.start, verts=scene.start.reference)
    start = replace(start, appearance=scene.scene.appearance)
    config = short_config("joint_steps=40", "vertex_lr=0.01")
    mesh = NeuralMesh.of(start.verts, scene.scene.faces, start.appearance)
    shading = fresh("mlp", small_shape(), len(start.verts), len(scene.photos.starts), "cpu")
    untouched = [weight.clone() for weight in shading.model.network.parameters()]
    verts, history = refine_surface(start, shading, mesh, scene.photos, config)
    normals = vertex_normals(scene.start.verts, scene.faces)
    before, after = (
        ((x - scene.start.verts) * normals).sum(1).abs().mean() for x in (start.verts, verts)
    )
    assert after < 0.85 * before  # 40 steps, photos of 72 pixels: half a bump is a third of one
    assert history[-1]["mask"] < history[0]["mask"]
    colors, network = shading.model.features[:, :3], shading.model.network
    assert colors.abs().max() > 0.001  # solved on the way; the network stays as it was
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), untouched))


def test_silhouettes_of_the_true_hand_agree(scene):
    photos = scene.photos.of_views([0, 2])
    exact = silhouette_agreement(scene.start.verts, scene.start.faces, photos)
    moved = silhouette_agreement(scene.start.verts + 0.1, scene.start.faces, photos)
    assert exact > 0.99 and moved < 0.9


def test_a_fit_says_what_views_held_out_said(fit):
    report = fit.report
    assert report["tried"]["views"] == [1, 3, 5]
    gains = np.subtract(report["tried"]["neural"], report["tried"]["mesh"])
    assert gains.min() > 1
    assert report["strengths"][0] >= 0.5
    assert set(report["stage_2"]) == {"kept", "history", "before", "after"}


def test_a_mesh_that_held_out_views_dislike_is_not_kept(scene, monkeypatch):
    def spoilt(start, *rest):
        noise = 0.03 * torch.randn(start.verts.shape, generator=torch.Generator().manual_seed(0))
        return start.verts + noise, []

    monkeypatch.setattr(fit_module, "refine_surface", spoilt)
    fit = fit_renderer(scene.start, scene.photos, short_config())
    assert not fit.report["stage_2"]["kept"]
    assert torch.equal(fit.hands.mesh.verts, scene.start.verts)


@pytest.mark.parametrize("net_type", ["mlp", "unet"])
def test_a_mesh_that_held_out_views_like_stays(scene, monkeypatch, net_type):
    """A rough start, which stage 2 makes the true one; whatever is trained, an MLP is its guide."""
    true, guides = scene.start.verts, []

    def mend(start, trained, mesh, photos, config):
        guides.append(trained.model)
        seen = [bool(photos.of_views([view]).rows().photometric.any()) for view in range(6)]
        assert seen == [view not in hidden.pop() for view in range(6)]
        return true, []

    hidden = [[] for _ in range(6)] + [[1]] * 6  # first the trial, then all views
    monkeypatch.setattr(fit_module, "refine_surface", mend)
    noise = 0.03 * torch.randn(true.shape, generator=torch.Generator().manual_seed(0))
    rough = replace(scene.start, verts=true + noise)
    fit = fit_renderer(rough, scene.photos, short_config(), net_type)
    assert fit.report["stage_2"]["kept"] and torch.equal(fit.hands.mesh.verts, true)
    assert [model.net_type for model in guides] == ["mlp", "mlp"]
    assert fit.hands.trained.model.net_type == net_type


def test_few_views_hold_none_out(scene):
    cameras, photos = scene.photos.cameras[:3], scene.photos
    few = type(photos)(cameras, photos.table, photos.starts[:3])
    own = scene.start.appearance
    appearance = replace(own, sh_coeff=own.sh_coeff[:3], gain=own.gain[:3])
    fit = fit_renderer(replace(scene.start, appearance=appearance), few, short_config())
    assert fit.report["tried"] is None and fit.report["stage_2"] is None
    assert fit.report["strengths"] == [1, 1]


def test_an_interrupted_fit_goes_on(scene, tmp_path, monkeypatch, capsys):
    path, config = tmp_path / "progress.pt", short_config()
    with monkeypatch.context() as patch:
        patch.setattr(fit_module, "refine_surface", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit_renderer(scene.start, scene.photos, config, progress=Progress(path, "same"))
    kept = load_sealed(path)["kept"]["parts"]
    assert list(kept) == ["trial 1 of 3", "trial 2 of 3", "trial 3 of 3"]
    fit = fit_renderer(scene.start, scene.photos, config, progress=Progress(path, "same"))
    assert "going on after trial 1 of 3, trial 2 of 3, trial 3 of 3 of" in capsys.readouterr().out
    mesh_alone = [trial["scores"][0][0] for trial in kept.values()]
    assert fit.report["tried"]["mesh"] == mesh_alone
    Progress(path, "other config")
    assert capsys.readouterr().out == ""


def interrupt(*_):
    raise KeyboardInterrupt


def test_a_checkpoint_draws_the_same(fit, found, scene, tmp_path):
    path = checkpoint_path(tmp_path, "mlp", "1")
    save_checkpoint(path, fit.hands, found, {"note": 1})
    loaded = load_checkpoint(path, "mlp", found)
    pictures = [
        Painter(hands.trained.model, hands.mesh).render(scene.photos.cameras[0]).image
        for hands in (fit.hands, loaded)
    ]
    assert (pictures[0] == pictures[1]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mesh": "0123"}, "belongs to another mesh"),
        ({"net_type": "unet"}, "holds a network of type unet, expected mlp"),
        ({"hand_models": ["right mano"]}, "trained for the hand models right mano"),
        ({"format": 0}, "is no checkpoint of neural_render.py"),
        ({"model": {}}, "does not fit its own network"),
    ],
)
def test_a_foreign_checkpoint_is_refused(fit, found, tmp_path, change, message):
    path = checkpoint_path(tmp_path, "mlp", "1")
    save_checkpoint(path, fit.hands, found, {})
    save_torch(path, load_torch(path) | change)
    with pytest.raises(UserError, match=message):
        load_checkpoint(path, "mlp", found)


def test_nothing_trained_yet(found, tmp_path):
    with pytest.raises(
        UserError, match=r"nothing trained yet; run neural_render\.py --net_type mlp"
    ):
        load_checkpoint(checkpoint_path(tmp_path, "mlp", "1"), "mlp", found)
