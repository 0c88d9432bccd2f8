"""What an interrupted run goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_torch, save_torch


class Progress:
    """Keeps what each part of a run found in a file, from which an interrupted run goes on.

    path None keeps nothing. `made_with` (plain data) must be equal for a file to be used; a file
    that is foreign or broken is not. Where `afresh`, what is there is removed.
    """

    def __init__(
        self, path: Path | None = None, made_with: Any = None, afresh: bool = False
    ) -> None:
        self.path, self.made_with = path, made_with
        self._kept: dict[str, Any] = {}
        if afresh:
            self.forget()
        if path is not None and path.is_file():
            self._kept = _parts(path, made_with)
        if self._kept:
            print(f"going on after {', '.join(self._kept)} of an interrupted run")

    def part(self, name: str, make: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
        """What make(*given) returns (tensors and plain values), from the file where it is there."""
        if name not in self._kept:
            self._kept[name] = make(*given)
            if self.path is not None:
                save_torch(self.path, {"made_with": self.made_with, "parts": self._kept})
        return self._kept[name]

    def forget(self) -> None:
        """Remove the file, if there is one: the run is complete."""
        self._kept = {}
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _parts(path: Path, made_with: Any) -> dict[str, Any]:
    """The parts in a file, none where it is of another run."""
    try:
        kept = load_torch(path)
    except UserError:
        return {}
    if not isinstance(kept, dict) or not {"made_with", "parts"} <= set(kept):
        return {}
    return kept["parts"] if kept["made_with"] == made_with else {}
