"""CMU Panoptic's calibration_<sequence>.json: cameras with name, K, distCoef, R, t.

x_cam = R x + t, centimetres, OpenCV's axes (the world's y points down), distortion k1 k2 p1 p2 k3
(github.com/CMU-Perceptual-Computing-Lab/panoptic-toolbox); the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.reading import (
    checked,
    entries,
    entry,
    image_size,
    lens,
    shaped,
)
from utils.io.files import load_json


def read(path: Path) -> Calibration:
    """All cameras of the file: VGA, HD (00_00 to 00_30) and Kinect.

    Raises UserError on missing entries.
    """
    table = load_json(path, "download it again")
    items = entries(path, entry(path, "the file", table, "cameras"), "cameras")
    cameras = [_camera(path, f"camera {index}", item) for index, item in enumerate(items)]
    kinds = Counter(str(item.get("type", "unnamed")) for item in items)
    notes = []
    if len(kinds) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        notes = [f"cameras of several kinds: {counts}"]
    return checked(path, Calibration(cameras, [path], unit="cm", notes=notes))


def _camera(path: Path, where: str, item: Any) -> CalibratedCamera:
    name = str(entry(path, where, item, "name"))
    where = f"camera {name}"
    K = shaped(path, f"K of {where}", entry(path, where, item, "K"), 3, 3)
    R = shaped(path, f"R of {where}", entry(path, where, item, "R"), 3, 3)
    t = shaped(path, f"t of {where}", entry(path, where, item, "t"), 3)
    size = None
    if "resolution" in item:
        resolution = shaped(path, f"resolution of {where}", item["resolution"], 2)
        size = image_size(path, where, *resolution)
    distorted = lens(path, where, Lens.brown, item.get("distCoef") or [])
    return camera(path, name, K, R, t, size=size, lens=distorted)


FORMAT = CalibrationFormat("CMU Panoptic", ("calibration_*.json", "*/calibration_*.json"), read)
