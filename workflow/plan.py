"""The plan of a workflow: which scans make up which job, and which stamps no longer hold.

Snakemake reads W/plan.json; stages' own records decide here what is to be done again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_record, save_json
from utils.progress_bar import progress
from utils.stage import start
from utils.stage.command import run_command
from utils.stage.output import add_output_options
from utils.stage.process import OK
from workflow.sources import Source, read_table
from workflow.stamps import is_valid, stamp_path

NAMES = (
    "detect_hands",
    "pose_optim",
    "multihands_mano",
    "mano_optim",
    "mesh_sfs_optim",
    "neural_render",
    "evaluate",
    "report",
)
INDEX = "index.json"  # among the stamps


def main(argv: list[str] | None = None) -> int:
    """Read settings as JSON from stdin and write the plan; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_output_options(parser)
    args = parser.parse_args(argv)

    def work() -> int:
        settings = json.load(sys.stdin)
        print(make_plan(settings))
        return OK

    return run_command(args, work, argv)


def make_plan(settings: Mapping[str, Any]) -> str:
    """Write W/plan.json, remove stamps that no longer hold, and return a line about both."""
    stages = list(settings["stages"])
    unknown = [name for name in (*stages, *settings["options"]) if name not in NAMES]
    if unknown or not stages:
        raise UserError(f"stages: {', '.join(unknown) or 'none'}; there are {', '.join(NAMES)}")
    work = Path(settings["work"])
    batches = make_batches(read_table(settings), load_plan(work), int(settings["scans_a_job"]))
    removed = 0
    for name, batch in progress(batches.items(), "batches"):
        removed += remove_outdated(work, name, batch, settings)
    if removed:
        (work / "stamps" / INDEX).unlink(missing_ok=True)
    save_json(work / "plan.json", {"settings": dict(settings), "batches": batches})
    count = sum(len(batch["scans"]) for batch in batches.values())
    jobs = len(batches) * len(stages)
    missing = sum(not stamp_path(work, s, b).is_file() for s in stages for b in batches)
    return f"{count} scans in {len(batches)} batches; {missing} of {jobs} jobs are to be done"


def load_plan(work: Path) -> dict[str, Any]:
    """What `make_plan` wrote; nothing where there is none."""
    return load_record(work / "plan.json")


def make_batches(
    table: Mapping[Source, list[str]], before: Mapping[str, Any], size: int
) -> dict[str, dict[str, Any]]:
    """Names of batches, each with a source and its scans.

    Batches of the plan `before` stay as they are, so that a longer table makes more of them and no
    others; scans that are no longer in the table leave theirs.
    """
    if size < 1:
        raise UserError(f"scans_a_job: {size}; expected 1 or more")
    left = {source: dict.fromkeys(scans) for source, scans in table.items()}
    batches: dict[str, dict[str, Any]] = {}
    for name, batch in before.get("batches", {}).items():
        source = _present(Source.of(batch["source"]), batch["scans"], left)
        scans = [scan for scan in batch["scans"] if source and scan in left[source]]
        if source and scans:
            batches[name] = {"source": source.as_dict(), "scans": scans}
            for scan in scans:
                del left[source][scan]
    number = max((int(name[1:]) for name in before.get("batches", {})), default=0)
    for source, scans in left.items():
        names = list(scans)
        for first in range(0, len(names), size):
            number += 1
            some = names[first : first + size]
            batches[f"b{number:05d}"] = {"source": source.as_dict(), "scans": some}
    return batches


def _present(
    old: Source, scans: Sequence[str], left: Mapping[Source, Mapping[str, None]]
) -> Source | None:
    """The source of today, whose settings may have changed, that has scans of an old batch."""
    for source, names in left.items():
        same = (source.data_path, source.out_path) == (old.data_path, old.out_path)
        if same and any(scan in names for scan in scans):
            return source
    return None


def remove_outdated(
    work: Path, name: str, batch: Mapping[str, Any], settings: Mapping[str, Any]
) -> int:
    """Remove the stamps of a batch from the first stage on that has something to do; how many."""
    source, before, removed, valid = Source.of(batch["source"]), None, 0, True
    config = source.config()
    jobs = {scan: source.job(scan, config, settings["seed"]) for scan in batch["scans"]}
    for stage in settings["stages"]:
        path = stamp_path(work, stage, name)
        stamp = load_record(path)
        options = settings["options"].get(stage, "")
        valid = valid and is_valid(stamp, jobs, options, before)
        if settings["again"] and any("cause" in facts for facts in stamp.get("scans", {}).values()):
            valid = False
        if not valid and path.is_file():
            path.unlink()
            removed += 1
        before = stamp
    return removed


if __name__ == "__main__":
    start(main)
