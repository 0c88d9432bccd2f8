"""The kernel of a training step says what torch's operations say."""

import pytest
import torch
from torch.nn.functional import huber_loss

from models.neural.fused import can_fuse, fused_color_error
from models.neural.inputs import NetShape, net_shape
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
    assert can_fuse(trained.model, known)
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
    assert not can_fuse(trained.model, known)
