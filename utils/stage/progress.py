"""What an interrupted run goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from utils.errors import UserError
from utils.io.fingerprint import code_version
from utils.io.sealed import load_sealed, save_sealed
from utils.stage.config import Config


class Progress:
    """Keeps what each part of a run found in a file, from which an interrupted run goes on.

    path None keeps nothing. A file is used where its `made_with` (plain data) is equal, this very
    code wrote it, and the config keys that were read for its parts have the same values in
    `config`; there they count as read again. A file that is foreign, damaged or of another version
    of the code is not used, which is said. Where `afresh`, it is removed. Torch's random state is
    kept, too, so that what goes on ends as what was never interrupted.
    """

    def __init__(
        self,
        path: Path | None = None,
        made_with: Any = None,
        config: Config | None = None,
        afresh: bool = False,
    ) -> None:
        self.path, self.made_with = path, made_with
        self._code = code_version()  # of what runs: files may be replaced while it does
        self._config = Config() if config is None else config
        self._kept: dict[str, Any] = {}
        self._random: list[Tensor] | None = None  # after the last part that was kept
        if afresh:
            self.forget()
        if path is not None:
            self._kept = self._load(path)
        if self._kept:
            print(f"going on after {', '.join(self._kept)} of an interrupted run")

    def part(self, name: str, make: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
        """What make(*given) returns (tensors and plain values), from the file where it is there."""
        if name not in self._kept:
            if self._random is not None:
                _set_random_state(self._random)
                self._random = None
            self._kept[name] = make(*given)
            if self.path is not None:
                self._save(self.path)
        return self._kept[name]

    def forget(self) -> None:
        """Remove the file, if there is one: the run is complete."""
        self._kept = {}
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _save(self, path: Path) -> None:
        facts = {"made_with": self.made_with, "reads": self._config.reads()}
        save_progress(path, self._code, {**facts, "parts": self._kept, "random": _random_state()})

    def _load(self, path: Path) -> dict[str, Any]:
        """The parts in a file, none where it is of another run."""
        kept = load_progress(path, self._code)
        if kept is None or kept["made_with"] != self.made_with:
            return {}
        if not self._config.agrees(kept["reads"]):
            return {}
        self._config.note(kept["reads"])
        self._random = kept["random"]
        return kept["parts"]


def save_progress(path: Path, code: str, kept: dict[str, Any]) -> None:
    """Write tensors and plain values for a later run of just this version of the code."""
    save_sealed(path, {"code": code, "kept": kept})


def load_progress(path: Path, code: str) -> dict[str, Any] | None:
    """What `save_progress` wrote; None where there is nothing.

    Also None, and that is said, where the file is damaged, foreign or of another version of the
    code: what that found might not fit this one.
    """
    if not path.is_file():
        return None
    try:
        found = load_sealed(path)
    except UserError:
        print(f"{path} is damaged, or of another version of the code: starting again")
        return None
    if found["code"] != code:
        print(f"{path} is of another version of the code: starting again")
        return None
    return found["kept"]


def _random_state() -> list[Tensor]:
    """Torch's random state: the CPU's, then that of each CUDA device in use."""
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *cuda]


def _set_random_state(states: list[Tensor]) -> None:
    import torch

    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state_all(states[1:])
