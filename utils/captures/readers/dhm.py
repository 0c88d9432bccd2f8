"""DeepHandMesh, read in place: D is the release's folder `data`, a scan one frame of a sequence.

D/images/<capture_name>/<data_name>/cam<camera>/image<frame>.jpg, D/annotations/KRT_512 and, of
subject 4, keypoints, depth maps and scans. The files' unit is the millimetre, the capture's world
is theirs in metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.annotation import Annotation
from utils.captures.calibrations import krt
from utils.captures.calibrations.format import Calibration
from utils.captures.capture import Capture
from utils.captures.notes import Notes
from utils.captures.readers.dhm_truth import (
    METRES,
    annotated_keypoints,
    keypoints_path,
    scaled_K,
    truth_of,
)
from utils.captures.readers.photo_sizes import StoredPhoto, photo_header
from utils.captures.readers.rig_photos import PhotoSource
from utils.captures.readers.studio import (
    StudioFrame,
    StudioSequence,
    chosen_folder,
    studio_frame,
)
from utils.captures.readers.studio_views import FrameReading, studio_capture
from utils.captures.truth import CaptureTruth
from utils.errors import UserError


def read(
    data_path: Path, scan_id: str, config: Mapping[str, Any], made_path: Path | None = None
) -> Capture:
    """Open a frame of the sequence that the config's capture_name and data_name say.

    Only headers, cameras and keypoints are read here. Raises UserError where files are missing, too
    few views are left, and where the frame is not annotated although its keypoints are to be the
    annotation's.
    """
    sequence, notes = _sequence(data_path, config), Notes()
    calibration = _in_metres(data_path)
    for line in calibration.notes:
        notes.add(line)
    cameras = {camera.name: camera for camera in calibration.cameras}
    frame = studio_frame(sequence, _name(sequence), cameras, scan_id, config, notes)
    reading = FrameReading(
        scan_id,
        config,
        calibration.files,
        made_path or out_path(data_path, config) / "made" / scan_id,
        _annotation(data_path, sequence, frame, config),
        partial(_stored, notes=notes),
    )
    return studio_capture(frame, reading, notes)


def scans(data_path: Path, config: Mapping[str, Any]) -> list[str]:
    """The places of the sequence's frames: 0, 1, ..."""
    return _sequence(data_path, config).scans()


def out_path(data_path: Path, config: Mapping[str, Any]) -> Path:
    """dhm_out/CAPTURE_SEQUENCE."""
    return Path("dhm_out") / _name(_sequence(data_path, config)).replace("/", "_")


def truth(data_path: Path, scan_id: str, config: Mapping[str, Any]) -> CaptureTruth | None:
    """The scan, the depth maps and the keypoints of a frame, metres; None where there are none."""
    sequence = _sequence(data_path, config)
    number = sequence.wanted_frame(sequence.frames(), scan_id, config.get("frame"))
    return truth_of(data_path, sequence.folder.parent.name, number, _in_metres(data_path))


def _sequence(data_path: Path, config: Mapping[str, Any]) -> StudioSequence:
    images = data_path / "images"
    if not images.is_dir():
        raise UserError(
            f"{images} is no folder; data_path must be DeepHandMesh's folder `data`, which holds "
            "images and annotations"
        )
    subject = images / chosen_folder(images, config.get("capture_name"), "capture_name")
    return StudioSequence(subject / chosen_folder(subject, config.get("data_name"), "data_name"))


def _name(sequence: StudioSequence) -> str:
    return f"{sequence.folder.parent.name}/{sequence.folder.name}"


def _in_metres(data_path: Path) -> Calibration:
    """The cameras of KRT_512, t in metres."""
    calibration = krt.read(data_path / "annotations" / "KRT_512")
    cameras = [replace(camera, t=METRES * camera.t) for camera in calibration.cameras]
    return replace(calibration, cameras=cameras, unit="m")


def _stored(source: PhotoSource, camera: CalibratedCamera, notes: Notes) -> StoredPhoto:
    """The photo, its EXIF orientation ignored, and KRT_512's K for its size."""
    header = photo_header(source)
    size = (header.height, header.width)
    K = scaled_K(camera.K, size)
    if not np.array_equal(K, camera.K):
        notes.add(f"K of KRT_512, which is of 334x512, is scaled to photos of {size[1]}x{size[0]}")
    return StoredPhoto(header, 1, size, K)


def _annotation(
    data_path: Path, sequence: StudioSequence, frame: StudioFrame, config: Mapping[str, Any]
) -> tuple[Annotation, Path] | None:
    """The frame's keypoints and their file; None where they are to be detected."""
    if config.get("keypoints", "annotation") == "detected":
        return None
    path = keypoints_path(data_path, sequence.folder.parent.name, frame.number)
    if path.is_file():
        return Annotation(frame.name, annotated_keypoints(path)), path
    raise UserError(
        f"{path} is missing: {frame.name} has no annotated keypoints (only some frames of "
        "subject_4 have); take another frame, or --set keypoints=detected and run detect_hands.py"
    )
