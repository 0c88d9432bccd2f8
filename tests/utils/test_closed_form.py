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


def test_several_are_numbered_in_their_order_whichever_thread_took_them(monkeypatch):
    """Autograd adds gradients up in that order: another one, and the last digit is another."""
    monkeypatch.setattr("utils.render.cpu.threads.thread_count", lambda: 3)

    def slow(seconds: float):
        def evaluate(array, gradient) -> float:
            time.sleep(seconds)
            return squares(array, gradient) + seconds

        return evaluate

    x, waits = torch.ones(2, requires_grad=True), [0.03, 0.0, 0.02, 0.0, 0.01]
    terms = closed_forms([(x, slow(wait)) for wait in waits])
    torch.testing.assert_close(torch.stack(terms).detach(), 2 + torch.tensor(waits))
    first, *others = (term.grad_fn._sequence_nr() for term in terms)
    assert others == [first + k for k in range(1, len(terms))]
