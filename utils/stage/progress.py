"""What an interrupted run goes on from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from utils.errors import UserError
from utils.io.files import load_torch, save_torch
from utils.stage.config import Config

KEYS = {"made_with", "reads", "parts", "random"}


class Progress:
    """Keeps what each part of a run found in a file, from which an interrupted run goes on.

    path None keeps nothing. A file is used where its `made_with` (plain data) is equal and the
    config keys that were read for its parts have the same values in `config`; there they count as
    read again. A file that is foreign or broken is not used. Where `afresh`, it is removed. Torch's
    random state is kept, too, so that what goes on ends as what was never interrupted.
    """

    def __init__(
        self,
        path: Path | None = None,
        made_with: Any = None,
        config: Config | None = None,
        afresh: bool = False,
    ) -> None:
        self.path, self.made_with = path, made_with
        self._config = Config() if config is None else config
        self._kept: dict[str, Any] = {}
        self._random: list[Tensor] | None = None  # after the last part that was kept
        if afresh:
            self.forget()
        if path is not None and path.is_file():
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
                facts = {"made_with": self.made_with, "reads": self._config.reads()}
                random = _random_state()
                save_torch(self.path, {**facts, "parts": self._kept, "random": random})
        return self._kept[name]

    def forget(self) -> None:
        """Remove the file, if there is one: the run is complete."""
        self._kept = {}
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _load(self, path: Path) -> dict[str, Any]:
        """The parts in a file, none where it is of another run."""
        try:
            kept = load_torch(path)
        except UserError:
            return {}
        if not isinstance(kept, dict) or not set(kept) >= KEYS or not _is_state(kept["random"]):
            return {}
        if kept["made_with"] != self.made_with or not self._config.agrees(kept["reads"]):
            return {}
        self._config.note(kept["reads"])
        self._random = kept["random"]
        return kept["parts"]


def _random_state() -> list[Tensor]:
    """Torch's random state: the CPU's, then that of each CUDA device in use."""
    import torch

    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *cuda]


def _is_state(states: Any) -> bool:
    """Whether a file's random state is one."""
    import torch

    size = torch.get_rng_state().shape
    tensors = isinstance(states, list) and states and all(isinstance(s, Tensor) for s in states)
    return bool(tensors) and states[0].shape == size and states[0].dtype == torch.uint8


def _set_random_state(states: list[Tensor]) -> None:
    import torch

    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state_all(states[1:])
