"""Files of one JSON object a line, to which processes append."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def append_line(path: Path, facts: Mapping[str, Any]) -> None:
    """Add a line to a file, which need not be there yet. Raises OSError where that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file; lines that were cut short, or hold something else, are left out."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            facts = json.loads(line)
        except ValueError:
            continue
        if isinstance(facts, dict):
            yield facts
