"""How a failed scan is said, and what a batch with failed scans comes to."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from utils.errors import UserError
from utils.io.files import save_text
from utils.stage.lock import BusyError
from utils.stage.process import BUSY, FAILED_RESULT, FAULT, OK, USER_ERROR
from utils.verdict import FailedVerdictError


class PlacedJob(Protocol):
    """Where a job's files go; `utils.stage.Job` is one."""

    @property
    def scan_id(self) -> str: ...

    @property
    def out_path(self) -> Path: ...


class FailedJob(PlacedJob, Protocol):
    """What is said of a job; `utils.stage.Job` is one."""

    @property
    def args(self) -> argparse.Namespace: ...


def report_failure(error: Exception, job: FailedJob, stage: str) -> int:
    """Say what went wrong with a scan; its exit status."""
    if isinstance(error, UserError):
        return report_error(error, job.args.debug)
    return _report_fault(error, job, stage)


def report_error(error: UserError, debug: bool) -> int:
    """Say what a user can mend, in one line; the exit status that tells its kind."""
    if debug:
        traceback.print_exception(error)
    print(f"error: {error}", file=sys.stderr)
    if isinstance(error, BusyError):
        return BUSY
    return FAILED_RESULT if isinstance(error, FailedVerdictError) else USER_ERROR


def _report_fault(error: Exception, job: FailedJob, stage: str) -> int:
    """Say in one line what went wrong in the suite itself, and keep the traceback."""
    if job.args.debug:
        traceback.print_exception(error)
    print(f"error: scan {job.scan_id}: {fault_words(error, job, stage)}", file=sys.stderr)
    return FAULT


def fault_words(error: Exception, job: PlacedJob, stage: str) -> str:
    """What went wrong in the suite itself, for a line; keeps the traceback and says where."""
    trace = "".join(traceback.format_exception(error))
    what = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
    log = job.out_path / "runs" / f"{job.scan_id}_{stage}.log"
    try:
        save_text(log, trace)
        where = f"its traceback is in {log}"
    except UserError:
        print(trace, file=sys.stderr)
        where = "its traceback is above"
    return f"{what[:300]} (a fault of this suite; {where})"


def list_failed(failed: Mapping[str, int], count: int) -> None:
    """Name the scans of a batch of `count` that failed, and those that another process had.

    failed: the exit status of each scan that did not end well.
    """
    if count == 1:
        return
    busy = [scan for scan, status in failed.items() if status == BUSY]
    for what, scans in {
        "failed scans": [scan for scan in failed if scan not in busy],
        "scans left to another process": busy,
    }.items():
        if scans:
            print(f"{what}: {', '.join(scans)} ({len(scans)} of {count})", file=sys.stderr)


def exit_status(statuses: Iterable[int]) -> int:
    """The exit status of a batch: a fault counts most, a scan that another process had least."""
    found = set(statuses)
    if FAULT in found:
        return FAULT
    return max(found - {BUSY}, default=BUSY if BUSY in found else OK)
