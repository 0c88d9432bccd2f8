"""What stages that take a whole movement share: its frames' jobs, and frames that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from utils.errors import UserError
from utils.stage.failures import fault_words
from utils.stage.frames import FrameList, choose_frames, listed
from utils.stage.job import Job
from utils.stage.outcomes import BUSY, MACHINE, kind_of
from utils.verdict import FailedVerdictError

Found = TypeVar("Found")


def frames_of(job: Job) -> FrameList:
    """The frames of a sequence's job, in the order of time."""
    return choose_frames(job.args.frames, job.scan_ids)


def frame_job(job: Job, name: str) -> Job:
    """The job of one frame of a sequence's job; both read the same config."""
    return replace(job, scan_id=name, scan_ids=(name,))


def attempt(job: Job, stage: str, action: Callable[[], Found]) -> Found | None:
    """What `action` gives for one frame; None, and a line that says why, where it fails.

    The traceback of a fault of the suite is kept in O/runs/FRAME_STAGE.log. Interrupts pass, and so
    do failures that are no frame's own: a full disk, a scan that another process has.
    """
    try:
        return action()
    except Exception as error:
        if kind_of(error) in (MACHINE, BUSY):
            raise
        if isinstance(error, UserError):
            print(f"warning: frame {job.scan_id} is left out: {error}")
            return None
        print(f"warning: frame {job.scan_id} is left out: {fault_words(error, job, stage)}")
    return None


def each_frame(stage: Callable[[Job], None]) -> Callable[[Job], None]:
    """The stage on a whole sequence where frames have nothing in common: one after another.

    Frames that fail are said, and the sequence goes on; raises UserError where all do.
    """

    def run(job: Job) -> None:
        frames, failed = frames_of(job), []
        for number, name in enumerate(frames.names, 1):
            print(f"frame {name} ({number} of {len(frames.names)})")
            own = frame_job(job, name).nested()
            if attempt(own, stage.__name__, lambda own=own: (stage(own), True)) is None:
                failed.append(name)
        check_some_left(frames, failed)

    run.__name__ = stage.__name__
    return run


def check_some_left(frames: FrameList, failed: list[str]) -> None:
    """Say which frames failed. Raises UserError where none is left."""
    if len(failed) == len(frames.names):
        raise FailedVerdictError(f"frames {frames.title}: all of them failed, as said above")
    if failed:
        print(
            f"warning: {len(failed)} of {len(frames.names)} frames failed: {listed(failed)}; the "
            "sequence goes on without them"
        )
