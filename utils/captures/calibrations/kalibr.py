"""Kalibr's camera chains: camchain.yaml, camchain-imucam.yaml, and what OpenVINS makes of them.

T_cn_cnm1 maps the frame of the camera before to this one's, T_cam_imu the IMU's; the world is the
first camera's frame. Metres, OpenCV's axes, intrinsics fu fv cu cv, the first pixel's centre is
(0, 0) (github.com/ethz-asl/kalibr/wiki/yaml-formats).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.filestorage import parse_filestorage
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera, pinhole
from utils.captures.calibrations.reading import (
    checked,
    entry,
    image_size,
    left_out,
    lens,
    read_text,
    shaped,
)
from utils.errors import UserError
from utils.io.files import natural_order

LENSES = {
    "radtan": (Lens.brown, 4),
    "equidistant": (Lens.fisheye, 4),
    "fov": (lambda numbers: Lens("fov", (float(numbers[0]),)), 1),
    "none": (Lens.brown, 0),
}


def read(path: Path) -> Calibration:
    """The cameras of a chain, in their order; those that nothing ties to the first are left out.

    Raises UserError on camera models other than pinhole, unknown lenses, and missing entries.
    """
    text = _indented(read_text(path, "a YAML file of Kalibr's"))
    tables = {
        name: table
        for name, table in parse_filestorage(path, text).items()
        if isinstance(table, dict) and re.fullmatch(r"cam\d+", name)
    }
    if not tables:
        raise UserError(f"{path} holds no cam0; expected a camera chain of Kalibr's")
    cameras, loose = [], []
    poses: dict[str, np.ndarray] = {}  # (4, 4) cam_from_world
    names = sorted(tables, key=natural_order)
    for before, name in zip([None, *names], names, strict=False):
        pose = np.eye(4) if before is None else _pose(path, tables, names[0], before, name, poses)
        if pose is None:
            loose.append(name)
            continue
        poses[name] = pose
        cameras.append(_camera(path, name, tables[name], pose))
    notes = left_out(loose, "without T_cn_cnm1 and T_cam_imu")
    return checked(path, Calibration(cameras, [path], unit="m", notes=notes))


def _indented(text: str) -> str:
    """The text with lists set in below their keys, without which OpenCV's YAML reader fails.

    Its header, which PyYAML does not write, is left out as well.
    """
    lines: list[str] = []
    key_indent, extra = -1, 0
    for line in text.split("\n"):
        if line.startswith("%YAML") or line.strip() == "---":
            continue
        indent = len(line) - len(line.lstrip(" "))
        if line.strip() and not line.lstrip().startswith("-") and indent <= key_indent:
            extra = 0
        if re.fullmatch(r" *[\w/]+:\s*(#.*)?", line):
            key_indent, extra = indent, 0
        elif line.lstrip().startswith("-") and indent == key_indent:
            extra = 2
        lines.append(" " * extra + line)
    return "\n".join(lines)


def _pose(
    path: Path,
    tables: dict[str, Any],
    first: str,
    before: str,
    name: str,
    poses: dict[str, np.ndarray],
) -> np.ndarray | None:
    """cam_from_world (4, 4) of a camera after the first, None where nothing gives it."""
    if "T_cn_cnm1" in tables[name] and before in poses:
        return _rigid(path, name, tables[name], "T_cn_cnm1") @ poses[before]
    here, there = (_cam_from_imu(path, cam, tables[cam]) for cam in (name, first))
    if here is None or there is None:
        return None
    return here @ np.linalg.inv(there)


def _cam_from_imu(path: Path, name: str, table: dict[str, Any]) -> np.ndarray | None:
    if "T_cam_imu" in table:
        return _rigid(path, name, table, "T_cam_imu")
    if "T_imu_cam" in table:
        return np.linalg.inv(_rigid(path, name, table, "T_imu_cam"))
    return None


def _rigid(path: Path, name: str, table: dict[str, Any], key: str) -> np.ndarray:
    T = shaped(path, f"{key} of {name}", table[key], 4, 4)
    camera(path, name, np.eye(3), T[:3, :3], T[:3, 3])  # before it is inverted and multiplied
    return T


def _camera(path: Path, name: str, table: dict[str, Any], pose: np.ndarray) -> CalibratedCamera:
    model = str(entry(path, name, table, "camera_model"))
    if model != "pinhole":
        raise UserError(
            f"{path}: {name} has the camera model {model}; only pinhole is read (calibrate again "
            "with --models pinhole-radtan or pinhole-equi)"
        )
    kind = str(entry(path, name, table, "distortion_model"))
    if kind not in LENSES:
        raise UserError(
            f"{path}: {name} has the distortion model {kind}; known are {', '.join(LENSES)}"
        )
    build, count = LENSES[kind]
    values = shaped(path, f"distortion_coeffs of {name}", table.get("distortion_coeffs", []), -1)
    if kind != "none" and values.size != count:
        raise UserError(f"{path}: {name} has {values.size} distortion_coeffs; {kind} has {count}")
    intrinsics = shaped(path, f"intrinsics of {name}", entry(path, name, table, "intrinsics"), 4)
    size = None
    if "resolution" in table:
        size = image_size(
            path, name, *shaped(path, f"resolution of {name}", table["resolution"], 2)
        )
    distorted = lens(path, name, build, values[:count])
    K = pinhole(*intrinsics)
    return camera(path, name, K, pose[:3, :3], pose[:3, 3], size=size, lens=distorted)


FORMAT = CalibrationFormat("Kalibr", ("*camchain*.yaml", "*/*camchain*.yaml", "kalibr*.yaml"), read)
