"""TensorBoard's event files: the terms of every step of an optimisation, as curves."""

from __future__ import annotations

import importlib.util
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.steps import heard_by

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

QUEUE = 1000  # scalars that may wait for the disk
FLUSH_EVERY = 10  # seconds


class EventFile:
    """One run's event file, in a folder of its own inside `folder`, made at the first scalar.

    TensorBoard lists runs by their folders, so that a rerun's curves stand beside the earlier ones.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / time.strftime("%Y-%m-%d_%H-%M-%S")
        self._writer: SummaryWriter | None = None
        self._steps: Counter[str] = Counter()
        self._broken = False

    def add(self, title: str, numbers: Mapping[str, float], step: int | None) -> None:
        """One step's numbers as `title`/name, at `step` or behind the title's step before.

        A disk that takes no more ends the curves, which is said, and not the run.
        """
        if self._broken:
            return
        if step is None:
            step = self._steps[title]
        self._steps[title] = step + 1
        try:
            for name, value in numbers.items():
                self._open().add_scalar(f"{title}/{name}", value, step)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Write what waits, and close the file."""
        if self._writer is None or self._broken:
            return
        try:
            self._writer.close()
        except OSError as error:
            self._give_up(error)

    def _open(self) -> SummaryWriter:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self.folder.mkdir(parents=True, exist_ok=True)  # an error of the system's, if any
            self._writer = SummaryWriter(str(self.folder), max_queue=QUEUE, flush_secs=FLUSH_EVERY)
        return self._writer

    def _give_up(self, error: OSError) -> None:
        self._broken = True
        reason = error.strerror or error
        print(f"warning: {self.folder}: {reason}; no more curves are written", flush=True)


@contextmanager
def event_file(folder: Path | None) -> Iterator[None]:
    """In the block, `record_step` writes to an event file in `folder`; None: to none."""
    if folder is None:
        yield
        return
    file = EventFile(folder)
    try:
        with heard_by(file):
            yield
    finally:
        file.close()


def check_tensorboard() -> None:
    """Raise UserError where the package that writes event files is missing."""
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError(
            "--tensorboard: the package tensorboard is not installed; "
            "python -m pip install -r requirements-tensorboard.txt"
        )
