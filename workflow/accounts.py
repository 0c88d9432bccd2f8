"""What jobs cost: a line of JSON a job in W/jobs, from which the summary is made."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from resource import struct_rusage
from typing import Any, Protocol

from utils.io.json_lines import append_line, read_lines


class AccountedBatch(Protocol):
    """What is noted of a batch; `workflow.batch.Batch` is one."""

    work: Path
    stage: str
    name: str
    threads: int


def note_job(
    batch: AccountedBatch,
    attempt: int,
    begun: float,
    usage: struct_rusage,
    outcomes: Mapping[str, Mapping[str, Any]],
) -> None:
    """Append a job's line to W/jobs/STAGE_BATCH.jsonl; where that fails, it is said, no more.

    begun: seconds since 1970; usage: of its processes.
    """
    facts = {
        "stage": batch.stage,
        "batch": batch.name,
        "attempt": attempt,
        "machine": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
        "begun": round(begun, 1),
        "seconds": round(time.time() - begun, 1),
        "cores": batch.threads,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_gb": round(usage.ru_maxrss * 1024 / 1e9, 2),
        "scans": dict(Counter(each["kind"] for each in outcomes.values())),
    }
    path = batch.work / "jobs" / f"{batch.stage}_{batch.name}.jsonl"
    try:
        append_line(path, facts)
    except OSError as error:
        print(f"warning: {path}: {error.strerror}", file=sys.stderr)


def noted_jobs(work: Path) -> Iterator[dict[str, Any]]:
    """The jobs that were noted in W/jobs; lines that were cut short are left out."""
    for path in sorted((work / "jobs").glob("*.jsonl")):
        for facts in read_lines(path):
            if "seconds" in facts and "begun" in facts:
                yield facts
