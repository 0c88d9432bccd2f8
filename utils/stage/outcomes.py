"""What became of each scan of a batch: for the program that runs the batch, and for the index."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_record, save_json
from utils.io.json_lines import append_line
from utils.paths import ROOT
from utils.stage.lock import BusyError
from utils.verdict import FailedVerdictError

# What a scan came to: done; failed by its own fault (input, verdict), the suite's (fault) or the
# machine's (no room, no memory, a disk that fails); busy: another process has it.
DONE, INPUT, VERDICT, FAULT, MACHINE, BUSY = KINDS = (
    "done",
    "input",
    "verdict",
    "fault",
    "machine",
    "busy",
)
MACHINE_ERRORS = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "ENOMEM", "ESTALE", "EROFS", "ENOTCONN", "ETIMEDOUT")
    if hasattr(errno, name)
}
LONGEST_CAUSE = 300  # characters


def kind_of(error: BaseException | None) -> str:
    """The kind, one of KINDS, of what ended a scan's run; None: nothing did."""
    if error is None:
        return DONE
    if isinstance(error, BusyError):
        return BUSY
    if isinstance(error, FailedVerdictError):
        return VERDICT
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or getattr(cause, "errno", None) in MACHINE_ERRORS:
            return MACHINE
        cause = cause.__cause__ or cause.__context__
    return INPUT if isinstance(error, UserError) else FAULT


def failure_path(out_path: Path, scan_id: str, stage: str) -> Path:
    """Where a scan's failure is noted; the file is there as long as the stage has failed."""
    return out_path / "runs" / f"{scan_id}_{stage}.failed"


def failure_notes(out_path: Path) -> list[Path]:
    """The notes of failures in O."""
    return sorted((out_path / "runs").glob("*.failed"))


def failures(out_path: Path) -> dict[str, str]:
    """For each scan of O that failed, what failed and why, in a line."""
    causes: dict[str, str] = {}
    for path in failure_notes(out_path):
        note = load_record(path)
        if all(isinstance(note.get(key), str) for key in ("scan_id", "stage", "cause")):
            cause = f"{note['stage']}: {note['cause']}"
            causes[note["scan_id"]] = "; ".join(filter(None, (causes.get(note["scan_id"]), cause)))
    return causes


class Outcomes:
    """Appends a line of JSON a scan to `path`: scan, stage, kind, records and, if failed, why.

    Where scans fail, their failures are noted beside the records (`failure_path`), too. path None:
    nothing is written; notes of failures that a run has mended go all the same.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def note(
        self,
        out_path: Path,
        scan_id: str,
        stage: str,
        error: BaseException | None,
        records: Sequence[Path] = (),
    ) -> None:
        """Note how a scan's run ended: well, where `error` is None; records: what vouches for it.

        Where that cannot be written, it is said, and nothing else.
        """
        try:
            self._note(out_path, scan_id, stage, error, records)
        except (OSError, UserError) as problem:
            print(f"warning: --outcomes: {problem}", file=sys.stderr)

    def _note(
        self,
        out_path: Path,
        scan_id: str,
        stage: str,
        error: BaseException | None,
        records: Sequence[Path],
    ) -> None:
        failure = failure_path(out_path, scan_id, stage)
        facts: dict[str, Any] = {"scan_id": scan_id, "stage": stage, "kind": kind_of(error)}
        facts["records"] = sorted({path.name for path in records})
        if error is None:
            failure.unlink(missing_ok=True)
        else:
            facts["cause"] = _words(error)
            facts["where"] = _where(error)
        if self._path is None:
            return
        if error is not None and facts["kind"] != BUSY:
            save_json(failure, facts)
        append_line(self._path, facts)


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if not isinstance(error, UserError):
        text = f"{type(error).__name__}: {text or 'no message'}"
    return text[:LONGEST_CAUSE]


def _where(error: BaseException) -> str:
    """The innermost line of the suite that the error came by."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(ROOT) and not any(part.startswith(".") for part in path.parts):
            return f"{path.relative_to(ROOT)}, line {frame.lineno}, in {frame.name}"
    return ""
