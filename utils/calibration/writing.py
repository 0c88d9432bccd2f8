"""The capture that comes of a calibration: undistorted photos, cameras, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from utils.calibration.photos import PhotoSet
from utils.cameras.calibrated import CalibratedCamera
from utils.captures import Capture, load_capture
from utils.captures.calibrations.camera_entries import save_calibrated
from utils.captures.convert.capture import convert_capture
from utils.captures.pose_files import save_pose
from utils.errors import UserError
from utils.io.files import save_json

FOLDER = "calibration"  # in D/S
PHOTOS = "photos"  # in FOLDER
REPORT = "report.json"


def refuse_written(scan_dir: Path, overwrite: bool) -> None:
    """Raise UserError where D/S holds a capture that was not made here, or may not be replaced."""
    camera = scan_dir / "camera" / "param.npz"
    if camera.exists() and not overwrite:
        raise UserError(
            f"{camera} is there already; --overwrite calibrates again, or choose another --scan_id"
        )
    if (scan_dir / "img").is_dir() and not (scan_dir / FOLDER).is_dir():
        raise UserError(
            f"{scan_dir / 'img'} holds photos that calibrate_cameras.py did not write; choose "
            "another --scan_id"
        )


def write_calibrated(
    scan_dir: Path,
    photos: PhotoSet,
    cameras: Sequence[CalibratedCamera],
    unit: str | None,
    report: Mapping[str, Any],
    keypoints: Mapping[str, Any] | None = None,
    adapt: Callable[[Capture], Capture] | None = None,
) -> list[Path]:
    """Write D/S in the demo layout from D/S/calibration/photos; returns the files.

    keypoints: (xy (2, 21, 2), confidence (2, 21)) of photos as stored, by camera; adapt: what is
    done to the photos before they are written. cameras.json with the lenses and report.json, which
    names the photo of each view, stay in D/S/calibration; param.npz comes last.
    """
    folder = scan_dir / FOLDER
    save_calibrated(folder / "cameras.json", cameras, unit)
    for camera in cameras:
        if keypoints and camera.name in keypoints:
            xy, confidence = keypoints[camera.name]
            save_pose(folder / "pose" / f"{camera.name}.json", xy, confidence, camera.size)
    save_json(folder / REPORT, {**report, "views": [camera.photo for camera in cameras]})
    for old in ("img", "pose", "camera"):
        for path in (scan_dir / old).glob("*"):
            path.unlink()
    capture = load_capture(scan_dir, FOLDER, {"data_type": "cameras_json"})
    capture = replace(capture, scan_id=scan_dir.name)
    capture = capture if adapt is None else adapt(capture)
    return convert_capture(capture, scan_dir.parent, "demo", overwrite=True)
