import pytest
import torch
import trimesh

from models.appearance import Appearance, solve_appearance, vertex_samples
from utils.cameras import Cameras
from utils.render import Renderer

VIEWS = 6


@pytest.fixture(scope="module")
def normals():
    sphere = trimesh.creation.icosphere(3)  # 642 vertices
    return torch.tensor(sphere.vertices.copy(), dtype=torch.float32)


@pytest.fixture
def truth(normals):
    """Albedo, light and gain as different as in a real capture."""
    generator = torch.Generator().manual_seed(0)
    albedo = 0.35 + 0.4 * torch.rand(len(normals), 3, generator=generator)
    light = 0.12 * torch.randn(VIEWS, 9, generator=generator)
    light[:, 4:] /= 3
    light[:, 0] = 1
    gain = 1 + 0.1 * torch.randn(VIEWS, 3, generator=generator)
    return Appearance(albedo, light, gain)


@pytest.fixture
def weights(normals):
    """Each view, from its own direction, sees the vertices that turn towards it."""
    generator = torch.Generator().manual_seed(1)
    towards = torch.nn.functional.normalize(torch.randn(VIEWS, 3, generator=generator), dim=1)
    towards[1::2] = -towards[::2]  # no vertex unseen by all
    return (towards @ normals.T).clamp(min=0)


def error(found: Appearance, truth: Appearance, normals, weights) -> torch.Tensor:
    """Colour errors (n,) of the vertices that are seen well."""
    difference = found.vertex_colors(normals) - truth.vertex_colors(normals)
    return difference.abs().mean(-1)[weights > 0.1]


def test_colour_is_the_product_of_albedo_light_and_gain():
    appearance = Appearance(
        torch.tensor([[0.5, 0.4, 0.2]]), torch.tensor([[0.6, 0, 0.4, 0]]),
        torch.tensor([[1.1, 1.0, 0.9]]),
    )  # fmt: skip
    assert appearance.degree == 2
    found = appearance.vertex_colors(torch.tensor([[0.0, 0, 1]]))
    torch.testing.assert_close(found, torch.tensor([[[0.55, 0.4, 0.18]]]))


def test_closed_form_recovers_the_colours(normals, truth, weights):
    found = solve_appearance(truth.vertex_colors(normals), weights, normals, degree=3)
    errors = error(found, truth, normals, weights)
    # Six rounds of alternation on exact data; an 8-bit image has steps of 0.004.
    assert errors.mean() < 0.002 and errors.quantile(0.99) < 0.01


def test_closed_form_puts_up_with_outliers(normals, truth, weights):
    colors = truth.vertex_colors(normals)
    generator = torch.Generator().manual_seed(2)
    wrong = torch.rand(colors.shape[:2], generator=generator) < 0.05
    colors[wrong] = torch.rand(int(wrong.sum()), 3, generator=generator)
    found = solve_appearance(colors, weights, normals, degree=3)
    errors = error(found, truth, normals, weights)
    # Samples are off by 0.2 on average where they are wrong. A vertex that only two or three views
    # see can't tell which of them lies, so the mean is what robustness can promise.
    assert errors.mean() < 0.01 and errors.median() < 0.005


def test_a_start_of_albedo_is_kept_where_it_fits(normals, truth, weights):
    colors = truth.vertex_colors(normals)
    cold = solve_appearance(colors, weights, normals, degree=3)
    warm = solve_appearance(colors, weights, normals, degree=3, albedo=truth.albedo)
    errors = [error(x, truth, normals, weights).mean() for x in (warm, cold)]
    assert errors[0] <= errors[1]


def test_vertices_that_no_view_sees_get_the_mean_albedo(normals, truth, weights):
    hidden = normals[:, 2] > 0.8
    weights = weights * ~hidden
    found = solve_appearance(truth.vertex_colors(normals), weights, normals, degree=3)
    mean = found.albedo[~hidden].mean(0)
    torch.testing.assert_close(found.albedo[hidden], mean.expand(int(hidden.sum()), 3))


def test_nothing_seen_at_all_stays_finite(normals):
    colors, weights = torch.zeros(VIEWS, len(normals), 3), torch.zeros(VIEWS, len(normals))
    found = solve_appearance(colors, weights, normals, degree=3)
    assert all(x.isfinite().all() for x in found.parameters())


@pytest.mark.parametrize("black", [(slice(None),), (..., 2)], ids=["whole view", "blue channel"])
def test_a_black_view_spoils_nothing(normals, truth, weights, black):
    """A view that was never exposed, or lost a channel, still leaves the others their colours."""
    colors = truth.vertex_colors(normals)
    colors[0][black] = 0
    found = solve_appearance(colors, weights, normals, degree=3)
    assert all(x.isfinite().all() for x in found.parameters())
    difference = (found.vertex_colors(normals) - colors).abs().mean(-1)[1:]
    # Vertices near the black view's axis have one honest witness fewer, not none.
    assert difference[weights[1:] > 0.1].mean() < 0.02


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_degree_says_how_many_coefficients(normals, truth, weights, degree):
    found = solve_appearance(truth.vertex_colors(normals), weights, normals, degree)
    assert found.sh_coeff.shape == (VIEWS, degree**2) and found.degree == degree


def test_normalise_keeps_colours_and_moves_what_is_common_into_the_albedo(normals, truth):
    truth.gain *= torch.tensor([1.3, 1.0, 0.8])
    before = truth.vertex_colors(normals)
    truth.normalise_()
    torch.testing.assert_close(truth.vertex_colors(normals), before)  # float32 rounding
    # No view is brighter than another, and hardly a channel than the others over all views.
    torch.testing.assert_close(truth.gain.mean(1), torch.ones(VIEWS), atol=1e-6, rtol=0)
    torch.testing.assert_close(truth.gain.log().mean(0), torch.zeros(3), atol=0.03, rtol=0)


def test_vertex_samples_are_the_mean_photo_colour_of_each_vertex():
    """One triangle that fills a photo: sampling the rendering of vertex colours gives them back."""
    K = torch.tensor([[[200.0, 0, 50], [0, 200, 50], [0, 0, 1]]])
    cameras = Cameras(K, torch.eye(3)[None], torch.zeros(1, 3), torch.tensor([[100, 100]]))
    corners = torch.tensor([[-0.2, -0.2, 1.0], [0.2, -0.2, 1], [-0.2, 0.2, 1], [5, 5, -5]])
    renderer = Renderer(torch.tensor([[0, 1, 2]]))
    fragments = renderer.rasterize(cameras, corners)
    pixels = torch.full((len(fragments), 3), 0.25)
    weight = (fragments.x > 20).float()  # a strip at the first corner is not believed
    pixels[fragments.x <= 20] = 1.0
    colors, weights = vertex_samples(torch.tensor([[0, 1, 2]]), fragments, pixels, weight, 4)
    assert colors.shape == (1, 4, 3) and weights.shape == (1, 4)
    torch.testing.assert_close(colors[0, :3], torch.full((3, 3), 0.25))
    # Barycentrics sum to 1, so the weights sum to the number of believed pixels.
    assert weights.sum().item() == pytest.approx(weight.sum().item(), rel=1e-5)
    assert weights[0, 3] == 0 and colors[0, 3].tolist() == [0, 0, 0]  # behind the camera
