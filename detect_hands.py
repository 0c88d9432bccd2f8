"""Photos -> keypoints of both hands in every view, and masks.

Reads D/S/img and D/S/camera/param.npz. Writes D/S/pose/%02d.json (21 keypoints a hand with
confidences) and, where there are none, D/S/mask/%02d.png; O/detect/overlay_S/%02d.png (thin:
detected, bold: triangulated, green: the mask) and O/detect/S.json (what was found how). Files that
you put there stay: views with keypoints are not looked at (--overwrite does), and given masks are
never replaced. --into W leaves D alone and writes a capture W/S with links to D's photos and
cameras. --from takes keypoints of another detector instead (OpenPose's or EasyMocap's JSON, .npy).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.stage import Job, StageRecord, run_stage, stage_parser, start
from utils.stage.job import default_out_path

if TYPE_CHECKING:
    from models.detection.detect import DetectedKeypoints
    from models.detection.masks import MadeMasks
    from utils.captures import Capture
    from utils.detection.own_files import OwnFiles
    from utils.keypoints.triangulation import HandKeypoints


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Detect both hands in the photos of all views, and make masks of them.",
        "python detect_hands.py --data_path demo_data --into re_data   # needs make detect\n"
        "python detect_hands.py --data_path my_data --scan_id 1   # a capture of your own\n"
        "python detect_hands.py --data_path my_data --scans 'take_*' --from 'openpose/{scan}'",
    )
    add = parser.add_argument
    add("--into", type=Path, metavar="W", help="write W/S (photos and cameras are linked), not D/S")
    add(
        "--from",
        dest="source",
        metavar="FILE",
        help="keypoints of another detector: a .npy (views, 42, 3) or a folder with a JSON file or "
        "a folder a view; {scan} stands for the scan",
    )
    add("--no_masks", action="store_true", help="write keypoints only")

    def stage(job: Job) -> None:
        args = job.args
        detect_hands(into(job, args.into), args.source, not args.no_masks, job.overwrite)

    return run_stage(parser, stage, argv)


def into(job: Job, folder: Path | None) -> Job:
    """The job on a capture in `folder` that shares photos and cameras with the job's own."""
    from utils.detection.own_files import linked_capture

    if folder is None:
        return job
    if job.config.data_type != "demo":
        made = job.out_path / "made"
        raise UserError(
            f"--into: data_type = {job.config.data_type} is read in place; what is detected goes "
            f"beside the photos or to {made}; check_data.py --convert writes copies"
        )
    linked_capture(job.scan_dir, folder / job.scan_id)
    out_path = job.args.out_path or default_out_path(folder)
    return replace(job, data_path=folder, out_path=out_path)


def detect_hands(
    job: Job, source: str | None = None, with_masks: bool = True, replace_given: bool = False
) -> None:
    """Run the stage on one scan; `replace_given`: detect again where there are pose files."""
    from models.hand.files import model_files
    from utils.captures import open_capture
    from utils.detection.own_files import OwnFiles

    capture = open_capture(job)
    record = StageRecord(job, "detect_hands", [source, with_masks])
    own = OwnFiles.of_detection(job.out_path, job.scan_id, job.scan_dir)
    users = [path for path in capture.files("pose", "mask") if own.is_users(path)]
    models = model_files(job.config.hand_model)
    held = [] if capture.held is None else capture.held.files("image")
    if record.is_current([*capture.files("image", "camera"), *held, *users, *models]):
        return
    given = given_views(capture, own, source, replace_given)

    start, facts, written = time.perf_counter(), {}, []
    if len(given) < len(capture):
        detected = keypoints_from(job, capture, source, given)
        print(*detected.lines, sep="\n")
        facts = detected.facts
        sought = [view for view in range(len(capture)) if view not in given]
        written += write_keypoints(capture, own, detected, sought)
    seconds = time.perf_counter() - start
    capture = open_capture(job)
    hands = triangulated(job, capture)
    if with_masks:
        written += write_masks(job, capture, own, hands)
    written += write_report(job, capture, hands, facts)
    masks_seconds = time.perf_counter() - start - seconds
    print(
        f"keypoints in {seconds:.1f} s, masks and pictures in {masks_seconds:.1f} s; look at "
        f"{job.out_path / 'detect' / f'overlay_{job.scan_id}'}"
    )
    record.finish(written, seconds_detection=round(seconds, 2))


