"""What a reader has to say about a capture: each line once, whenever it is found out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence


class Notes(Sequence[str]):
    """Lines about a capture. Pixels are read late, so some come after the capture was opened."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._listeners: list[Callable[[str], object]] = []

    def add(self, line: str) -> None:
        """Keep a line that is new, and tell it to all listeners."""
        if line not in self._lines:
            self._lines.append(line)
            for listener in self._listeners:
                listener(line)

    def tell(self, listener: Callable[[str], object]) -> None:
        """Tell the lines that are there and all that will come."""
        self._listeners.append(listener)
        for line in self._lines:
            listener(line)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index):  # type: ignore[override]
        return self._lines[index]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._lines))


def views_text(names: Sequence[str], count: int) -> str:
    """`names` of some of `count` views in words: all views, view 05, views 03, 08 and 11."""
    if len(names) == count:
        return "all views"
    if len(names) == 1:
        return f"view {names[0]}"
    if len(names) > 6:
        return f"{len(names)} of {count} views"
    return f"views {', '.join(names[:-1])} and {names[-1]}"
