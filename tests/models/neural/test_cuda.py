"""The neural renderer on CUDA against the same on the CPU."""

import pytest
import torch

from models.appearance.visibility import visibility_harmonics
from models.ham.reconstruction import load_reconstruction
from models.neural.checkpoint import checkpoint_path, load_checkpoint, save_checkpoint
from models.neural.fit import fit_renderer
from models.neural.inputs import net_shape
from models.neural.known import KnownPixels
from models.neural.painter import Painter
from models.neural.renderer import NeuralRenderer
from models.neural.training import fresh, train
from tests.scenes.cuda import needs_cuda
from tests.scenes.neural import neural_scene, short_config
from utils.geometry.mesh import vertex_normals

pytestmark = needs_cuda


@pytest.fixture(scope="module")
def scenes():
    return [neural_scene(device=device) for device in ("cpu", "cuda")]


@pytest.mark.parametrize("net_type", ["mlp", "unet"])
def test_the_same_picture(scenes, net_type):
    torch.manual_seed(0)
    model = NeuralRenderer(net_type, net_shape(net_type, "small"), len(scenes[0].start.verts))
    with torch.no_grad():
        model.features[:, :3] = 0.4 * torch.sin(40 * scenes[0].start.verts)
        for part in model.network.parameters():
            part.normal_(0, 0.1)
    own, other = (
        Painter(model.to(scene.start.verts.device), scene.mesh).render(scene.photos.cameras[1])
        for scene in scenes
    )
    assert (own.covered != other.covered).mean() < 3e-3  # nvdiffrast snaps vertices to 1/16 pixel
    both = own.covered & other.covered
    apart = abs(own.image - other.image)[both]
    assert apart.mean() < 2e-3


def test_the_same_visibility(scenes):
    own, other = (
        visibility_harmonics(verts, faces, vertex_normals(verts, faces))
        for verts, faces in ((scene.start.verts, scene.faces) for scene in scenes)
    )
    assert (own - other.cpu()).abs().mean() < 0.02 * own.abs().mean()


def test_both_stages(scenes, tmp_path):
    """Gains as on the CPU (`test_fit`), and a checkpoint that the CPU draws from."""
    torch.manual_seed(0)
    scene, config = scenes[1], short_config()
    config["albedo_weight"] = 200.0
    fit = fit_renderer(scene.start, scene.photos, config)
    tried = fit.report["tried"]
    assert min(a - b for a, b in zip(tried["neural"], tried["mesh"])) > 1
    assert set(fit.report["stage_2"]) == {"kept", "history", "before", "after"}
    assert fit.hands.mesh.verts.is_cuda

    scenes[0].write(tmp_path / "data", tmp_path / "out")
    found = load_reconstruction(tmp_path / "out" / "demo_sfs" / "1", "1")
    path = checkpoint_path(tmp_path, "mlp", "1")
    save_checkpoint(path, fit.hands, found, {})
    loaded = load_checkpoint(path, "mlp", found)
    there = Painter(fit.hands.trained.model, fit.hands.mesh).render(scene.photos.cameras[0])
    here = Painter(loaded.trained.model, loaded.mesh).render(scenes[0].photos.cameras[0])
    both = there.covered & here.covered
    assert abs(there.image - here.image)[both].mean() < 2e-3


@pytest.mark.parametrize("net_type", ["mlp", "unet"])
def test_the_papers_networks_train_in_bfloat16(scenes, net_type):
    torch.manual_seed(0)
    scene = scenes[1]
    shape = net_shape(net_type, "paper")
    trained = fresh(net_type, shape, len(scene.start.verts), len(scene.photos.starts), "cuda")
    known = KnownPixels.of(scene.pixels, scene.mesh, shape)
    train(trained, known, short_config().neural_render, 60)
    assert trained.stopped is None
    assert trained.history[-1] < 0.6 * trained.history[0]
    assert {part.dtype for part in trained.model.parameters()} == {torch.float32}
