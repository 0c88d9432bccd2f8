"""Numbers and names on a command line, within bounds."""

from __future__ import annotations

import argparse
from collections.abc import Callable

LARGEST_SEED = 2**32 - 1  # numpy's
LONGEST_NAME = 200  # bytes: stages put endings behind it, and file systems end at 255


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argparse type: whole numbers from low to high, both included."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text[:40]} is no whole number from {low} to {high}")
        return number

    return parse


def add_seed(parser: argparse.ArgumentParser) -> None:
    """The option --seed."""
    seeds = whole(0, LARGEST_SEED)
    parser.add_argument("--seed", type=seeds, default=0, help="random seed (default %(default)s)")
