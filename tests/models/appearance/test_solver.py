"""Closed-form appearance against colours made from a known one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from models.appearance.light import LOBES, Highlights
from models.appearance.model import Appearance
from models.appearance.solver import Samples, partly_nonnegative, solve_again, solve_appearance
from tests.scenes.appearance import VIEWS, known_appearance, sphere_normals


@pytest.fixture(scope="module")
def normals():
    return sphere_normals()


@pytest.fixture
def truth(normals):
    return known_appearance(normals)


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


def test_closed_form_recovers_the_colours(normals, truth, weights):
    found = solve_appearance(Samples(truth.vertex_colors(normals), weights, normals), degree=3)
    errors = error(found, truth, normals, weights)
    # Views' lights differ by 0.01 and are drawn together; an 8-bit image has steps of 0.004.
    assert errors.mean() < 0.005 and errors.quantile(0.99) < 0.02


def test_closed_form_puts_up_with_outliers(normals, truth, weights):
    colors = truth.vertex_colors(normals)
    generator = torch.Generator().manual_seed(2)
    wrong = torch.rand(colors.shape[:2], generator=generator) < 0.05
    colors[wrong] = torch.rand(int(wrong.sum()), 3, generator=generator)
    found = solve_appearance(Samples(colors, weights, normals), degree=3)
    errors = error(found, truth, normals, weights)
    # Samples are off by 0.2 on average where they are wrong. A vertex that only two or three views
    # see can't tell which of them lies, so the mean is what robustness can promise.
    assert errors.mean() < 0.015 and errors.median() < 0.005


def test_from_a_light_that_is_nearly_right_a_few_rounds_do(normals, truth, weights):
    """Whatever the albedo was: of the level before, it is of another mesh."""
    samples = Samples(truth.vertex_colors(normals), weights, normals)
    cold = solve_appearance(samples, degree=3)
    start = replace(truth, albedo=torch.full_like(truth.albedo, 0.3), sh_coeff=cold.sh_coeff)
    again = solve_again(samples, start)
    errors = [error(x, truth, normals, weights).mean() for x in (again, cold)]
    assert errors[0] <= errors[1] + 1e-4


def test_vertices_that_no_view_sees_get_the_mean_albedo(normals, truth, weights):
    hidden = normals[:, 2] > 0.8
    weights = weights * ~hidden
    found = solve_appearance(Samples(truth.vertex_colors(normals), weights, normals), degree=3)
    mean = found.albedo[~hidden].mean(0)
    torch.testing.assert_close(found.albedo[hidden], mean.expand(int(hidden.sum()), 3))


def test_nothing_seen_at_all_stays_finite(normals):
    colors, weights = torch.zeros(VIEWS, len(normals), 3), torch.zeros(VIEWS, len(normals))
    found = solve_appearance(Samples(colors, weights, normals), degree=3)
    assert all(x.isfinite().all() for x in found.parameters())


@pytest.mark.parametrize("black", [(slice(None),), (..., 2)], ids=["whole view", "blue channel"])
def test_a_black_view_spoils_nothing(normals, truth, weights, black):
    """A view that was never exposed, or lost a channel, still leaves the others their colours."""
    colors = truth.vertex_colors(normals)
    colors[0][black] = 0
    found = solve_appearance(Samples(colors, weights, normals), degree=3)
    assert all(x.isfinite().all() for x in found.parameters())
    difference = (found.vertex_colors(normals) - colors).abs().mean(-1)[1:]
    # Vertices near the black view's axis have one honest witness fewer, not none.
    assert difference[weights[1:] > 0.1].mean() < 0.02


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_degree_says_how_many_coefficients(normals, truth, weights, degree):
    found = solve_appearance(Samples(truth.vertex_colors(normals), weights, normals), degree)
    assert found.sh_coeff.shape == (VIEWS, degree**2) and found.degree == degree


@pytest.fixture
def towards(normals):
    """Directions (views, V, 3) to distant cameras, those of `weights`."""
    generator = torch.Generator().manual_seed(1)
    found = torch.nn.functional.normalize(torch.randn(VIEWS, 3, generator=generator), dim=1)
    found[1::2] = -found[::2]
    return found[:, None].expand(-1, len(normals), -1)


@pytest.fixture
def shiny(truth):
    """The truth under one light for all views, with three lamps that are mirrored."""
    truth.sh_coeff = truth.sh_coeff[:1].expand(VIEWS, -1).clone()
    truth.albedo *= 0.6
    truth.gain = torch.ones_like(truth.gain)
    truth.lobes = torch.zeros(LOBES, 3)
    truth.lobes[[5, 30, 50]] = 0.2
    return truth


def test_highlights_are_found_where_there_are_some(normals, shiny, weights, towards):
    colors = shiny.vertex_colors(normals, Highlights(shiny.lobes)(normals, towards))
    samples = Samples(colors, weights, normals, towards)
    with_lobes = solve_appearance(samples, 3, highlight_support=0.1)
    without = solve_appearance(samples, 3)
    assert with_lobes.lobes is not None and without.lobes is None
    assert (with_lobes.lobes >= 0).all()
    shine = Highlights(with_lobes.lobes)(normals, towards)
    errors = [
        (found - colors).abs().mean(-1)[weights > 0.1].mean()
        for found in (with_lobes.vertex_colors(normals, shine), without.vertex_colors(normals))
    ]
    assert errors[0] < 0.5 * errors[1]  # three lamps of 64 lobes explain most of what is left


def test_matt_hands_get_no_highlights(normals, truth, weights, towards):
    samples = Samples(truth.vertex_colors(normals), weights, normals, towards)
    assert solve_appearance(samples, 3, highlight_support=0.1).lobes is None


def test_a_view_borrows_the_light_of_what_it_does_not_see(normals, truth, weights):
    """One light in truth; each view sees half of the normals, and still knows the other half."""
    truth.sh_coeff = truth.sh_coeff[:1].expand(VIEWS, -1).clone()
    colors = truth.vertex_colors(normals)
    found = solve_appearance(Samples(colors, weights, normals), degree=3)
    hidden = (found.vertex_colors(normals) - colors).abs().mean(-1)[weights == 0]
    assert hidden.mean() < 0.015  # without sharing, 0.1: nine numbers from half a sphere


def test_saturated_samples_say_little(normals, truth, weights):
    """A view that is overexposed must not make the others darker."""
    truth.gain[0] = 2.5
    colors = truth.vertex_colors(normals)
    found = solve_appearance(Samples(colors.clamp(max=1), weights, normals), degree=3)
    errors = (found.vertex_colors(normals) - colors).abs().mean(-1)[1:]
    assert errors[weights[1:] > 0.1].mean() < 0.01


@pytest.mark.parametrize("free", [0, 4, 12])
def test_what_may_not_be_negative_is_not_and_the_rest_is_the_best(free):
    rng = np.random.default_rng(free)
    matrix, rhs = rng.normal(size=(40, 12)), rng.normal(size=40)
    low = np.r_[np.full(free, -np.inf), np.zeros(12 - free)]
    expected = lsq_linear(matrix, rhs, (low, np.inf), tol=1e-14).x
    solution = partly_nonnegative(matrix.T @ matrix, matrix.T @ rhs, free)
    assert np.allclose(solution, expected, atol=1e-6)
    assert free == 12 or (solution[free:] == 0).any()
    assert solution[:free].size == 0 or solution[:free].min() < 0
