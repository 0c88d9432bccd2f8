"""The loop on parabolas, whose steps can be worked out by hand."""

import sys

import pytest
import torch

from tests.scenes.steps import PlainSteps
from utils.optimise import optimise


def constant(_: int) -> float:
    return 1.0


def parabola(start: float, lr: float = 0.1) -> tuple[torch.Tensor, PlainSteps]:
    """A parameter x; a step of lr 0.1 on x^2 leaves 0.8 of it."""
    x = torch.tensor(start, requires_grad=True)
    return x, PlainSteps([{"params": [x], "lr": lr}])


def test_steps_go_down_and_every_term_is_remembered():
    x, optimizer = parabola(1.0)
    done = optimise(lambda _: {"bowl": x**2, "floor": 0 * x + 3}, [optimizer], 2, constant)
    assert done.stopped is None and x.item() == pytest.approx(0.8**2)
    assert done.history[0] == {"bowl": 1, "floor": 3, "total": 4}
    assert done.history[1] == pytest.approx({"bowl": 0.64, "floor": 3, "total": 3.64})


def test_the_last_step_may_only_look():
    """What is left is what the last numbers are of."""
    x, optimizer = parabola(1.0)
    done = optimise(lambda _: {"bowl": x**2}, [optimizer], 3, constant, update_last=False)
    assert len(done.history) == 3 and x.item() == pytest.approx(0.8**2)
    assert done.history[-1]["total"] == pytest.approx(x.item() ** 2)


def test_no_step_changes_nothing():
    x, optimizer = parabola(1.0)
    done = optimise(lambda _: {"bowl": x**2}, [optimizer], 0, constant)
    assert (done.history, done.stopped, x.item()) == ([], None, 1)


def test_the_factor_scales_each_step_and_all_optimizers_follow_it():
    (x, first), (y, second) = parabola(1.0), parabola(2.0)
    optimise(lambda _: {"bowls": x**2 + y**2}, [first, second], 2, lambda step: 1.0 - step)
    assert x.item() == pytest.approx(0.8) and y.item() == pytest.approx(1.6)  # one step, then none


def test_parameters_are_mended_after_each_update():
    x, optimizer = parabola(1.0)

    def stay_above_half() -> None:
        with torch.no_grad():
            x.clamp_(min=0.5)

    optimise(lambda _: {"bowl": x**2}, [optimizer], 20, constant, after_step=stay_above_half)
    assert x.item() == 0.5


@pytest.mark.parametrize(("keep_every", "left"), [(1, 0.8**3), (2, 0.8**2), (10, 1.0)])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_it_with_what_was_kept(keep_every, left, bad, capsys):
    """Step 3's gradient spoils x; step 4 sees it. Kept are every `keep_every`-th step's starts."""
    x, optimizer = parabola(1.0)
    x.register_hook(lambda gradient: gradient * (bad if len(seen) == 4 else 1))
    seen = []

    def terms(step: int) -> dict[str, torch.Tensor]:
        seen.append(step)
        return {"bowl": x**2}

    done = optimise(terms, [optimizer], 9, constant, title="a bowl", keep_every=keep_every)
    assert done.stopped == 4 and len(done.history) == 4 and seen == [0, 1, 2, 3, 4]
    assert x.item() == pytest.approx(left)
    kept_at = {1: 3, 2: 2, 10: 0}[keep_every]
    message = f"a bowl: the loss turned nan in step 4; kept step {kept_at}"
    assert message in "".join(capsys.readouterr())


def test_a_start_without_a_loss_is_left_as_it_is():
    x, optimizer = parabola(1.0)
    done = optimise(lambda _: {"bowl": x * float("nan")}, [optimizer], 5, constant)
    assert (done.history, done.stopped, x.item()) == ([], 0, 1)


def test_the_bar_shows_the_terms_asked_for(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    x, optimizer = parabola(1.0)
    terms = {"title": "a bowl", "shown": ("bowl",)}
    optimise(lambda _: {"bowl": x**2, "floor": 0 * x + 3}, [optimizer], 2, constant, **terms)
    shown = capsys.readouterr().err
    assert "a bowl" in shown and "bowl=1.0000" in shown and "floor" not in shown
