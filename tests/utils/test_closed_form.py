"""Terms with known gradients, several at once."""

import time

import torch

from utils.closed_form import closed_form, closed_forms


def squares(array, gradient) -> float:
    gradient += 2 * array
    return float((array**2).sum())


def test_value_and_gradient_are_what_was_evaluated():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (3 * closed_form(x, squares)).backward()
    assert x.grad.tolist() == [6, 12]
    part = torch.arange(4.0)[::2]  # neither contiguous nor in a graph
    assert closed_form(part, squares) == 4


def test_values_and_gradients_are_the_same_whichever_thread_took_them(monkeypatch):
    """Autograd adds gradients up in their order: another one, and the last digit is another."""
    monkeypatch.setattr("utils.render.cpu.threads.thread_count", lambda: 3)

    def slow(seconds: float):
        def evaluate(array, gradient) -> float:
            time.sleep(seconds)
            return squares(array, gradient) + seconds

        return evaluate

    x, y = (torch.ones(2, requires_grad=True) for _ in range(2))
    waits = [0.03, 0.0, 0.02, 0.0, 0.01]
    done, (of_x, of_y) = closed_forms(
        [(x, [slow(wait) for wait in waits]), (y, [slow(0.01)])], lambda: "drawn"
    )
    assert done == "drawn"
    torch.testing.assert_close(torch.stack(of_x).detach(), 2 + torch.tensor(waits))
    (sum(k * value for k, value in enumerate(of_x)) + of_y[0]).backward()
    assert x.grad.tolist() == [20, 20] and y.grad.tolist() == [2, 2]


def test_a_value_that_nobody_uses_has_no_part_in_the_gradient():
    x = torch.ones(2, requires_grad=True)
    _, [[_, used]] = closed_forms([(x, [squares, squares])])
    used.backward()
    assert x.grad.tolist() == [2, 2]
