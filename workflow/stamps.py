"""Stamps: what became of each scan of a batch in a stage; Snakemake's targets.

A stamp holds no dates: equal results give equal stamps. It is valid as long as the stages' own
records vouch for the scans that are done, and nothing changed for those that failed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.io.files import load_record
from utils.io.fingerprint import code_version
from utils.stage import Job, StageRecord
from utils.stage.outcomes import DONE, FAULT, INPUT, VERDICT

SKIPPED = "skipped"  # since a stage before failed
FINAL = (INPUT, VERDICT, FAULT)  # kinds of failures that another try alone does not mend


def stamp_path(work: Path, stage: str, batch: str) -> Path:
    """Where the stamp of a stage and batch lies."""
    return work / "stamps" / stage / f"{batch}.json"


def going_on(stamp: Mapping[str, Any]) -> list[str]:
    """The scans of a stamp that the next stage takes."""
    scans = stamp.get("scans")
    scans = scans if isinstance(scans, dict) else {}
    return [scan for scan, facts in scans.items() if facts.get("kind") == DONE]


def done_facts(job: Job, records: Sequence[str]) -> dict[str, Any]:
    """What a stamp says of a scan that is done: the records that vouch for it, and of what."""
    return {"kind": DONE, "records": list(records), "results": _results(job, records)}


def failed_facts(job: Job, outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What a stamp says of a scan that failed."""
    facts = {key: outcome[key] for key in ("kind", "cause", "where")}
    return {**facts, "seen": _seen(job, facts["kind"])}


def is_valid(
    stamp: Mapping[str, Any],
    jobs: Mapping[str, Job],
    options: str,
    before: Mapping[str, Any] | None,
) -> bool:
    """Whether a stamp still holds for all scans of its batch.

    jobs: a batch's scans and their jobs, as the settings are now; options: of the stage's command
    line; before: the stamp of the stage before, None for the first stage.
    """
    scans = stamp.get("scans")
    if not isinstance(scans, dict) or list(scans) != list(jobs) or stamp.get("options") != options:
        return False
    ready = list(jobs) if before is None else going_on(before)
    return all(_holds(job, scans[scan], scan in ready) for scan, job in jobs.items())


def _holds(job: Job, facts: Any, ready: bool) -> bool:
    kind = facts.get("kind") if isinstance(facts, dict) else None
    if not ready or kind == SKIPPED:
        return not ready and kind == SKIPPED
    if kind in FINAL:
        return facts.get("seen") == _seen(job, kind)
    if kind != DONE or not isinstance(facts.get("records"), list):
        return False
    if facts.get("results") != _results(job, facts["records"]):
        return False
    return all(_vouches(job, name) for name in facts["records"])


def _vouches(job: Job, name: str) -> bool:
    path = job.out_path / "runs" / name
    facts = load_record(path)
    if not isinstance(facts.get("stage"), str) or facts.get("scan_id") != job.scan_id:
        return False
    record = StageRecord(job.nested(), facts["stage"], facts.get("options"))
    return record.path == path and record.still_vouches()


def _results(job: Job, records: Sequence[str]) -> str:
    """A digest of what the records say that there is, and of the names of the scan's files."""
    digest = hashlib.blake2b(digest_size=16)
    for name in records:
        outputs = load_record(job.out_path / "runs" / name).get("outputs")
        outputs = outputs if isinstance(outputs, dict) else {}
        hashes = {name: each and each.get("hash") for name, each in outputs.items()}
        digest.update(json.dumps([name, hashes], sort_keys=True).encode())
    for path, _ in _files(job.scan_dir):
        digest.update(path.encode() + b"\n")
    return digest.hexdigest()


def _seen(job: Job, kind: str) -> str:
    """A digest of what a failure may have come from: the scan's files, the config, the code."""
    facts = [_files(job.scan_dir), job.config.plain(), job.seed]
    facts += [code_version()] if kind == FAULT else []
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()


def _files(folder: Path) -> list[tuple[str, list[int]]]:
    """Names, sizes and dates (which are compared for being equal only) of all files in a folder."""
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            try:
                status = os.stat(path)
            except OSError:
                continue
            found.append(
                (os.path.relpath(path, folder), [status.st_size, status.st_mtime_ns, status.st_ino])
            )
    return sorted(found)
