"""Stage 1: detected keypoints of all views -> the hands' 42 keypoints in 3D.

A capture whose views contradict each other is not triangulated (--force does) but diagnosed;
keypoints in another tool's order and sides that are exchanged in all views are mended, views that
contradict all others left out, and that is said.

Reads D/S/pose/%02d.json and D/S/camera/param.npz (always the capture's own cameras: corrected
ones come from later stages, which start from these keypoints). Writes
O/keypoints3d/keypoints_3d_S.xyz (42 x 3, world units, left then right, MediaPipe's order, nan:
not seen), keypoints_3d_S.json (residuals, inliers, which detection shows which hand, the views
left out, what was mended) and overlay_S/%02d.png (thin: detected, bold: the 3D keypoints seen by
the camera).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from utils.stage import Job, StageRecord, run_stage, stage_parser, start
from utils.stage.sequence import each_frame

if TYPE_CHECKING:
    from utils.captures import Capture
    from utils.captures.diagnosis import Diagnosis
    from utils.keypoints.triangulation import HandKeypoints


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Triangulate the detected keypoints of all views robustly.",
        "python pose_optim.py --data_path demo_data --scan_id 1\n"
        "python pose_optim.py --data_path demo_data --scans '*'   # all that the folder holds\n"
        "python pose_optim.py --data_path moving_data --frames 1:25   # a movement: 1 to 24",
        uses_torch=False,
    )
    return run_stage(parser, pose_optim, argv, each_frame(pose_optim))


def pose_optim(job: Job) -> None:
    """Run the stage on one scan."""
    from utils.captures import open_capture  # here, so that --help need not wait for OpenCV
    from utils.captures.diagnosis import understand
    from utils.captures.units import unit_line
    from utils.keypoints.triangulation import summary_lines
    from utils.keypoints.verdict import judge_keypoints

    config = job.config
    capture = open_capture(job)
    record = StageRecord(job, "pose_optim")
    if record.is_current(capture.files("pose", "image", "camera")):
        return
    capture.look_ahead()

    start = time.perf_counter()
    understood = understand(capture, config.pose_optim, job.seed)
    capture, diagnosis = understood.capture, understood.diagnosis
    hands = understood.checked_hands(job.force)
    seconds = time.perf_counter() - start

    verdict = judge_keypoints(hands, diagnosis.doubts)
    verdict.enforce(job.force)
    outputs = write_results(job, capture, hands, diagnosis)
    if diagnosis.cause:
        print(f"warning: {diagnosis.line}")
    unit = unit_line(hands.points, capture.unit)
    notes = [f"note: {note}" for note in diagnosis.notes]
    print(*notes, *summary_lines(hands), *[unit] * bool(unit), sep="\n")
    print(f"triangulated in {seconds:.2f} s; results and overlays: {outputs[0].parent}")
    record.finish(outputs, seconds_triangulation=round(seconds, 3), verdict=verdict.as_dict())
    print(verdict.line())


def write_results(
    job: Job, capture: Capture, hands: HandKeypoints, diagnosis: Diagnosis
) -> list[Path]:
    """Write keypoints, facts and overlays; returns their paths."""
    from utils.captures.keypoint_overlay import pose_overlay
    from utils.io.files import save_json
    from utils.keypoints.order import save_keypoints
    from utils.keypoints.triangulation import report
    from utils.pictures import save_pictures

    folder = job.out_path / "keypoints3d"
    outputs = [folder / f"keypoints_3d_{job.scan_id}{ending}" for ending in (".xyz", ".json")]
    save_keypoints(outputs[0], hands.points)
    save_json(outputs[1], report(hands, capture.names) | diagnosis.facts())
    paths = [folder / f"overlay_{job.scan_id}" / f"{view:02d}.png" for view in range(len(capture))]
    draws = [partial(pose_overlay, capture, hands, view) for view in range(len(capture))]
    return outputs + save_pictures(paths, draws, capture.pixels())


if __name__ == "__main__":
    start(main)
