"""What an interrupted run over a sequence goes on from: a file a frame."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.io.fingerprint import code_version
from utils.stage.config import Config
from utils.stage.progress import load_progress, save_progress


class FrameStore:
    """What a stage found of each frame, kept in a folder of files until the sequence is done.

    Found again where it was made with the same `made_with` (plain data), by this very code, with
    the config keys that were read until then as they are; these then count as read.
    """

    def __init__(self, folder: Path, made_with: Any, config: Config, afresh: bool) -> None:
        self.folder, self._config = folder, config
        self._made_with = hashlib.blake2b(repr(made_with).encode(), digest_size=16).hexdigest()
        self._code = code_version()
        self._found = 0
        if afresh:
            self.forget()

    def part(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What make() returns (tensors and plain values), from its file where it is there."""
        kept = self._load(name)
        if kept is None:
            if self._found:
                print(f"going on after {self._found} parts of an interrupted run", flush=True)
                self._found = 0
            kept = make()
            facts = {"made_with": self._made_with, "reads": self._config.reads(), "part": kept}
            save_progress(self._path(name), self._code, facts)
        return kept

    def forget(self) -> None:
        """Remove what is kept: the sequence is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.pt"

    def _load(self, name: str) -> dict[str, Any] | None:
        facts = load_progress(self._path(name), self._code)
        if facts is None or facts["made_with"] != self._made_with:
            return None
        if not self._config.agrees(facts["reads"]):
            return None
        self._config.note(facts["reads"])
        self._found += 1
        return facts["part"]
