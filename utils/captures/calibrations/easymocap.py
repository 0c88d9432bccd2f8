"""EasyMocap's intri.yml and extri.yml: K_<name>, dist_<name>; Rot_<name> or R_<name>, T_<name>.

x_cam = Rot x + T, metres, OpenCV's axes and distortion (easymocap/mytools/camera_utils.py of
zju3dv/EasyMocap); the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.filestorage import load_filestorage
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.reading import (
    checked,
    entry,
    image_size,
    left_out,
    lens,
    rotation_matrix,
    shaped,
)
from utils.errors import UserError
from utils.words import listed

ROTATIONS_AGREE = 1e-3  # between Rot_ and R_, which are written with 6 digits


def read(path: Path) -> Calibration:
    """The cameras that both files have; `path` is one of the files, or their folder.

    Raises UserError where a file or a key is missing, and where Rot_ and R_ disagree.
    """
    intri_path, extri_path = _pair(path)
    intri, extri = load_filestorage(intri_path), load_filestorage(extri_path)
    optics = _names(intri_path, intri, "K_")
    poses = _names(extri_path, extri, "T_")
    cameras = [
        _camera(intri_path, extri_path, name, intri, extri) for name in optics if name in poses
    ]
    only_optics = [name for name in optics if name not in poses]
    only_pose = [name for name in poses if name not in optics]
    notes = left_out(only_optics, f"without a pose in {extri_path.name}")
    notes += left_out(only_pose, f"without intrinsics in {intri_path.name}")
    files = [intri_path, extri_path]
    return checked(extri_path, Calibration(cameras, files, unit="m", notes=notes))


def _pair(path: Path) -> tuple[Path, Path]:
    folder = path if path.is_dir() else path.parent
    paths = folder / "intri.yml", folder / "extri.yml"
    for file, other in (paths, paths[::-1]):
        if not file.is_file():
            raise UserError(f"{file} is missing; EasyMocap's cameras are it and {other.name}")
    return paths


def _names(path: Path, table: dict[str, Any], prefix: str) -> list[str]:
    """The cameras' names in the order of `names`, which keys must follow where it is there."""
    held = [key.removeprefix(prefix) for key in table if key.startswith(prefix)]
    if not isinstance(table.get("names"), list):
        return held
    names = [f"{name:g}" if isinstance(name, float) else str(name) for name in table["names"]]
    missing = [name for name in names if name not in held]
    if missing:
        raise UserError(f"{path} names cameras without {prefix}NAME: {listed(missing)}")
    return names


def _camera(
    intri_path: Path, extri_path: Path, name: str, intri: dict[str, Any], extri: dict[str, Any]
) -> CalibratedCamera:
    where = f"camera {name}"
    K = shaped(intri_path, f"K_{name}", intri[f"K_{name}"], 3, 3)
    distortion = intri.get(f"dist_{name}", intri.get(f"D_{name}", []))
    size = None
    if f"H_{name}" in intri and f"W_{name}" in intri:
        size = image_size(intri_path, where, intri[f"W_{name}"], intri[f"H_{name}"])
    R = _rotation(extri_path, name, extri)
    t = shaped(extri_path, f"T_{name}", extri[f"T_{name}"], 3)
    distorted = lens(intri_path, where, Lens.brown, distortion)
    return camera(extri_path, name, K, R, t, size=size, lens=distorted)


def _rotation(path: Path, name: str, extri: dict[str, Any]) -> np.ndarray:
    """Rot_ where it is, else Rodrigues' vector R_; both must say the same."""
    if f"Rot_{name}" not in extri:
        return rotation_matrix(path, f"R_{name}", entry(path, "the file", extri, f"R_{name}"))
    R = shaped(path, f"Rot_{name}", extri[f"Rot_{name}"], 3, 3)
    if f"R_{name}" in extri:
        again = rotation_matrix(path, f"R_{name}", extri[f"R_{name}"])
        if not np.abs(again - R).max() < ROTATIONS_AGREE:
            raise UserError(f"{path}: Rot_{name} and R_{name} are different rotations")
    return R


FORMAT = CalibrationFormat("EasyMocap", ("intri.yml", "cameras/intri.yml", "*/intri.yml"), read)
