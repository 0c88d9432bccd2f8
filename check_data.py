"""What a capture holds and what looks wrong in it.

Says first what is wrong with the capture as a whole (cameras of another convention, order or size,
photos mirrored, turned or cropped, keypoints in another order), then prints a table of the views
(sizes, cameras, detections, reprojection errors of the triangulated keypoints, masks) and warnings,
and writes O/check/S.png: all views with keypoints and masks, and the cameras in 3D. Exit status 0
even with warnings; 2 where the capture cannot be used, or the stages would make a wrong mesh of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.stage import Job, run_stage, stage_parser, start

if TYPE_CHECKING:
    from utils.captures.diagnosis import Diagnosis


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and check the scans; returns the exit status."""
    parser = stage_parser(
        "Print and draw what a capture holds, and what looks wrong in it.",
        "python check_data.py --data_path demo_data --scan_id 1",
    )
    return run_stage(parser, check_data, argv)


def check_data(job: Job) -> None:
    """Check one scan. Raises UserError where it cannot be used."""
    from utils.captures import open_capture
    from utils.captures.check import check_exposures, check_view, table, triangulated
    from utils.captures.diagnosis import understand
    from utils.captures.sheet import capture_sheet
    from utils.captures.units import unit_line
    from utils.errors import UserError
    from utils.io.images import save_image

    config = job.config
    capture = open_capture(job)
    print(f"{capture.name}: {len(capture)} views")
    understood = understand(capture, config.pose_optim, job.seed)
    capture, diagnosis = understood.capture, understood.diagnosis
    for line in diagnosis_lines(diagnosis):
        print(line)
    hands, warnings = triangulated(capture, config.pose_optim, job.seed)
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
    unit = None if hands is None else unit_line(hands.points, capture.unit)
    print(*[unit] * bool(unit), *table(views), sep="\n")
    warnings += [f"view {facts.view}: {warning}" for facts in views for warning in facts.warnings]
    print(*(f"warning: {warning}" for warning in warnings), sep="\n")
    sheet = job.out_path / "check" / f"{job.scan_id}.png"
    save_image(sheet, capture_sheet(capture, views, hands))
    print(f"{len(warnings)} warnings; picture: {sheet}")
    if diagnosis.failed:
        raise UserError(f"{capture.name}: {diagnosis.line}")


def diagnosis_lines(diagnosis: Diagnosis) -> list[str]:
    """What is wrong with the whole capture, and what was mended or left out."""
    causes = [f"{'failed' if diagnosis.failed else 'warning'}: {diagnosis.line}"]
    return causes * bool(diagnosis.cause) + [f"note: {note}" for note in diagnosis.notes]


if __name__ == "__main__":
    start(main)
