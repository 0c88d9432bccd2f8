"""What a capture holds and what looks wrong in it.

Says first what is wrong with the capture as a whole (cameras of another convention, order or size,
photos mirrored, turned or cropped, keypoints in another order), then prints a table of the views
(sizes, cameras, detections, reprojection errors of the triangulated keypoints, masks) and warnings,
and writes O/check/S.png: what is wrong, all views with keypoints and masks, and the cameras in 3D.
Exit status 0 even with warnings; 2 where the capture cannot be used, or pose_optim.py would refuse
it (for want of keypoints, too: detect_hands.py finds them).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.stage import Job, run_stage, stage_parser, start

if TYPE_CHECKING:
    from utils.captures import Capture
    from utils.captures.check import ViewFacts
    from utils.captures.diagnosis import Diagnosis
    from utils.captures.diagnosis.understanding import Understanding
    from utils.keypoints.triangulation import HandKeypoints


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and check the scans; returns the exit status."""
    parser = stage_parser(
        "Print and draw what a capture holds, and what looks wrong in it.",
        "python check_data.py --data_path demo_data --scan_id 1\n"
        "python check_data.py --data_path my_rig --scan_id 1 --set data_type=colmap\n"
        "python check_data.py --data_path my_rig --set data_type=colmap --convert my_data",
    )
    add = parser.add_argument
    add(
        "--convert",
        type=Path,
        metavar="OUT",
        help="instead, write the capture as OUT/S, undistorted",
    )
    add(
        "--layout",
        default="demo",
        metavar="L",
        help="of OUT: demo (default), colmap, nerfstudio, cameras_json",
    )
    return run_stage(parser, check_data, argv)


def check_data(job: Job) -> None:
    """Check one scan, or convert it. Raises UserError where it cannot be used."""
    if job.args.convert is not None:
        convert(job)
    else:
        check(job)


def convert(job: Job) -> None:
    """Write the capture in another layout, with photos, masks, keypoints and cameras."""
    from utils.captures import open_capture
    from utils.captures.convert.capture import LAYOUTS, convert_capture
    from utils.errors import UserError

    layout, folder = job.args.layout, job.args.convert
    if layout not in LAYOUTS:
        raise UserError(
            f"--layout {layout}: no such layout to write; there are {', '.join(LAYOUTS)}"
        )
    capture = open_capture(job)
    files = convert_capture(capture, folder, layout, job.overwrite)
    print(f"{capture.name}: {len(capture)} views, {len(files)} files in {folder / job.scan_id}")
    print(f"read it with --data_path {folder} --set data_type={layout}")


def check(job: Job) -> None:
    """Print, draw and judge one scan. Raises UserError where it cannot be used."""
    from utils.captures import open_capture
    from utils.captures.check import table, triangulated
    from utils.captures.diagnosis import understand
    from utils.captures.sheet import capture_sheet
    from utils.captures.units import unit_line
    from utils.errors import UserError
    from utils.pictures import save_picture

    config = job.config
    capture = open_capture(job)
    print(f"{capture.name}: {len(capture)} views")
    understood = understand(capture, config.pose_optim, job.seed)
    capture, refused = understood.capture, refusal(understood)
    said = verdict_lines(understood.diagnosis, refused)
    print("".join(f"{line}\n" for line in said), end="")
    hands, warnings = triangulated(capture, config.pose_optim, job.seed)
    views = checked_views(capture, hands)
    unit = None if hands is None else unit_line(hands.points, capture.unit)
    print(*[unit] * bool(unit), *table(views), sep="\n")
    warnings = [warning for warning in warnings if warning != refused]
    warnings += [f"view {facts.view}: {warning}" for facts in views for warning in facts.warnings]
    print("".join(f"warning: {warning}\n" for warning in warnings), end="")
    sheet = job.out_path / "check" / f"{job.scan_id}.png"
    drawn = save_picture(sheet, lambda: capture_sheet(capture, views, hands, said))
    print(f"{len(warnings)} warnings" + f"; picture: {sheet}" * bool(drawn))
    if refused:
        raise UserError(refused)


def refusal(understood: Understanding) -> str:
    """Why pose_optim.py would not go on with the capture; nothing where it would."""
    from utils.errors import UserError
    from utils.keypoints.verdict import judge_keypoints
    from utils.verdict import FAILED

    try:
        verdict = judge_keypoints(understood.checked_hands())
    except UserError as error:
        return str(error)
    if verdict.level == FAILED:
        return f"{understood.capture.name}: {'; '.join(verdict.reasons)}"
    return ""


def checked_views(capture: Capture, hands: HandKeypoints | None) -> list[ViewFacts]:
    """Facts and warnings of all views. Raises UserError that names all unreadable files."""
    from utils.captures.check import check_exposures, check_view
    from utils.errors import UserError

    views, broken = [], []
    for view in range(len(capture)):
        try:
            views.append(check_view(capture, view, hands))
        except UserError as error:
            broken.append(str(error))
    if broken:
        more = f" ({len(broken)} such files: {'; '.join(broken[1:])})" if broken[1:] else ""
        raise UserError(broken[0] + more)
    check_exposures(views)
    return views


def verdict_lines(diagnosis: Diagnosis, refused: str) -> list[str]:
    """What is wrong with the whole capture, and what was mended or left out."""
    lines = [f"failed: {refused}"] if refused and not diagnosis.failed else []
    if diagnosis.cause:
        lines.append(f"{'failed' if diagnosis.failed else 'warning'}: {diagnosis.line}")
    return lines + [f"note: {note}" for note in diagnosis.notes]


if __name__ == "__main__":
    start(main)
