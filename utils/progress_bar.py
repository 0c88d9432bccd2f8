"""How far a loop is: a bar on a terminal, elsewhere a plain line every ten seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

LINE_EVERY = 10.0  # seconds between lines, and before the first one

Item = TypeVar("Item")


class ProgressBar:
    """How many of `total` steps are done; a context manager.

    On a terminal it is tqdm's bar, which goes at the end unless `leave`. Where stderr is none, a
    line appears there at most every LINE_EVERY seconds, and nothing for a shorter loop. done: the
    steps that an earlier run did. `progress_to` sends both elsewhere.
    """

    def __init__(
        self, total: int, title: str = "", unit: str = "it", done: int = 0, leave: bool = False
    ) -> None:
        self.total, self.title, self.done = total, title, done
        self._before, self._shown = done, ""
        self._start = self._last_line = time.monotonic()
        bars, self._lines = _outlets()
        self._bar = None
        if bars is not None and total > 0:
            from tqdm import tqdm  # here, for most batch runs need none of it

            look = {"desc": title or None, "unit": unit, "leave": leave, "dynamic_ncols": True}
            self._bar = tqdm(total=total, initial=done, file=bars, **look)

    def show(self, values: Mapping[str, float] | str) -> None:
        """What stands behind the count from now on: numbers by name, or words."""
        first, self._shown = not self._shown, values
        if self._bar is not None:  # which is drawn ten times a second at most, but for the first
            self._bar.set_postfix_str(_words(values, "="), refresh=first)

    def advance(self, count: int = 1) -> None:
        """Count steps as done."""
        self.done += count
        if self._bar is not None:
            self._bar.update(count)
        now = time.monotonic()
        if self._lines is None or self.done >= self.total or now < self._last_line + LINE_EVERY:
            return
        self._last_line = now
        self._lines.write(f"{self._line(now - self._start)}\n")
        self._lines.flush()

    def _line(self, seconds: float) -> str:
        """level 2 of 2: 31/60, 12 s, 11 s left, sfs 0.0087, mask 0.0028"""
        left = seconds / max(self.done - self._before, 1) * (self.total - self.done)
        title = f"{self.title}: " if self.title else ""
        line = f"{title}{self.done}/{self.total}, {_duration(seconds)}, {_duration(left)} left"
        return f"{line}, {_words(self._shown, ' ')}" if self._shown else line

    def say(self, line: str, file: TextIO | None = None) -> None:
        """Print a line (to stdout), not into the bar."""
        if self._bar is not None:
            self._bar.clear()
        print(line, file=file)
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        """The loop is over."""
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def progress(items: Sequence[Item], title: str = "", unit: str = "it") -> Iterator[Item]:
    """The items in turn, each done when the next one is asked for."""
    with ProgressBar(len(items), title, unit) as bar:
        for item in items:
            yield item
            bar.advance()


@contextmanager
def progress_to(bars: TextIO | None, lines: TextIO | None) -> Iterator[None]:
    """In the block, bars go to one stream and lines to another; None: there are none."""
    global _chosen
    before, _chosen = _chosen, (bars, lines)
    try:
        yield
    finally:
        _chosen = before


_chosen: tuple[TextIO | None, TextIO | None] | None = None


def _outlets() -> tuple[TextIO | None, TextIO | None]:
    """Where bars go, and where lines go."""
    if _chosen is not None:
        return _chosen
    return (sys.stderr, None) if sys.stderr.isatty() else (None, sys.stderr)


def _words(shown: Mapping[str, float] | str, between: str) -> str:
    if isinstance(shown, str):
        return shown
    return ", ".join(f"{name}{between}{value:.4f}" for name, value in shown.items())


def _duration(seconds: float) -> str:
    """Seconds up to two minutes, minutes up to two hours, hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
