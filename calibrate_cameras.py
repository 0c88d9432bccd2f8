"""Photos or a video of a still hand, and nothing else -> a capture with cameras.

Reads a folder of photos (or a video, whose sharpest frames it chooses) and finds the cameras by
structure from motion on background and hands (pip install -r requirements-calibrate.txt) or, where
there is too little to see but hands, by the hands. Writes D/S in the demo layout: img
(undistorted; where fingers bent meanwhile, drawn in their mean pose), camera/param.npz, pose (of
--keypoints), and D/S/calibration: cameras.json with the lens, report.json with what was done and
how sure it is. The scale comes from a printed board in view (--board; print it with --board-pdf),
from two marked points (--distance), or from the size of a hand: a guess.
How to film a hand: docs/capture.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from utils.stage import Job, StageRecord, run_stage, stage_parser, start
from utils.stage.arguments import whole
from utils.stage.command import run_command
from utils.stage.process import OK

EXAMPLES = """
python calibrate_cameras.py --board-pdf board.pdf                       # print it at 100 %
python calibrate_cameras.py --photos film.mp4 --board charuco:5x7:30:22 --data_path my_data
python calibrate_cameras.py --photos shots/ --data_path my_data --scan_id 2
python calibrate_cameras.py --photos rig/ --lens each --way hands --keypoints rig/pose --data_path r
python calibrate_cameras.py --photos a/ --lens each --way hands --moments b/ c/ d/ --data_path r
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(__doc__, EXAMPLES)
    _add_options(parser)
    args = parser.parse_args(argv)
    if args.board_pdf is not None:
        return run_command(args, lambda: _print_board(args.board_pdf, args.board), argv)
    return run_stage(parser, calibrate_cameras, argv)


def _add_options(parser: argparse.ArgumentParser) -> None:
    """What is photographed, and what is known of it."""
    add = parser.add_argument
    add("--photos", type=Path, metavar="P", help="folder of photos, or a video")
    add(
        "--count",
        type=whole(3, 1000),
        default=60,
        metavar="N",
        help="how many frames of a video are used (default %(default)s)",
    )
    add("--keep-shaken", action="store_true", help="use blurred photos, too")
    add("--as-taken", action="store_true", help="leave the photos so where fingers bent meanwhile")
    add(
        "--way",
        choices=["auto", "background", "hands"],
        default="auto",
        help="structure from motion, or hands alone (default: the first that works)",
    )
    add(
        "--lens",
        choices=["auto", "shared", "each"],
        default="auto",
        help="one camera took all photos, or each its own (default: by size and EXIF)",
    )
    add("--focal", type=float, metavar="PX", help="focal length in pixels, if you know it")
    _add_scale_options(parser)


def _add_scale_options(parser: argparse.ArgumentParser) -> None:
    """What tells the scale."""
    add = parser.add_argument
    add(
        "--board",
        nargs="?",
        const="charuco:5x7:30:22",
        metavar="KIND:COLUMNSxROWS:MM:MM",
        help="a printed board lies in view: charuco:5x7:30:22 (squares and markers, mm; what "
        "--board-pdf writes and --board alone means) or april:4x5:30:10 (tags and gaps)",
    )
    add("--board-pdf", type=Path, metavar="F.pdf", help="write the sheet to print, and stop")
    add("--distance", type=float, metavar="MM", help="between the two points of --marks")
    add("--marks", type=Path, metavar="FILE", help='{"a": {"1.jpg": [x, y], ...}, "b": {...}}')
    add(
        "--keypoints",
        type=Path,
        metavar="FOLDER",
        help="pose files of the photos, by name; else hands are detected (make detect)",
    )
    add(
        "--moments",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="the same cameras at other moments, hands in other poses: folders of photos, or of "
        "pose files, named as in --photos; the way by hands uses them all",
    )


def _print_board(path: Path, text: str | None) -> int:
    from utils.calibration.boards import Board, write_sheet

    board = Board.of(text) if text else Board()
    write_sheet(path, board)
    print(f"{path}: print it at 100 %, check its ruler, then calibrate with --board {board.text}")
    return OK


def calibrate_cameras(job: Job) -> None:
    """Run the stage on one scan. Raises UserError where the photos do not allow it."""
    from models.calibration.request import Request
    from models.calibration.session import calibrate
    from utils.calibration.verdict import judge_calibration
    from utils.calibration.writing import FOLDER, refuse_written, write_calibrated
    from utils.errors import UserError

    args = job.args
    if args.photos is None:
        raise UserError("--photos is missing: a folder of photos, or a video")
    request = Request.of(args)
    record = StageRecord(job, "calibrate_cameras", request.as_text())
    sources = [args.photos] if args.photos.is_file() else sorted(args.photos.glob("*"))
    sources += [args.marks] if args.marks else []
    sources += [path for folder in args.moments for path in sorted(folder.glob("*"))]
    if record.is_current([path for path in sources if path.is_file()]):
        return
    refuse_written(job.scan_dir, job.overwrite)
    calibration = calibrate(request, job.scan_dir / FOLDER, job.config, job.seed)
    print(*calibration.lines, sep="\n")
    verdict = judge_calibration(calibration.report)
    verdict.enforce(job.force)
    calibration.report["verdict"] = verdict.as_dict()
    written = write_calibrated(
        job.scan_dir,
        calibration.photos,
        calibration.cameras,
        calibration.unit,
        calibration.report,
        calibration.keypoints,
        calibration.straightening and calibration.straightening.applied,
    )
    print(f"{job.scan_dir}: {len(calibration.cameras)} views; go on with check_data.py")
    print(verdict.line())
    record.finish(written, verdict=verdict.as_dict())


if __name__ == "__main__":
    start(main)
