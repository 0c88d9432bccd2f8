"""The kernels of a training step and of colours say what torch's operations say."""

import pytest
import torch
from torch.nn.functional import huber_loss

from models.appearance.light import LOBES, Highlights
from models.neural.fused import can_color, can_train, colors_at, fused_color_error
from models.neural.inputs import NetShape, SurfaceTable, net_shape, pixel_inputs
from models.neural.known import KnownPixels
from models.neural.training import BEND, fresh
from tests.scenes.neural import neural_scene


@pytest.fixture(scope="module")
def scene():
    return neural_scene()


def learner(scene, shape, net_type="mlp"):
    """A renderer of which nothing is neutral."""
    torch.manual_seed(0)
    trained = fresh(net_type, shape, len(scene.start.verts), len(scene.photos.starts), "cpu")
    with torch.no_grad():
        for number in [*trained.model.parameters(), *trained.exposure.parameters()]:
            number.add_(0.1 * torch.randn_like(number))
        trained.model.strengths.copy_(torch.tensor([0.75, 0.5]))
    return trained, KnownPixels.of(scene.pixels, scene.mesh, shape)


@pytest.mark.parametrize(
    "shape",
    [
        net_shape("mlp", "small"),
        NetShape(("reflection",), 32, 1),
        NetShape(("reflection", "shading", "visibility"), 30, 2),  # no multiples of anything
    ],
)
@pytest.mark.parametrize("count", [1, 64, 1000])
def test_errors_and_gradients_are_those_of_autograd(scene, shape, count):
    trained, known = learner(scene, shape)
    assert can_train(trained.model, known)
    numbers = [*trained.model.parameters(), *trained.exposure.parameters()]
    chosen = torch.randint(len(known), (count,))
    batch = known.part(chosen)
    drawn = trained.exposure(batch.colors(trained.model), batch.pixels.view)
    expected = huber_loss(drawn, batch.pixels.color, delta=BEND) / BEND
    found = fused_color_error(trained.model, known, chosen, trained.exposure.factors(), BEND)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    pairs = zip(*(torch.autograd.grad(2 * loss, numbers) for loss in (expected, found)))
    for one, other in pairs:
        assert one.abs().max() > 0
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * one.abs().max().item())


@pytest.mark.parametrize(
    ("net_type", "shape"),
    [
        ("unet", net_shape("unet", "small")),
        ("mlp", net_shape("mlp", "paper")),
        ("mlp", NetShape(("reflection", "features"), 32, 2)),
        ("mlp", NetShape(("reflection",), 128, 2)),
    ],
)
def test_what_the_kernel_does_not_know_is_left_to_torch(scene, net_type, shape):
    trained, known = learner(scene, shape, net_type)
    assert not can_train(trained.model, known)
    assert not can_color(trained.model)


def random_pixels(count):
    """Values of pixels that look every way, some with a closed or an open sky, some on caps."""
    values = torch.randn(count, SurfaceTable.KNOWN + 9 + 3)
    values[:, 9] = (torch.rand(count) > 0.2).float()
    values[:, 10:19] *= 0.3
    return values.requires_grad_(True), torch.randint(3, (count,)), 4 * torch.randn(3, 3)


@pytest.mark.parametrize("lit", [True, False])
@pytest.mark.parametrize("count", [1, 64, 2000])
def test_colors_and_gradients_are_those_of_autograd(scene, lit, count):
    trained, _ = learner(scene, net_shape("mlp", "small"))
    model = trained.model
    assert can_color(model)
    highlights = Highlights(torch.rand(LOBES, 3)) if lit else None
    values, view, centers = random_pixels(count)
    surface, features = values.tensor_split([-3], 1)
    expected = model.own_colors(
        pixel_inputs(model.shape, surface, centers[view], highlights), features
    )
    found = colors_at(model, values, view, centers, highlights)
    assert torch.allclose(found, expected, atol=1e-5)
    pulled = torch.randn(count, 3)
    one, other = (torch.autograd.grad(c, values, pulled)[0] for c in (expected, found))
    # Where a hidden unit or the sky is at its bend, either side's slope is right.
    close = torch.isclose(one, other, rtol=1e-3, atol=1e-4 * one.abs().max().item()).all(1)
    assert close.float().mean() > 0.99
