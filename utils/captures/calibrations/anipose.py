"""calibration.toml of anipose, aniposelib and FreeMoCap, and Caliscope's camera_array.toml.

A table a camera: name (Caliscope: port, cam_id), size (w, h), matrix, distortions, rotation
(Rodrigues' vector), translation; fisheye = true is OpenCV's fisheye. x_cam = R x + t in the unit
of the board, OpenCV's axes (aniposelib/cameras.py); the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.reading import (
    checked,
    entry,
    image_size,
    left_out,
    lens,
    read_text,
    rotation_matrix,
    shaped,
)
from utils.errors import UserError
from utils.io.decoding import decoding

NAMES = ("name", "cam_id", "port")  # the first that a table has


def read(path: Path) -> Calibration:
    """The cameras that have a rotation and a translation and are not ignored.

    Raises UserError on files that are no TOML and on missing entries.
    """
    cameras, without_pose, ignored, turned = [], [], [], []
    for key, table in _tables(path).items():
        if not isinstance(table, dict) or "matrix" not in table:
            continue  # [metadata], and the values beside it
        name = str(next((table[name] for name in NAMES if name in table), key))
        if table.get("ignore") is True:
            ignored.append(name)
        elif not _is_vector(table.get("rotation")) or not _is_vector(table.get("translation")):
            without_pose.append(name)
        else:
            cameras.append(_camera(path, name, table))
            turned += [name] if table.get("rotation_count") else []
    notes = left_out(without_pose, "without a pose") + left_out(ignored, "marked to be ignored")
    notes += [
        f"camera {name} is shown turned (rotation_count): its photos must lie as calibrated"
        for name in turned
    ]
    return checked(path, Calibration(cameras, [path], notes=notes))


def _tables(path: Path) -> dict[str, Any]:
    try:
        import tomllib
    except ImportError as error:  # Python 3.10
        raise UserError(f"{path} is TOML, which needs Python 3.11 or newer to be read") from error
    text = read_text(path, "a TOML file")
    with decoding(path, "not valid TOML", "export it again"):
        return tomllib.loads(text)


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0  # Caliscope writes "null" for none


def _camera(path: Path, name: str, table: dict[str, Any]) -> CalibratedCamera:
    where = f"camera {name}"
    K = shaped(path, f"matrix of {where}", table["matrix"], 3, 3)
    R = rotation_matrix(path, f"rotation of {where}", table["rotation"])
    t = shaped(path, f"translation of {where}", table["translation"], 3)
    size = None
    if "size" in table:
        size = image_size(path, where, *shaped(path, f"size of {where}", table["size"], 2))
    build = Lens.fisheye if table.get("fisheye") is True else Lens.brown
    distorted = lens(path, where, build, entry(path, where, table, "distortions"))
    return camera(path, name, K, R, t, size=size, lens=distorted)


FORMAT = CalibrationFormat(
    "anipose",
    (
        "calibration.toml",
        "calibration/calibration.toml",
        "*calibration*.toml",
        "camera_array.toml",
        "config.toml",
    ),
    read,
)
