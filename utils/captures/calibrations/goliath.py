"""Meta's camera_calibration.json of Ava-256 and Goliath: `{"KRT": [{cameraId, K, T, ...}]}`.

K and T are stored transposed. x_cam = R x + t, millimetres, OpenCV's axes, distortion k1 k2 p1 p2
(ca_code/utils/dataloader.py of facebookresearch/goliath); the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.reading import checked, entries, entry, lens, shaped
from utils.errors import UserError
from utils.io.files import load_json

FULL_SIZE = (4096, 2668)  # height, width of the studio's photos; they come at 1/2 or 1/4
NEAR_MIDDLE = 0.2  # of the size: how far the principal points of such photos are from it
MODELS = {"distortionModel": "RadialAndTangential", "projectionModel": "Pinhole"}


def read(path: Path) -> Calibration:
    """The cameras of a camera_calibration.json, also of those without photos.

    size is that of the studio's full photos where the principal points are near their middle,
    else None. Raises UserError on other models and missing entries.
    """
    table = load_json(path, "export it again")
    listed = entries(path, entry(path, "the file", table, "KRT"), "cameras")
    cameras = [_camera(path, f"camera {index}", item) for index, item in enumerate(listed)]
    height, width = FULL_SIZE
    notes = []
    if any(camera.size for camera in cameras):
        notes = [f"K is taken to be of photos of {width} x {height}; smaller ones scale it"]
    return checked(path, Calibration(cameras, [path], unit="mm", notes=notes))


def _camera(path: Path, where: str, item: Any) -> CalibratedCamera:
    name = str(entry(path, where, item, "cameraId"))
    where = f"camera {name}"
    for key, known in MODELS.items():
        if item.get(key, known) != known:
            raise UserError(f"{path}: {where} has the {key} {item[key]}; only {known} is read")
    K = shaped(path, f"K of {where}", entry(path, where, item, "K"), 3, 3).T
    pose = shaped(path, f"T of {where}", entry(path, where, item, "T"), 4, 4).T
    if np.abs(K[2] - [0, 0, 1]).max() > 0 or np.abs(pose[3] - [0, 0, 0, 1]).max() > 0:
        raise UserError(f"{path}: K and T of {where} are not stored transposed, as Meta does")
    distortion = lens(path, where, Lens.brown, item.get("distortion") or [])
    off_middle = np.abs(K[:2, 2] / (FULL_SIZE[1], FULL_SIZE[0]) - 0.5)
    size = FULL_SIZE if off_middle.max() < NEAR_MIDDLE else None
    return camera(path, name, K, pose[:3, :3], pose[:3, 3], size=size, lens=distortion)


FORMAT = CalibrationFormat(
    "Ava-256 and Goliath", ("camera_calibration.json", "*/camera_calibration.json"), read
)
