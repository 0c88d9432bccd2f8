"""One stage on one batch of scans: what a job of the workflow runs.

Runs the stage's script as a user would, on the scans that the stage before did, and writes the
stamp that says what became of each. A scan that fails, or kills the process, does not stop the
others. Status 75, which makes Snakemake try again: a machine without room or memory, or scans that
another process still has.
"""

from __future__ import annotations

import argparse
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_record, save_json, save_text
from utils.paths import ROOT
from utils.stage import start
from utils.stage.arguments import whole
from utils.stage.outcomes import BUSY as BUSY_SCAN
from utils.stage.outcomes import DONE, MACHINE
from utils.stage.process import BUSY, INTERRUPTED, OK
from workflow.accounts import note_job
from workflow.outcome_lines import read_outcomes
from workflow.plan import NAMES, load_plan
from workflow.sources import Source
from workflow.stamps import SKIPPED, done_facts, failed_facts, going_on, stamp_path

PATIENCE = 20.0  # seconds between two looks at scans that another process has
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Batch:
    """A stage's work on a batch of the plan in the folder `work`."""

    def __init__(self, work: Path, stage: str, name: str, threads: int) -> None:
        plan = load_plan(work)
        if name not in plan.get("batches", {}):
            raise UserError(f"{work / 'plan.json'} has no batch {name}; run Snakemake again")
        self.work, self.stage, self.name, self.threads = work, stage, name, threads
        self.settings: dict[str, Any] = plan["settings"]
        batch = plan["batches"][name]
        self.source, self.scans = Source.of(batch["source"]), list(batch["scans"])
        self.log = work / "logs" / stage / f"{name}.log"

    def ready(self) -> list[str]:
        """The scans that the stage before did; all, for the first stage."""
        place = self.settings["stages"].index(self.stage)
        if place == 0:
            return self.scans
        before = stamp_path(self.work, self.settings["stages"][place - 1], self.name)
        done = going_on(load_record(before))
        return [scan for scan in self.scans if scan in done]

    def command(self, scans: Path, outcomes: Path) -> list[str]:
        """The stage's command line, for scans that a file names."""
        source, settings = self.source, self.settings
        command = [sys.executable, str(ROOT / f"{self.stage}.py")]
        command += ["--data_path", source.data_path, "--out_path", source.out_path]
        command += ["--conf", source.conf] if source.conf else []
        own = [] if self.stage == "report" else ["report=off"]  # the report's stage writes it, once
        command += ["--set", *source.set, *own] if source.set or own else []
        gpu = settings["gpus"] and self.stage in settings["gpu_stages"]
        command += ["--device", "cuda" if gpu else "cpu", "--seed", str(settings["seed"])]
        command += ["--no_index"] if self.stage == "report" else []
        command += shlex.split(settings["options"].get(self.stage, ""))
        return [*command, "--scans-from", str(scans), "--outcomes", str(outcomes)]

    def run(self, scans: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The outcome of each scan, those that ended the process without a word included."""
        found: dict[str, dict[str, Any]] = {}
        while left := [scan for scan in scans if scan not in found]:
            status, outcomes = self._run_once(left)
            found.update(outcomes)
            unheard = [scan for scan in left if scan not in outcomes]
            if unheard and status in (INTERRUPTED, -15):
                raise KeyboardInterrupt
            if unheard and status >= 0 and status < 128:
                raise UserError(
                    f"{self.stage}.py ended with status {status} before scan {unheard[0]}; "
                    f"see {self.log}"
                )
            if unheard:  # killed: the scan that it was at is given up, for this time
                cause = f"its process was killed (status {status}), perhaps for want of memory"
                facts = {"kind": MACHINE, "cause": cause, "where": ""}
                found[unheard[0]] = {**facts, "records": []}
        return found

    def _run_once(self, scans: Sequence[str]) -> tuple[int, dict[str, dict[str, Any]]]:
        """The status of the stage's process, and the outcomes that it noted."""
        folder = self.work / "running" / f"{self.stage}_{self.name}_{os.getpid()}"
        names, outcomes = folder.with_suffix(".txt"), folder.with_suffix(".jsonl")
        save_text(names, "".join(f"{scan}\n" for scan in scans))
        command = [*self.command(names, outcomes), "--log", str(self.log)]
        print(shlex.join(command), flush=True)
        environment = {**os.environ, **dict.fromkeys(THREADS, str(self.threads))}
        try:
            with subprocess.Popen(command, env=environment) as process:
                try:
                    status = process.wait()
                except KeyboardInterrupt:
                    process.terminate()
                    process.wait()
                    raise
            return status, read_outcomes(outcomes)
        finally:
            names.unlink(missing_ok=True)
            outcomes.unlink(missing_ok=True)

    def run_patiently(self, scans: Sequence[str], seconds: float) -> dict[str, dict[str, Any]]:
        """As `run`; scans that another process has are tried again for so long."""
        found, end = self.run(scans), time.monotonic() + seconds
        while busy := [scan for scan, each in found.items() if each["kind"] == BUSY_SCAN]:
            if time.monotonic() > end:
                break
            print(f"waiting for {', '.join(busy)}, which another process has", flush=True)
            time.sleep(min(PATIENCE, max(end - time.monotonic(), 0.1)))
            found.update(self.run(busy))
        return found

    def stamp(self, outcomes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What the stamp says."""
        config, scans = self.source.config(), {}
        for scan in self.scans:
            job = self.source.job(scan, config, self.settings["seed"])
            outcome = outcomes.get(scan)
            if outcome is None:
                scans[scan] = {"kind": SKIPPED}
            elif outcome["kind"] == DONE:
                scans[scan] = done_facts(job, outcome["records"])
            else:
                scans[scan] = failed_facts(job, outcome)
        options = self.settings["options"].get(self.stage, "")
        return {"stage": self.stage, "options": options, "scans": scans}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a stage on a batch; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("stage", choices=NAMES)
    add("batch", help="its name in the plan")
    add("--work", type=Path, required=True, help="the workflow's folder, with plan.json")
    add("--threads", type=whole(1, 4096), default=1, help="cores (default %(default)s)")
    add("--attempt", type=whole(1, 1000), default=1, help="the last one gives up on scans")
    args = parser.parse_args(argv)
    try:
        return run_batch(Batch(args.work, args.stage, args.batch, args.threads), args.attempt)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return BUSY  # a full disk, a changed plan: perhaps not on the next machine


def run_batch(batch: Batch, attempt: int) -> int:
    """Run a batch, write its stamp and note what it cost; the exit status."""
    begun, ready = time.time(), batch.ready()
    outcomes: dict[str, dict[str, Any]] = {}
    try:
        if ready:
            outcomes = batch.run_patiently(ready, 60.0 * batch.settings["busy_minutes"])
    finally:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        note_job(batch, attempt, begun, usage, outcomes)
    again = [scan for scan, each in outcomes.items() if each["kind"] in (MACHINE, BUSY_SCAN)]
    if again and attempt < batch.settings["attempts"]:
        print(f"{', '.join(again)}: not done; the job is to run again", file=sys.stderr)
        return BUSY
    save_json(stamp_path(batch.work, batch.stage, batch.name), batch.stamp(outcomes))
    return OK


if __name__ == "__main__":
    start(main)