def given_views(
    capture: Capture, own: OwnFiles, source: str | None, replace_given: bool
) -> list[int]:
    """Views whose keypoints are the user's or the data set's, and stay.

    Raises UserError where other files are to be taken for a data set's.
    """
    from utils.detection.report import views_text

    views = range(len(capture))
    if capture.annotation is not None and capture.annotation.are_keypoints:
        if source is not None:
            raise UserError("--from: keypoints = annotation; --set keypoints=detected takes others")
        print("keypoints are the data set's (keypoints = annotation): masks are made by them")
        return list(views)
    given = [v for v in views if own.is_users(capture.views[v].pose_path) and not replace_given]
    if given:
        print(f"kept the keypoints of {views_text(given)}, which are there (--overwrite: detect)")
    return given


def keypoints_from(
    job: Job, capture: Capture, source: str | None, given: Sequence[int]
) -> DetectedKeypoints:
    """Keypoints of another detector's files, or those in the photos of views not `given`."""
    from models.detection.detect import detect_in_photos, from_files
    from utils.detection.other_detectors import read_keypoints

    if source is None:
        return detect_in_photos(capture, job.config, given, job.seed)
    hands = read_keypoints(source, len(capture), job.scan_id, capture.cameras, capture.notes.add)
    return from_files(capture, hands, job.config, job.seed)


def write_keypoints(
    capture: Capture, own: OwnFiles, detected: DetectedKeypoints, views: Sequence[int]
) -> list[Path]:
    """Write the pose files of `views`; returns their paths."""
    for view in views:
        save = partial(
            capture.views[view].save_keypoints,
            xy=detected.xy[view],
            confidence=detected.confidence[view],
            z=detected.z[view],
        )
        own.write(capture.views[view].pose_path, save)
    return [capture.views[view].pose_path for view in views]


def triangulated(job: Job, capture: Capture) -> HandKeypoints:
    """The hands of the pose files as pose_optim.py makes them."""
    from utils.keypoints.triangulation import summary_lines, triangulate_hands

    xy, confidence = capture.keypoints
    hands = triangulate_hands(
        capture.camera_arrays, xy, confidence, job.config.pose_optim, job.seed
    )
    print("triangulated:", *summary_lines(hands), sep="\n  ")
    return hands


def write_masks(job: Job, capture: Capture, own: OwnFiles, hands: HandKeypoints) -> list[Path]:
    """Make masks where the user gave none; returns their paths."""
    import torch

    from models.detection.masks import make_held_masks, make_masks
    from models.fitting.fit import fit_hands
    from models.fitting.observations import Observations
    from models.hand import load_hand_models
    from utils.detection.report import views_text
    from utils.keypoints.views import hands_in

    config, paths = job.config, capture.files("mask")
    masks = [capture.mask(view) if own.is_users(p) else None for view, p in enumerate(paths)]
    lacking = [view for view, mask in enumerate(masks) if mask is None]
    held = capture.held
    if not lacking and held is None:
        print("masks: all views have one; they stay")
        return []
    sides = hands_in(hands.points)
    models = list(load_hand_models(sides, config.hand_model, torch.float64).values())
    observations = Observations.of(capture, hands.points, config.pose_optim, masks)
    fit = fit_hands(models, observations, config.mano_optim)
    made = make_masks(fit, observations)
    written = save_masks(capture, own, made)
    if len(lacking) < len(capture):
        print(f"masks: made for {views_text(sorted(made.masks))}; those that were there stay")
    if held is not None:
        written += save_masks(held, own, make_held_masks(fit, observations, held))
    return written


def save_masks(capture: Capture, own: OwnFiles, made: MadeMasks) -> list[Path]:
    """Write masks that were made, but over none of the user's; returns their paths."""
    paths = capture.files("mask")
    written = [view for view in made.masks if not own.is_users(paths[view])]
    for view in written:
        own.write(paths[view], partial(capture.views[view].save_mask, mask=made.masks[view]))
    for view, reason in made.refused.items():
        print(f"mask of view {capture.views[view].name}: not made, {reason}")
        if paths[view].is_file() and not own.is_users(paths[view]):
            own.remove(paths[view])
    return [paths[view] for view in written]


def write_report(job: Job, capture: Capture, hands: HandKeypoints, facts: dict) -> list[Path]:
    """Write S.json and the overlays; returns their paths."""
    from utils.detection.report import detection_overlay
    from utils.io.files import save_json
    from utils.keypoints.triangulation import report
    from utils.pictures import save_picture

    folder = job.out_path / "detect"
    paths = [folder / f"{job.scan_id}.json"]
    save_json(paths[0], {"search": facts, "triangulated": report(hands, capture.names)})
    for view in range(len(capture)):
        path, mask = folder / f"overlay_{job.scan_id}" / f"{view:02d}.png", capture.mask(view)
        paths += save_picture(path, partial(detection_overlay, capture, hands, view, mask))
    return paths


if __name__ == "__main__":
    start(main)
