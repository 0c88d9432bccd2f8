"""Pixels in which one finger hides another."""

import pytest
import torch

from models.neural.inputs import net_shape
from models.neural.painter import Painter
from models.neural.renderer import NeuralRenderer
from tests.scenes.neural import neural_scene

FINE = 8  # samples along each side of a pixel that stand for all of it


@pytest.fixture(scope="module")
def scene():
    return neural_scene(views=3)


@pytest.fixture(params=["mlp", "unet"])
def painter(scene, request):
    """Of a renderer whose static colours differ all over the hand."""
    torch.manual_seed(0)
    shape = net_shape(request.param, "small")
    model = NeuralRenderer(request.param, shape, len(scene.start.verts))
    with torch.no_grad():
        model.features[:, :3] = 0.4 * torch.sin(40 * scene.start.verts)
    return Painter(model, scene.mesh)


def test_pixels_at_an_occlusion_are_the_mean_of_what_they_show(scene, painter):
    camera = scene.photos.cameras[1]
    fragments, colors = painter.paint(camera)
    mixed = painter.renderer.occlusions(fragments)
    assert len(mixed) > 50
    fine = painter.render(camera.resize(camera.sizes * FINE))
    height, width = camera.sizes[0].tolist()
    cells = (height, FINE, width, FINE)
    full = torch.from_numpy(fine.covered.reshape(*cells).all((1, 3)))
    mean = torch.from_numpy(fine.image.reshape(*cells, 3).mean((1, 3)))
    y, x = fragments.y[mixed].long(), fragments.x[mixed].long()
    inside = full[y, x]
    expected = mean[y, x][inside]
    centers = fine.image[FINE // 2 :: FINE, FINE // 2 :: FINE]
    jagged = (torch.from_numpy(centers)[y, x][inside] - expected).square().mean()
    smooth = (colors[mixed][inside] - expected).square().mean()
    assert inside.sum() > 30 and smooth < 0.4 * jagged


def test_other_pixels_are_as_they_are_at_their_centres(scene, painter, monkeypatch):
    camera = scene.photos.cameras[1]
    fragments, colors = painter.paint(camera)
    mixed = painter.renderer.occlusions(fragments)
    nothing = torch.zeros(0, dtype=torch.long)
    monkeypatch.setattr(painter.renderer, "occlusions", lambda _: nothing)
    plain = painter.paint(camera)[1]
    changed = (plain != colors).any(1).nonzero()[:, 0]
    assert len(changed) > 0 and torch.isin(changed, mixed).all()
