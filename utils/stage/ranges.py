"""What every config key may be: types, ranges and units, from conf/ranges.txt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from utils.errors import UserError
from utils.paths import ROOT

TABLE = ROOT / "conf" / "ranges.txt"
KINDS = {
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "text": "text",
    "names": "list of names or text",
}
PYTHON_KINDS = {"bool": bool, "list": list, "text": str, "names": str | list | int}


@dataclass(frozen=True)
class Range:
    """One row of the table: what a key, or each item of a list (`name[]`), may be."""

    key: str
    kind: str  # int, float, bool, text, names or list
    optional: bool  # null will do
    required: bool  # each item of the list of sections needs it
    low: float
    high: float
    above: bool  # low itself is excluded
    words: tuple[str, ...]
    unit: str

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if value is None:
            return None if self.optional else f"expected a {self._kind_text()} ({self.unit})"
        if not self._is_kind(value):
            return f"expected a {self._kind_text()} ({self.unit})"
        if self.words and value not in self.words:
            return f"expected one of {', '.join(self.words)}"
        size = len(value) if self.kind == "list" else value
        if isinstance(size, str | bool) or self.words or self.kind == "names":
            return None
        if not (self.low < size if self.above else self.low <= size) or not size <= self.high:
            low = f"above {self.low:g}, at most" if self.above else f"{self.low:g} to"
            counted = "items, " if self.kind == "list" else ""
            return f"expected {low} {self.high:g} ({counted}{self.unit})"
        return None

    def _is_kind(self, value: Any) -> bool:
        if self.kind in PYTHON_KINDS:
            is_bool = isinstance(value, bool)
            return isinstance(value, PYTHON_KINDS[self.kind]) and is_bool == (self.kind == "bool")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value) and (self.kind == "float" or float(value).is_integer())

    def _kind_text(self) -> str:
        return KINDS.get(self.kind, "list")


@cache
def ranges() -> dict[str, Range]:
    """The table's rows by key."""
    rows = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            row = _row(line)
            rows[row.key] = row
    return rows


def _row(line: str) -> Range:
    key, kind, extent, unit = line.split(maxsplit=3)
    words: tuple[str, ...] = ()
    low, high, above = -math.inf, math.inf, extent.startswith(">")
    if ".." in extent:
        low, high = map(float, extent.lstrip(">").split(".."))
    elif extent != "-":
        words = tuple(extent.split("|"))
    return Range(
        key=key,
        kind=kind.rstrip("?!"),
        optional=kind.endswith("?"),
        required=kind.endswith("!"),
        low=low,
        high=high,
        above=above,
        words=words,
        unit=unit,
    )


def check_ranges(config: Mapping[str, Any], source: str) -> None:
    """Raise UserError, naming `source`, key, value, range and unit, where a value is not right.

    config: plain dicts and lists, whose keys are known ones.
    """
    table = ranges()
    for name, pattern, value in _leaves(config):
        row = table.get(pattern)
        problem = row.problem(value) if row else None
        if problem:
            raise UserError(f"{source}: {name} = {_shown(value)}: {problem}")
        if isinstance(value, list):
            _check_complete(name, pattern, value, source)


def _check_complete(name: str, pattern: str, items: list, source: str) -> None:
    """Sections in a list must have the keys that each of them needs."""
    needed = [
        row.key.removeprefix(f"{pattern}[].")
        for row in ranges().values()
        if row.required and row.key.startswith(f"{pattern}[].")
    ]
    for number, item in enumerate(items):
        for key in needed:
            if isinstance(item, dict) and key not in item:
                raise UserError(f"{source}: {name}[{number}]: key '{key}' is missing")


def _leaves(data: Any, name: str = "", pattern: str = "") -> Iterator[tuple[str, str, Any]]:
    """Name, pattern (list places as []) and value of everything but sections."""
    if isinstance(data, dict):
        for key, value in data.items():
            dot = "." if name else ""
            yield from _leaves(value, f"{name}{dot}{key}", f"{pattern}{dot}{key}")
        return
    yield name, pattern, data
    if isinstance(data, list):
        for number, item in enumerate(data):
            yield from _leaves(item, f"{name}[{number}]", f"{pattern}[]")


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, float) else f"{value:g}"
    return text if len(text) <= 60 else f"{text[:57]}..."
