import torch

from models.fitting.least_squares import Residuals, minimise


def rosenbrock(x):
    value = torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])[None]
    jacobian = torch.tensor([[[-20 * x[0], 10.0], [-1.0, 0.0]]]).double()
    return [Residuals("rosenbrock", value, jacobian, torch.ones(1).double())]


def line(cauchy):
    t = torch.linspace(-1, 1, 21).double()
    data = 2 * t + 1
    data[::7] += 30  # gross outliers on one side

    def problem(x):
        jacobian = torch.stack([t, torch.ones_like(t)], 1)[:, None]
        value = (x[0] * t + x[1] - data)[:, None]
        return [Residuals("line", value, jacobian, torch.ones(len(t)).double(), cauchy)]

    return problem


def test_a_curved_valley_is_followed_to_its_end():
    x = minimise(rosenbrock, torch.tensor([-1.2, 1.0]).double(), torch.ones(2).bool(), 60, 0.0)
    assert (x - 1).abs().max() < 1e-6


def test_only_free_unknowns_move():
    start = torch.tensor([-1.2, 1.0]).double()
    x = minimise(rosenbrock, start, torch.tensor([False, True]), 20)
    assert x[0] == start[0] and abs(float(x[1]) - 1.44) < 1e-6


def test_cauchy_ignores_outliers_that_least_squares_follows():
    start, free = torch.zeros(2).double(), torch.ones(2).bool()
    robust = minimise(line(0.5), start, free, 100, 1e-12)
    plain = minimise(line(None), start, free, 100, 1e-12)
    truth = torch.tensor([2.0, 1.0]).double()
    assert (robust - truth).abs().max() < 0.05
    assert (plain - truth).abs().max() > 2


def test_a_start_at_the_minimum_is_kept():
    start = torch.ones(2).double()
    assert torch.equal(minimise(rosenbrock, start, torch.ones(2).bool(), 10), start)
