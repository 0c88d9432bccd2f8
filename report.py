"""The report of a scan, and the index of all: pages that open from disk.

Reads all that stages have written of a scan, as far as it is there. Writes
O/demo_sfs/S/report.html (warnings, photos with sliders, masks, keypoints, cameras, curves, numbers,
the hands in 3D, settings and versions, in one file) and O/index.html over all scans of O.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from utils.errors import UserError
from utils.stage import Job, run_stage, stage_parser, start
from utils.stage.process import USER_ERROR


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and write the pages; returns the exit status."""
    parser = stage_parser(
        "Write a scan's results as one page, and the index of all scans.",
        "python report.py --data_path demo_data --scan_id 1\n"
        "python report.py --data_path demo_data --scan_id 1 --poses demo_out/mano_out/1.pt",
    )
    parser.add_argument(
        "--poses",
        type=Path,
        metavar="F",
        help="poses that the 3D view plays, too: any file that repose.py takes",
    )
    parser.add_argument(
        "--no_index",
        action="store_true",
        help="leave O/index.html, which takes a look at every report, to a later run",
    )
    written: list[Job] = []

    def report(job: Job) -> None:
        write_scan(job)
        if not job.args.no_index:
            written.append(job)

    return max(run_stage(parser, report, argv), write_indices(written))


def write_scan(job: Job) -> None:
    """Write one scan's report."""
    from models.report.pages import write_report
    from utils.motion.load import load_motion

    poses = None if job.args.poses is None else load_motion(job.args.poses)
    print(f"report: {write_report(job, poses)}")


def write_indices(jobs: Sequence[Job]) -> int:
    """Write the index of each results folder, once all reports are there; the exit status."""
    from models.report.index import write_index

    status = 0
    for out_path, results in {(job.out_path, job.config.out_mesh_dire): None for job in jobs}:
        try:
            print(f"index: {write_index(out_path, results)}")
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            status = USER_ERROR
    return status


if __name__ == "__main__":
    start(main)
