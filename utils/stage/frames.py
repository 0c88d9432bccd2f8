"""Scans that are the frames of a movement: their numbers, which are chosen, and what is missing."""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from utils import words
from utils.errors import UserError

LAST_NUMBER = re.compile(r"(\d+)\D*$")
FORM = re.compile(r"(\d*):(\d*)(?::(\d*))?")
MOST_NAMED = 8  # numbers in one line


@dataclass(frozen=True)
class FrameSlice:
    """a:b:step as Python's slices: frames numbered from a up to, not including, b.

    None: from the first, to the last, each one.
    """

    start: int | None
    stop: int | None
    step: int | None

    @staticmethod
    def parse(text: str) -> FrameSlice:
        """From 'a:b:step', parts of which may be left out; an argparse type."""
        match = FORM.fullmatch(text.strip())
        if match is None or (match[3] or "1").strip("0") == "":
            raise argparse.ArgumentTypeError(
                f"{text[:40]} is no a:b:step, such as 0:300, 10:50:2 or : (all)"
            )
        parts = (int(part) if part else None for part in match.groups())
        return FrameSlice(*parts)

    def __str__(self) -> str:
        shown = ("" if part is None else str(part) for part in (self.start, self.stop, self.step))
        return ":".join(shown).rstrip(":") or ":"


@dataclass(frozen=True)
class FrameList:
    """Frames in the order of time: scans by `names`, their `numbers`, and those not there."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    missing: tuple[int, ...]
    step: int

    @property
    def title(self) -> str:
        """What the sequence is called in files' names: 1-24, or 10-48-2."""
        step = "" if self.step == 1 else f"-{self.step}"
        return f"{self.numbers[0]}-{self.numbers[-1]}{step}"


def frame_numbers(names: Sequence[str]) -> list[int]:
    """A number a scan: the last one in its name, or all their places where these don't differ."""
    matches = [LAST_NUMBER.search(name) for name in names]
    numbers = [int(match[1]) for match in matches if match is not None]
    return numbers if len(set(numbers)) == len(names) else list(range(len(names)))


def choose_frames(chosen: FrameSlice, names: Sequence[str]) -> FrameList:
    """The scans of `names` (natural order) that are frames of the slice.

    Without a step, it is the usual distance of those there. Raises UserError where none is left.
    """
    by_number = dict(sorted(zip(frame_numbers(names), names)))
    if not by_number:
        raise UserError("--frames: the data hold no scan")
    start = min(by_number) if chosen.start is None else chosen.start
    stop = max(by_number) + 1 if chosen.stop is None else chosen.stop
    inside = [number for number in by_number if start <= number < stop]
    step = chosen.step or _usual_step(inside)
    if chosen.start is None and inside:
        start = inside[0]
    numbers = [number for number in inside if (number - start) % step == 0]
    if not numbers:
        raise UserError(
            f"--frames {chosen}: no frame is numbered so; the data hold {min(by_number)} to "
            f"{max(by_number)} (b is not included)"
        )
    expected = range(numbers[0], numbers[-1] + 1, step)
    missing = tuple(number for number in expected if number not in by_number)
    return FrameList(tuple(by_number[n] for n in numbers), tuple(numbers), missing, step)


def _usual_step(numbers: Sequence[int]) -> int:
    steps = Counter(b - a for a, b in pairwise(numbers))
    return min(steps, key=lambda step: (-steps[step], step)) if steps else 1


def listed(numbers: Sequence[int]) -> str:
    """Numbers for a line: 3, 7, 8 and 40 more."""
    return words.listed(numbers, MOST_NAMED)
