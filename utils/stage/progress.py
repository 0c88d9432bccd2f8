"""What an interrupted training goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_torch, save_torch


class FitProgress:
    """Keeps what each part of a fit found in a file, from which an interrupted fit goes on.

    path None keeps nothing; `made_with` (plain data) must be equal for a file to be used.
    """

    def __init__(self, path: Path | None = None, made_with: Any = None) -> None:
        self.path, self.made_with = path, made_with
        self._kept: dict[str, Any] = {}
        if path is not None and path.is_file():
            try:
                kept = load_torch(path)
            except UserError:
                kept = None
            if isinstance(kept, dict) and kept.get("made_with") == made_with:
                self._kept = kept["parts"]
                print(f"going on after {', '.join(self._kept)} of an interrupted run")

    def part(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `make` returns (tensors and plain values), from the file where it is there."""
        if name not in self._kept:
            self._kept[name] = make()
            if self.path is not None:
                save_torch(self.path, {"made_with": self.made_with, "parts": self._kept})
        return self._kept[name]

    def forget(self) -> None:
        """Remove the file: the fit is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
