"""A sequence's frames, opened: captures of one rig at even steps of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from io import StringIO

from models.sequences.rig import Rig
from utils.captures import Capture
from utils.stage import Job
from utils.stage.frames import FrameList
from utils.stage.sequence import attempt, check_some_left, frame_job, frames_of


@dataclass(frozen=True)
class OpenedFrame:
    """A frame: its place in steps of time, its own job, its capture and which of the rig's views
    that has."""

    step: int
    job: Job
    capture: Capture
    views: Sequence[int]

    @property
    def name(self) -> str:
        """The scan's name."""
        return self.job.scan_id


@dataclass(frozen=True)
class OpenedSequence:
    """The frames that could be opened, those that could not, and the rig of all."""

    chosen: FrameList
    frames: Sequence[OpenedFrame]
    failed: list[str]
    rig: Rig

    @property
    def steps(self) -> int:
        """Even steps of time from the first frame to the last, missing ones included."""
        first, last = self.chosen.numbers[0], self.chosen.numbers[-1]
        return (last - first) // self.chosen.step + 1

    def names(self) -> list[str]:
        """A name a step: the scan's, or the number of a missing frame."""
        first, step = self.chosen.numbers[0], self.chosen.step
        names = [str(first + step * k) for k in range(self.steps)]
        for number, name in zip(self.chosen.numbers, self.chosen.names):
            names[(number - first) // step] = name
        return names


def open_sequence(job: Job, stage: str, open_frame: Callable[[Job], Capture]) -> OpenedSequence:
    """Open all frames of a sequence's job, each by open_frame(its job).

    Frames that cannot be opened, or are of another rig, are said and left out. Notes on how files
    are read are said of the first frame only. Raises UserError where no frame is left.
    """
    chosen, opened, failed = frames_of(job), [], []
    for number, name in zip(chosen.numbers, chosen.names):
        step = (number - chosen.numbers[0]) // chosen.step
        own = frame_job(job, name)
        with ExitStack() as stack:
            if opened:
                stack.enter_context(redirect_stdout(StringIO()))
            capture, error = _opened(own, open_frame)
        if capture is None:
            attempt(own, stage, lambda error=error: _raise(error))
            failed.append(name)
        else:
            opened.append((step, own, capture))
    check_some_left(chosen, failed)
    rig, frames = Rig.of([capture for _, _, capture in opened]), []
    for step, own, capture in opened:
        views = attempt(own, stage, lambda capture=capture: rig.views_of(capture))
        if views is None:
            failed.append(own.scan_id)
        else:
            frames.append(OpenedFrame(step, own, capture, views))
    return OpenedSequence(chosen, frames, failed, rig)


def _opened(
    job: Job, open_frame: Callable[[Job], Capture]
) -> tuple[Capture | None, Exception | None]:
    try:
        return open_frame(job), None
    except Exception as error:  # said by the caller, where notes are not kept back
        return None, error


def _raise(error: Exception) -> None:
    raise error
