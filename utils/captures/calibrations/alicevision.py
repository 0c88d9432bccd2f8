"""AliceVision's and Meshroom's sfm.json, cameras.sfm, *.sfm: views, intrinsics and poses.

Numbers are strings. The principal point is an offset from the photo's middle, px; the rotation,
read row by row, is camera to world (it is a column-major world to camera); t = -R center. Unit
arbitrary, OpenCV's axes, the first pixel's centre is (0, 0). Changes of versions and lenses as in
AliceVision's sfmDataIO/jsonIO.cpp and camera/Distortion*.cpp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
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

SENSOR_WIDTH = 36.0  # mm, where the file names none
RATIO_IS_OF_PIXELS = (1, 2, 5)  # before, pixelRatio held fx / fy and not its inverse
FOCAL_IN_MM = (1, 2, 2)
OFFSET_FROM_MIDDLE = (1, 2, 1)


def _radial(k: Sequence[float]) -> Lens:
    k1, k2, k3 = [*k, 0.0, 0.0][:3]
    return Lens.brown([k1, k2, 0.0, 0.0, k3])


def _brown(numbers: Sequence[float]) -> Lens:
    k1, k2, k3, t1, t2 = numbers
    return Lens.brown([k1, k2, t1, t2, k3])


def _fov(numbers: Sequence[float]) -> Lens:
    return Lens("fov", tuple(numbers))


# The count of numbers and the lens; the second names are those of "distortionType".
LENSES: dict[str, tuple[int, Callable[[Sequence[float]], Lens]]] = {
    "pinhole": (0, Lens.brown),
    "none": (0, Lens.brown),
    "radial1": (1, _radial),
    "radialk1": (1, _radial),
    "radial3": (3, _radial),
    "radialk3": (3, _radial),
    "brown": (5, _brown),
    "fisheye4": (4, Lens.fisheye),
    "fisheye": (4, Lens.fisheye),
    "fisheye1": (1, _fov),
}


def read(path: Path) -> Calibration:
    """The views that have a pose, named by their photos.

    Raises UserError on unknown lenses, missing entries and files of other kinds.
    """
    table = load_json(path, "export it again (ConvertSfMFormat, .sfm or .json)")
    version = _version(path, entry(path, "the file", table, "version"))
    optics = {
        str(entry(path, "an intrinsic", item, "intrinsicId")): item
        for item in entries(path, entry(path, "the file", table, "intrinsics"), "intrinsics")
    }
    poses = {
        str(entry(path, "a pose", item, "poseId")): entry(path, "a pose", item, "pose")
        for item in entries(path, table.get("poses") or [], "poses")
    }
    posed, without_pose, in_rigs = [], [], []
    views = entries(path, entry(path, "the file", table, "views"), "views")
    for view in views:
        photo = str(entry(path, "a view", view, "path"))
        if not PureWindowsPath(photo).name:
            raise UserError(f"{path}: a view has the path '{photo}', which names no photo")
        if "rigId" in view and str(view.get("isPoseIndependant")) in ("0", "false", "False"):
            in_rigs.append(PureWindowsPath(photo).name)
        elif str(view.get("poseId")) not in poses or str(view.get("intrinsicId")) not in optics:
            without_pose.append(PureWindowsPath(photo).name)
        else:
            posed.append((photo, optics[str(view["intrinsicId"])], poses[str(view["poseId"])]))
    relative = _relative([str(view["path"]) for view in views])
    cameras = [
        _camera(path, version, relative[photo], intrinsic, pose) for photo, intrinsic, pose in posed
    ]
    notes = left_out(without_pose, "without a pose")
    notes += left_out(in_rigs, "whose pose is that of a rig")
    return checked(path, Calibration(cameras, [path], notes=notes, names_photos=True))


def _version(path: Path, value: Any) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: version is {value}, expected such as 1, 2, 6") from error


def _relative(photos: Sequence[str]) -> dict[str, str]:
    """Each photo's path below the folder that holds all of them, with forward slashes."""
    parts = {photo: PureWindowsPath(photo).parts for photo in photos}
    shared = 0
    while len({part[: shared + 1] for part in parts.values()}) == 1 and all(
        len(part) > shared + 1 for part in parts.values()
    ):
        shared += 1
    return {photo: "/".join(part[shared:]) for photo, part in parts.items()}


