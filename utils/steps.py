"""Who hears of the steps of optimisations: a file of curves, a page in a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol


class StepListener(Protocol):
    """What is told of every step."""

    def add(self, title: str, numbers: Mapping[str, float], step: int | None) -> None:
        """One step's numbers, of the optimisation `title`; step None: behind its last one."""


_listeners: list[StepListener] = []


@contextmanager
def heard_by(listener: StepListener) -> Iterator[None]:
    """In the block, `record_step` tells the listener, too."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def record_step(title: str, numbers: Mapping[str, float], step: int | None = None) -> None:
    """Tell the numbers of an optimisation's step to whoever listens; without a title, to nobody.

    step None: the one behind the last one of this title.
    """
    if title:
        for listener in _listeners:
            listener.add(title, numbers, step)
