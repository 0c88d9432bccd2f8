"""What a workflow did: scans an hour, failures by cause, seconds, memory and cost of a scan.

Reads the lines that its jobs left in W/jobs, the stamps, and the stages' records in the results
folders. Hours are those in which jobs ran; hours between two calls of Snakemake do not count.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.io.files import load_record
from utils.stage import start
from utils.stage.command import run_command
from utils.stage.outcomes import DONE
from utils.stage.output import add_output_options
from utils.stage.process import OK
from workflow.accounts import noted_jobs
from workflow.plan import load_plan
from workflow.sources import Source
from workflow.stamps import SKIPPED, stamp_path

LONGEST_CAUSE = 160  # characters
EXAMPLES = 3  # scans that are named with a cause


def main(argv: Sequence[str] | None = None) -> int:
    """Print the summary; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("work", type=Path, nargs="?", default=Path("workflow_out"), help="the workflow's folder")
    add("--price", type=float, metavar="P", help="of a core hour, in any money: the cost of a scan")
    add_output_options(parser)
    args = parser.parse_args(argv)

    def work() -> int:
        print(*summary(args.work, args.price), sep="\n")
        return OK

    return run_command(args, work, argv)


def summary(work: Path, price: float | None = None) -> list[str]:
    """The lines of the summary. Raises UserError where there is no plan in `work`."""
    plan = load_plan(work)
    if not plan:
        raise UserError(f"{work / 'plan.json'} is missing; give the workflow's folder (its `work`)")
    stages = plan["settings"]["stages"]
    stamps = {
        (stage, name): load_record(stamp_path(work, stage, name)).get("scans", {})
        for stage in stages
        for name in plan["batches"]
    }
    scans = sum(len(batch["scans"]) for batch in plan["batches"].values())
    complete = sum(
        facts["kind"] == DONE
        for name in plan["batches"]
        for facts in stamps[stages[-1], name].values()
    )
    jobs = list(noted_jobs(work))
    lines = [f"{complete} of {scans} scans are complete"]
    lines += cost_lines(jobs, complete, price)
    lines += failure_lines(stamps)
    return [*lines, *stage_lines(jobs, stages, records_of(plan))]


def busy_hours(jobs: Iterable[Mapping[str, Any]]) -> float:
    """Hours in which at least one job ran."""
    hours, end = 0.0, 0.0
    for begun, seconds in sorted((job["begun"], job["seconds"]) for job in jobs):
        hours += max(begun + seconds - max(begun, end), 0.0) / 3600
        end = max(end, begun + seconds)
    return hours


def core_hours(jobs: Iterable[Mapping[str, Any]]) -> float:
    """What jobs had reserved."""
    return sum(job["seconds"] * job["cores"] for job in jobs) / 3600


def cost_lines(jobs: Sequence[Mapping[str, Any]], complete: int, price: float | None) -> list[str]:
    """Scans an hour, and what a scan costs."""
    hours, cores = busy_hours(jobs), core_hours(jobs)
    if not jobs or not complete:
        return []
    machines = sorted({job["machine"] for job in jobs})
    shown = ", ".join(machines[:5]) + (", ..." if len(machines) > 5 else "")
    lines = [
        f"{complete / hours:.0f} scans an hour: {hours:.2f} hours, {len(jobs)} jobs on {shown}",
        f"a scan costs {cores / complete:.4f} core hours"
        + (f" ({price * cores / complete:.4f} at {price:g} an hour)" if price is not None else ""),
    ]
    again = sum(job["attempt"] > 1 for job in jobs)
    return lines + ([f"{again} jobs were further attempts"] if again else [])


def failure_lines(stamps: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[str]:
    """Failures by stage, kind and cause, the most frequent first."""
    scans: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (stage, _), each in stamps.items():
        for scan, facts in each.items():
            if facts["kind"] not in (DONE, SKIPPED):
                cause = facts["cause"].replace(f"/{scan}/", "/S/")[:LONGEST_CAUSE]
                scans[stage, facts["kind"], cause].append(scan)
    lines = []
    for (stage, kind, cause), names in sorted(scans.items(), key=lambda each: -len(each[1])):
        some = ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
        lines.append(f"failed: {len(names)} in {stage} ({kind}): {cause} (scan {some})")
    return lines


def records_of(plan: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The stages' records of all scans of the plan, by stage."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    wanted = {
        (Source.of(batch["source"]).out_path, scan)
        for batch in plan["batches"].values()
        for scan in batch["scans"]
    }
    for out_path in sorted({out_path for out_path, _ in wanted}):
        for path in sorted((Path(out_path) / "runs").glob("*.json")):
            record = load_record(path)
            if (out_path, record.get("scan_id")) in wanted and "seconds" in record:
                found[record["stage"]].append(record)
    return found


def stage_lines(
    jobs: Iterable[Mapping[str, Any]],
    stages: Sequence[str],
    records: Mapping[str, Sequence[Mapping[str, Any]]],
) -> list[str]:
    """A table of the stages: what their records say of a scan, and their jobs' overhead."""
    by_stage: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for job in jobs:
        by_stage[job["stage"]].append(job)
    lines = [
        "",
        f"{'stage':<18}{'scans':>7}{'s a scan':>10}{'CPU s':>8}{'GB':>6}{'jobs':>6}{'s':>8}",
    ]
    for stage in stages:
        own = [r for name, each in records.items() if name.startswith(stage) for r in each]
        seconds, cpu, peak = (
            _median(record.get(key) for record in own)
            for key in ("seconds", "cpu_seconds", "peak_memory_gb")
        )
        peak = max([job["peak_memory_gb"] for job in by_stage[stage]], default=peak)
        spent = sum(job["seconds"] for job in by_stage[stage])
        lines.append(
            f"{stage:<18}{len(own):>7}{seconds:>10.2f}{cpu:>8.2f}{peak:>6.2f}"
            f"{len(by_stage[stage]):>6}{spent:>8.0f}"
        )
    machines = Counter(r.get("machine", "?") for each in records.values() for r in each)
    shown = ", ".join(f"{name} {count}" for name, count in machines.most_common(5))
    return [*lines, f"records by machine: {shown}"] if machines else lines


def _median(values: Iterable[Any]) -> float:
    numbers = [value for value in values if isinstance(value, int | float)]
    return statistics.median(numbers) if numbers else 0.0


if __name__ == "__main__":
    start(main)