def _camera(
    path: Path,
    version: tuple[int, ...],
    photo: str,
    intrinsic: dict[str, Any],
    pose: Any,
) -> CalibratedCamera:
    name = str(PurePosixPath(photo).with_suffix(""))
    where = f"camera {name}"
    transform = entry(path, where, pose, "transform")
    M = shaped(path, f"rotation of {where}", entry(path, where, transform, "rotation"), 3, 3)
    center = shaped(path, f"center of {where}", entry(path, where, transform, "center"), 3)
    where = f"intrinsic {intrinsic['intrinsicId']}"
    height, width = size = image_size(
        path, where, entry(path, where, intrinsic, "width"), entry(path, where, intrinsic, "height")
    )
    fx, fy = _focal_lengths(path, version, where, intrinsic, width)
    middle = np.array([width, height]) / 2
    offset = entry(path, where, intrinsic, "principalPoint")
    principal = shaped(path, f"principalPoint of {where}", offset, 2)
    if version >= OFFSET_FROM_MIDDLE:
        principal = middle + principal
    K = pinhole(fx, fy, *principal)
    distorted = _lens(path, where, intrinsic)
    return camera(path, name, K, M.T, -M.T @ center, size=size, lens=distorted, photo=photo)


def _focal_lengths(
    path: Path, version: tuple[int, ...], where: str, intrinsic: dict[str, Any], width: int
) -> tuple[float, float]:
    """fx, fy in pixels; older files hold them so, newer ones in mm of the sensor's width."""
    if version < FOCAL_IN_MM:
        value = entry(path, where, intrinsic, "pxFocalLength")
        focal = shaped(path, f"pxFocalLength of {where}", value, -1)
        return float(focal[0]), float(focal[-1])
    mm = shaped(path, f"focalLength of {where}", entry(path, where, intrinsic, "focalLength"), 1)
    sensor = shaped(path, f"sensorWidth of {where}", intrinsic.get("sensorWidth", SENSOR_WIDTH), 1)
    ratio = shaped(path, f"pixelRatio of {where}", intrinsic.get("pixelRatio", 1.0), 1)
    if not (sensor > 0 and ratio > 0):
        raise UserError(f"{path}: {where} has a sensorWidth or pixelRatio that is not above 0")
    fx = float(mm[0] / sensor[0] * width)
    return fx, fx * float(ratio[0] if version >= RATIO_IS_OF_PIXELS else 1 / ratio[0])


def _lens(path: Path, where: str, intrinsic: dict[str, Any]) -> Lens:
    kind = str(entry(path, where, intrinsic, "type")).lower()
    if kind == "pinhole":
        kind = str(intrinsic.get("distortionType") or "none").lower()
    undistortion = str(intrinsic.get("undistortionType") or "none").lower()
    if kind not in LENSES or undistortion != "none":
        unknown = kind if kind not in LENSES else f"undistortion {undistortion}"
        raise UserError(
            f"{path}: {where} has the lens {unknown}; known are {', '.join(sorted(LENSES))}"
        )
    count, build = LENSES[kind]
    value = intrinsic.get("distortionParams") or [0.0] * count
    if len(entries(path, value, "distortionParams")) != count:
        raise UserError(f"{path}: {where} has {len(value)} distortionParams; {kind} has {count}")
    return lens(path, where, build, value)


FORMAT = CalibrationFormat(
    "AliceVision and Meshroom", ("cameras.sfm", "sfm.json", "*.sfm", "*/cameras.sfm"), read
)
