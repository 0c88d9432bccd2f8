"""The one loop of gradient steps: weighted terms, schedules, and a way back from a loss of nan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from utils.adam import Steps
from utils.progress_bar import ProgressBar
from utils.steps import record_step


@dataclass(frozen=True)
class Descent:
    """What `optimise` did.

    history: of every step its weighted terms and their sum, "total". stopped: the step in which the
    loss turned nan, or None.
    """

    history: list[dict[str, float]]
    stopped: int | None


def optimise(
    terms: Callable[[int], dict[str, Tensor]],
    optimizers: Sequence[Steps],
    steps: int,
    factor: Callable[[int], float],
    title: str = "",
    shown: Sequence[str] = ("total",),
    after_step: Callable[[], None] | None = None,
    keep_every: int = 1,
    update_last: bool = True,
) -> Descent:
    """Lower the sum of `terms` by `steps` steps of the optimizers' parameters, in place.

    terms(step) are scalars by name, each times its weight; factor(step) scales the optimizers'
    step lengths; after_step may mend parameters after each update. The progress bar has a title and
    the terms `shown`, event files all. Where the sum is not finite the loop ends, and the
    parameters are again those that the last step of a finite sum began with; of each `keep_every`th
    step, since copies cost time. Without update_last, the last step only looks: its loss is known.
    """
    kept, kept_at = _copies(optimizers), 0
    history: list[dict[str, float]] = []
    with ProgressBar(steps, title) as bar:
        for step in range(steps):
            named = terms(step)
            weighted = torch.stack(list(named.values()))
            numbers = _numbers(named, weighted)
            if not math.isfinite(numbers["total"]):
                _put_back(optimizers, kept)
                bar.say(_warning(title, step, kept_at))
                return Descent(history, stopped=step)
            if step % keep_every == 0:
                kept, kept_at = _copies(optimizers), step
            history.append(numbers)
            bar.show({name: numbers[name] for name in shown})
            record_step(title, numbers)
            if update_last or step + 1 < steps:
                _update(weighted.sum(), optimizers, factor(step), after_step)
            bar.advance()
    return Descent(history, stopped=None)


def _numbers(named: dict[str, Tensor], weighted: Tensor) -> dict[str, float]:
    """The terms and their total, by the step's one wait for what a GPU computes."""
    numbers = dict(zip(named, weighted.tolist()))
    return {**numbers, "total": sum(numbers.values())}


def _warning(title: str, step: int, kept_at: int) -> str:
    return f"warning: {title}: the loss turned nan in step {step}; kept step {kept_at}"


def _update(
    loss: Tensor,
    optimizers: Sequence[Steps],
    factor: float,
    after_step: Callable[[], None] | None,
) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.factor = factor
        optimizer.step()
    if after_step is not None:
        after_step()


def _parameters(optimizers: Sequence[Steps]) -> list[Tensor]:
    return [parameter for optimizer in optimizers for parameter in optimizer.parameters()]


def _copies(optimizers: Sequence[Steps]) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in _parameters(optimizers)]


@torch.no_grad()
def _put_back(optimizers: Sequence[Steps], values: Sequence[Tensor]) -> None:
    for parameter, value in zip(_parameters(optimizers), values):
        parameter.copy_(value)
