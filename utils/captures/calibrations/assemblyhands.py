"""Meta's "nimble" calibrations, as AssemblyHands' toolkit holds them.

A list of {Camera: {SerialNo, ModelViewMatrix, fx, k1, ...}, MountingLocation}. ModelViewMatrix is
world to camera, millimetres, x right, y down, z forward; OpenCV's distortion k1 to k6, p1, p2; the
first pixel's centre is (0, 0) (facebookresearch/assemblyhands-toolkit).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera, pinhole
from utils.captures.calibrations.reading import (
    checked,
    entries,
    entry,
    image_size,
    left_out,
    lens,
    shaped,
)
from utils.errors import UserError
from utils.io.files import load_json

FIXED, KNOWN = "Exocentric", "OpenCV"
DISTORTION = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")  # in OpenCV's order
UNKNOWN = ("p3", "p4")  # of a meaning that no public code shows; 0 in the published files


def read(path: Path) -> Calibration:
    """The exocentric cameras; the head's, whose pose is one moment's, are left out with a note.

    Raises UserError on missing entries and unknown lenses of exocentric cameras.
    """
    items = entries(path, load_json(path, "download it again"), "cameras")
    cameras, moving = [], []
    for index, item in enumerate(items):
        table = entry(path, f"camera {index}", item, "Camera")
        name = str(entry(path, f"camera {index}", table, "SerialNo"))
        if item.get("MountingLocation", FIXED) == FIXED:
            cameras.append(_camera(path, name, table))
        else:
            moving.append(name)
    notes = left_out(moving, "on the moving head")
    return checked(path, Calibration(cameras, [path], unit="mm", notes=notes))


def _camera(path: Path, name: str, table: dict[str, Any]) -> CalibratedCamera:
    where = f"camera {name}"
    model = table.get("DistortionModel", KNOWN)
    if model != KNOWN:
        raise UserError(f"{path}: {where} has the lens {model}; only {KNOWN} is read")
    pinhole_numbers = [entry(path, where, table, key) for key in ("fx", "fy", "cx", "cy")]
    K = pinhole(*shaped(path, f"fx, fy, cx, cy of {where}", pinhole_numbers, 4))
    others = shaped(path, f"p3, p4 of {where}", [table.get(key, 0.0) for key in UNKNOWN], -1)
    if others.any():
        raise UserError(f"{path}: {where} has {' and '.join(UNKNOWN)}, which are not known")
    pose = entry(path, where, table, "ModelViewMatrix")
    T = shaped(path, f"ModelViewMatrix of {where}", pose, 4, 4)
    if np.abs(T[3] - [0, 0, 0, 1]).max() > 0:
        raise UserError(f"{path}: the last row of the ModelViewMatrix of {where} is not 0 0 0 1")
    size = image_size(
        path,
        where,
        entry(path, where, table, "ImageSizeX"),
        entry(path, where, table, "ImageSizeY"),
    )
    distorted = lens(path, where, Lens.brown, [table.get(key, 0.0) for key in DISTORTION])
    return camera(path, name, K, T[:3, :3], T[:3, 3], size=size, lens=distorted)


FORMAT = CalibrationFormat(
    "AssemblyHands", ("nimble*.json", "*/nimble*.json", "*nusar*.json"), read
)
