"""The index of each results folder, as a workflow ends: all scans, those that failed in red."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from models.report.index import write_index
from utils.io.files import load_record, save_json
from utils.stage import start
from utils.stage.command import run_command
from utils.stage.output import add_output_options
from utils.stage.process import OK
from workflow.plan import INDEX, load_plan
from workflow.sources import Source
from workflow.stamps import stamp_path


def main(argv: Sequence[str] | None = None) -> int:
    """Write the index of every results folder of the plan; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="the workflow's folder")
    add_output_options(parser)
    args = parser.parse_args(argv)

    def work() -> int:
        write_indices(args.work)
        return OK

    return run_command(args, work, argv)


def write_indices(work: Path) -> None:
    """Write the indices, and W/stamps/index.json with how many scans came to what."""
    plan = load_plan(work)
    last, kinds = plan["settings"]["stages"][-1], Counter()
    folders = {}
    for name, batch in plan["batches"].items():
        source = Source.of(batch["source"])
        folders[source.out_path] = source
        stamp = load_record(stamp_path(work, last, name))
        kinds.update(facts["kind"] for facts in stamp["scans"].values())
    for out_path, source in folders.items():
        print(f"index: {write_index(Path(out_path), source.config().out_mesh_dire)}")
    save_json(work / "stamps" / INDEX, dict(sorted(kinds.items())))
    print(", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))


if __name__ == "__main__":
    start(main)
