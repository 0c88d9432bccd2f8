"""DeepHandMesh, read in place: D is the release's folder `data`, a scan one frame of a sequence.

D/images/<capture_name>/<data_name>/cam<camera>/image<frame>.jpg, D/annotations/KRT_512 and, of
subject 4, keypoints, depth maps and scans. The files' unit is the millimetre, the capture's world
is theirs in metres. Nothing is written into D: masks and detections go to the results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.calibrations import krt
from utils.captures.calibrations.format import Calibration
from utils.captures.calibrations.reading import listed
from utils.captures.capture import Capture, View
from utils.captures.notes import Notes
from utils.captures.pose_files import seen_only
from utils.captures.readers.dhm_truth import (
    METRES,
    annotated_keypoints,
    keypoints_path,
    scaled_K,
    truth_of,
)
from utils.captures.readers.photo_sizes import StoredPhoto
from utils.captures.readers.rig import LEAST_LEFT, LEAST_VIEWS, RigView, rig_capture
from utils.captures.readers.rig_photos import PhotoSource
from utils.captures.readers.studio import (
    camera_frames,
    chosen_cameras,
    frame_numbers,
    named_folder,
    wanted_frame,
)
from utils.captures.truth import CaptureTruth
from utils.errors import UserError
from utils.io.images import check_complete, image_header


def read(
    data_path: Path, scan_id: str, config: Mapping[str, Any], made_path: Path | None = None
) -> Capture:
    """Open a frame of the sequence that the config names; world: metres.

    Only headers, cameras and keypoints are read here. Keypoints are the annotated ones, projected
    into the views, or with `keypoints = detected` those in made_path. Raises UserError on folders,
    frames and annotations that are not there, and where too few views are left.
    """
    sequence, number = frame_of(data_path, scan_id, config)
    notes, frames = Notes(), camera_frames(sequence)
    calibration = calibration_in_metres(data_path)
    for line in calibration.notes:
        notes.add(line)
    fitted, held = chosen_cameras(frames, number, config, notes.add)
    cameras = {camera.name: camera for camera in calibration.cameras}
    photos = {name: frames[name][number] for name in (*fitted, *held)}
    name = f"{sequence.parent.name}/{sequence.name}, frame {number}"
    made = made_path or out_path(data_path, config) / "made" / scan_id
    folders = made / "mask", made / "pose"
    annotation = _annotation(data_path, sequence, number, config)

    def capture_of(names: Sequence[str], least: int) -> Capture:
        views = _rig_views({each: photos[each] for each in names}, cameras, notes)
        if len(views) < least:
            raise UserError(
                f"{sequence}: {len(views)} colour cameras have a photo of frame {number} and stand "
                f"in KRT_512; at least {least} are needed"
            )
        capture = rig_capture(name, scan_id, views, folders, config, calibration, notes)
        return capture if annotation is None else _annotated(capture, views, *annotation)

    capture = capture_of(fitted, LEAST_VIEWS)
    return replace(capture, held=capture_of(held, 1)) if held else capture


def scans(data_path: Path, config: Mapping[str, Any]) -> list[str]:
    """The frames of the sequence, counted from 0."""
    frames = camera_frames(_sequence(data_path, config))
    return [str(index) for index in range(len(frame_numbers(frames)))]


def out_path(data_path: Path, config: Mapping[str, Any]) -> Path:
    """The folder of the results: dhm_out/CAPTURE_SEQUENCE."""
    sequence = _sequence(data_path, config)
    return Path("dhm_out") / f"{sequence.parent.name}_{sequence.name}"


def truth(data_path: Path, scan_id: str, config: Mapping[str, Any]) -> CaptureTruth | None:
    """The scan, the depth maps and the keypoints of a frame, metres; None where there are none."""
    sequence, number = frame_of(data_path, scan_id, config)
    return truth_of(data_path, sequence.parent.name, number, calibration_in_metres(data_path))


def frame_of(data_path: Path, scan_id: str, config: Mapping[str, Any]) -> tuple[Path, int]:
    """The sequence's folder and the number of the frame that a scan is."""
    sequence = _sequence(data_path, config)
    frames = camera_frames(sequence)
    return sequence, wanted_frame(sequence, frames, scan_id, config.get("frame"))


def calibration_in_metres(data_path: Path) -> Calibration:
    """The cameras of KRT_512, t in metres."""
    calibration = krt.read(data_path / "annotations" / "KRT_512")
    cameras = [replace(camera, t=METRES * camera.t) for camera in calibration.cameras]
    return replace(calibration, cameras=cameras, unit="m")


def _sequence(data_path: Path, config: Mapping[str, Any]) -> Path:
    subject = named_folder(data_path / "images", "capture_name", config.get("capture_name"))
    return named_folder(subject, "data_name", config.get("data_name"))


def _rig_views(
    photos: Mapping[str, Path], cameras: Mapping[str, CalibratedCamera], notes: Notes
) -> list[RigView]:
    views, broken, scaled = [], [], set()
    for name, path in photos.items():
        if name not in cameras:
            continue
        try:
            check_complete(path)
            header = image_header(path)
        except UserError as error:
            broken.append((f"cam{name}", error))
            continue
        size, K = (header.height, header.width), cameras[name].K
        scaled_to = scaled_K(K, size)
        scaled |= {size} if not np.array_equal(K, scaled_to) else set()
        stored = StoredPhoto(header, 1, size, scaled_to)
        views.append(RigView(f"cam{name}", cameras[name], PhotoSource(path), stored))
    if broken and len(views) < LEAST_LEFT:
        raise broken[0][1]
    for name, error in broken:
        notes.add(f"view {name} is left out: {error}")
    unknown = [name for name in photos if name not in cameras]
    if unknown:
        notes.add(f"{listed(unknown)}: not in KRT_512, left out")
    if scaled:
        sizes = ", ".join(f"{width}x{height}" for height, width in sorted(scaled))
        notes.add(f"K of KRT_512 is scaled from 334x512 to the photos' {sizes}")
    return views


def _annotation(
    data_path: Path, sequence: Path, number: int, config: Mapping[str, Any]
) -> tuple[Path, np.ndarray] | None:
    """The file and the keypoints (2, 21, 3), metres; None where they are to be detected."""
    if config.get("keypoints", "annotation") == "detected":
        return None
    path = keypoints_path(data_path, sequence.parent.name, number)
    if path.is_file():
        return path, annotated_keypoints(path)
    raise UserError(
        f"{path} is missing: frame {number} of {sequence.parent.name}/{sequence.name} has "
        "no annotated keypoints (only some frames of subject_4 have); take another frame, or --set "
        "keypoints=detected and run detect_hands.py"
    )


def _annotated(
    capture: Capture, views: Sequence[RigView], path: Path, points: np.ndarray
) -> Capture:
    """The capture whose views see the keypoints (2, 21, 3), world units, of a file."""

    def annotated(view: View, rig_view: RigView) -> View:
        stored = rig_view.stored
        xy = replace(rig_view.camera, K=stored.K).project(points.reshape(-1, 3))
        height, width = stored.size
        with np.errstate(invalid="ignore"):
            inside = ((xy > -0.5) & (xy < [width - 0.5, height - 0.5])).all(-1, keepdims=True)
        xy = np.where(inside, xy, np.nan).reshape(*points.shape[:2], 2)
        seen = seen_only(xy, np.ones(points.shape[:2]))
        return replace(view, pose_path=path, read_pose=lambda path, size: (xy.copy(), seen.copy()))

    return replace(capture, views=tuple(map(annotated, capture.views, views)))
