"""Stage 1: colours are learned, views are held out, and what doesn't help is left out."""

import pytest
import torch

from models.neural import training
from models.neural.exposure import Exposure
from models.neural.inputs import net_shape
from models.neural.known import KnownPixels
from models.neural.pixels import TrainingPixels, folds
from models.neural.strengths import (
    STRENGTHS,
    best_strengths,
    strengths_report,
    try_strengths,
    view_psnr,
)
from models.neural.training import fresh, settle_static, train
from tests.scenes.neural import neural_scene, short_config, small_shape
from utils.errors import UserError
from utils.render import Renderer


@pytest.fixture(scope="module")
def scene():
    return neural_scene()


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def known(scene, pixels=None, shape=None):
    return KnownPixels.of(pixels or scene.pixels, scene.mesh, shape or small_shape("mlp"))


def held_out(scene, views, net_type="mlp"):
    return known(scene, scene.pixels.of_views(views), small_shape(net_type))


def untrained(scene, net_type="mlp"):
    count = len(scene.start.verts)
    return fresh(net_type, small_shape(net_type), count, len(scene.photos.starts), "cpu")


@pytest.mark.parametrize("net_type", ["mlp", "unet"])
def test_a_view_that_was_held_out_gets_better(scene, net_type):
    trained, probe = untrained(scene, net_type), held_out(scene, [2], net_type)
    before = view_psnr(trained, probe)
    train(trained, held_out(scene, [0, 1, 3, 4, 5], net_type), short_config().neural_render, 60)
    assert trained.history[-1] < 0.6 * trained.history[0]
    # The mesh is grey and the hand isn't: its colours alone are worth more than a decibel.
    assert view_psnr(trained, probe) > before + 1


def test_values_at_training_pixels_are_those_of_the_renderer(scene):
    renderer, verts = Renderer(scene.faces), scene.start.verts
    fragments = renderer.rasterize(scene.photos.cameras, verts)
    expected = renderer.interpolate(fragments, verts)
    pixels = TrainingPixels.from_fragments(fragments, scene.photos, len(scene.start.faces))
    kept = scene.photos.at(fragments.view, fragments.y, fragments.x).photometric > 0
    kept &= fragments.front_facing()
    assert len(pixels) == int(kept.sum())
    assert torch.allclose(pixels.interpolate(verts), expected[kept], atol=1e-5)


def test_caps_of_wrists_are_no_skin_to_learn(scene):
    assert int(scene.pixels.corners.max()) < len(scene.start.verts)


def test_views_are_held_out_where_there_are_enough(scene):
    pixels = scene.pixels
    assert folds(pixels) == [[1], [3], [5]]
    assert folds(pixels.of_views([0, 2, 4])) == []
    assert folds(pixels.of_views([0, 2, 4, 5])) == [[0], [4], [5]]


def test_photos_without_the_hands_are_refused(scene):
    table = scene.photos.table.clone()
    table[:, 4] = 0
    nothing = type(scene.photos)(scene.photos.cameras, table, scene.photos.starts)
    with pytest.raises(UserError, match="show 0 comparable pixels of the hands"):
        TrainingPixels.of(scene.mesh, nothing)


def test_nothing_is_added_that_held_out_views_dislike(scene):
    trained = untrained(scene)
    with torch.no_grad():
        trained.model.features.copy_(torch.randn_like(trained.model.features))
    scores = try_strengths(trained, held_out(scene, [1, 4]))
    assert scores.shape == (2, len(STRENGTHS)) and best_strengths(scores) == 0
    assert strengths_report(scores, [1, 4])["chosen"] == [0, 0]


def test_what_spoils_a_view_is_passed_over():
    """A smaller gain in both views is better than a larger one that a view pays for."""
    scores = torch.full((2, len(STRENGTHS)), 30.0).numpy()
    scores[:, 3] += [1.5, -0.3]
    assert best_strengths(scores) == 3
    scores[:, 5] += [0.3, 0.2]
    assert best_strengths(scores) == 5
    scores[:, [3, 5]] -= 1
    assert best_strengths(scores) == 0


