"""Words of lines that people read."""

from __future__ import annotations

from collections.abc import Sequence

LISTED = 6  # names in a line


def listed(names: Sequence[object], most: int = LISTED) -> str:
    """Some names: all, or the first `most` and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more