def test_a_loss_that_turns_nan_leaves_the_last_good_state(scene, monkeypatch):
    """Copies are made every 25 steps; here the network is spoilt in step 31."""
    trained, kept, steps = untrained(scene), [], iter(range(40))
    factors = Exposure.factors

    def poison(exposure):
        step = next(steps)
        if step == 25:
            kept.append(trained.model.features.detach().clone())
        if step == 31:
            with torch.no_grad():
                trained.model.network.last.bias.fill_(torch.nan)
        return factors(exposure)

    monkeypatch.setattr(Exposure, "factors", poison)
    train(trained, known(scene), short_config().neural_render, 40)
    assert trained.stopped == 31 and len(trained.history) == 31
    assert torch.equal(trained.model.features, kept[0])
    assert all(value.isfinite().all() for value in trained.model.state_dict().values())


@pytest.mark.parametrize(("preset", "half"), [("small", False), ("paper", True)])
def test_wide_networks_learn_in_bfloat16_where_the_processor_has_it(
    scene, monkeypatch, preset, half
):
    monkeypatch.setattr(training, "cpu_has_bfloat16", lambda: True)
    monkeypatch.setattr(training, "can_train", lambda *_: False)
    shape, views = net_shape("mlp", preset), len(scene.photos.starts)
    trained = fresh("mlp", shape, len(scene.start.verts), views, "cpu")
    seen, layer = [], trained.model.network.hidden[0]
    layer.register_forward_hook(lambda _, __, output: seen.append(output.dtype))
    config = short_config("batch=300").neural_render
    train(trained, known(scene, shape=shape), config, 12)
    assert set(seen) == {torch.bfloat16 if half else torch.float32}
    assert trained.history[-1] < trained.history[0]
    assert all(value.dtype == torch.float32 for value in trained.model.parameters())


def test_exposures_are_neutral_on_average():
    exposure = Exposure(4)
    torch.nn.init.normal_(exposure.log_gain, std=0.1)
    torch.nn.init.normal_(exposure.offset, std=0.1)
    views = torch.arange(4)
    black, white = (exposure(torch.full((4, 3), value), views) for value in (0.0, 1.0))
    assert torch.allclose(black.mean(0), torch.zeros(3), atol=1e-6)
    assert torch.allclose((white - black).log().mean(0), torch.zeros(3), atol=1e-6)


def test_an_exposure_starts_as_the_line_between_colours():
    """Where a tenth of the pixels show something else."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.rand(4000, 3, generator=generator)
    gain, offset = torch.tensor([1.2, 1.0, 0.8]), torch.tensor([0.03, 0.0, -0.02])
    seen = drawn * gain + offset
    seen[:400] = 0.9
    exposure = Exposure(2)
    exposure.fit(1, drawn, seen)
    assert torch.allclose(exposure.log_gain[1].exp(), gain, atol=0.01)
    assert torch.allclose(exposure.offset[1], offset, atol=0.01)
    assert not exposure.log_gain[0].any()
    view = torch.tensor([0, 1, 1])
    assert torch.allclose(exposure.undo(exposure(drawn[:3], view), view), drawn[:3], atol=1e-5)


def test_static_colours_are_what_photos_show_beyond_the_rest(scene):
    """The mesh is grey, the photos' colours are its albedo's: the difference is found."""
    trained = untrained(scene)
    with torch.no_grad():
        trained.model.features[:, :3] = 9.0  # whatever it was
    settle_static(trained, known(scene))
    assert trained.model.strengths.tolist() == [1, 1]
    seen = torch.bincount(scene.pixels.corners.flatten(), minlength=len(scene.start.verts))
    assert not trained.model.features[seen == 0, :3].any()
    before = view_psnr(untrained(scene), held_out(scene, [2]))
    assert view_psnr(trained, held_out(scene, [2])) > before + 3
