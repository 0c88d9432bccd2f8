"""cameras.json: the suite's own plain form of a calibration, for rigs of no other format.

docs/captures.md describes it, docs/cameras.schema.json states it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import BROWN_COUNTS, Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera, pinhole
from utils.captures.calibrations.values import number, numbers, rotation_of_quaternion
from utils.errors import UserError
from utils.io.described import described
from utils.io.files import load_json

PLACES = ("cameras.json", "camera/cameras.json", "cameras/cameras.json")
UNITS = ("m", "cm", "mm")
PIXEL_CENTERS = (0, 0.5)
FILE_KEYS = ("unit", "pixel_center", "cameras", "comment")
NAME_KEYS = ("name", "file", "comment")
PINHOLE_KEYS = ("fx", "fy", "cx", "cy")
ROTATION_KEYS = ("R", "rvec", "quaternion")
PLACE_KEYS = ("t", "center")
LENS_KEYS = ("model", "dist")
CAMERA_KEYS = (*NAME_KEYS, "size", "K", *PINHOLE_KEYS, *LENS_KEYS, *ROTATION_KEYS, *PLACE_KEYS)
COUNTS = {  # how many numbers each model of a lens has
    "none": (0,),
    "brown": (0, *BROWN_COUNTS),
    "fisheye": (4,),
    "fov": (1,),
    "metashape": (8,),
    "thin_prism_fisheye": (8,),
}
REMEDY = "see docs/captures.md, cameras.json"


def read(path: Path) -> Calibration:
    """The cameras of a cameras.json.

    They are one a photo where each names its file. Raises UserError that names camera and key.
    """
    data = load_json(path, f"correct it; {REMEDY}")
    if not isinstance(data, dict) or not isinstance(data.get("cameras"), list):
        raise UserError(
            f'{path} is {described(data)}, expected {{"cameras": [...]}}; {REMEDY} '
            "(3D Gaussian splatting's file of this name is another: name its COLMAP model instead)"
        )
    _check_keys(path, "the file", data, FILE_KEYS)
    unit = _choice(path, "unit", data.get("unit"), (*UNITS, None))
    pixel_center = _choice(path, "pixel_center", data.get("pixel_center", 0), PIXEL_CENTERS)
    if not data["cameras"]:
        raise UserError(f"{path} holds no camera; {REMEDY}")
    cameras = [_camera(path, i, each, pixel_center) for i, each in enumerate(data["cameras"])]
    for name, count in Counter(each.name for each in cameras).items():
        if count > 1:
            raise UserError(f"{path}: {count} cameras are called {name}; rename them")
    return Calibration(cameras, [path], unit, names_photos=all(each.photo for each in cameras))


def _check_keys(path: Path, what: str, data: Mapping[str, Any], known: Collection[str]) -> None:
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise UserError(f"{path}: {what} has an unknown key {described(key)}; {hint}")


def _choice(path: Path, what: str, value: Any, known: Collection[Any]) -> Any:
    if isinstance(value, bool | list | dict) or value not in known:
        expected = " or ".join(str(each) for each in known if each is not None)
        raise UserError(f"{path}: {what} is {described(value)}, expected {expected}; {REMEDY}")
    return value


def _camera(path: Path, index: int, data: Any, pixel_center: float) -> CalibratedCamera:
    if not isinstance(data, dict):
        raise UserError(f"{path}: camera {index} is {described(data)}, expected {{...}}; {REMEDY}")
    photo = _text(path, index, data, "file")
    name = _text(path, index, data, "name") or (PurePosixPath(photo).stem if photo else str(index))
    _check_keys(path, f"camera {name}", data, CAMERA_KEYS)
    K = _intrinsics(path, name, data)
    K[:2, 2] -= pixel_center
    R = _rotation(path, name, data)
    t = _vector(path, name, data, _one_of(path, name, data, PLACE_KEYS))
    size = None
    if "size" in data:
        size = numbers(path, f"size of camera {name}", data["size"], (2,), "[width, height]")
        if (size % 1).any():
            raise UserError(f"{path}: size of camera {name} is {data['size']}, not whole pixels")
        size = int(size[1]), int(size[0])
    if "center" in data:
        t = -R @ t
    return camera(path, name, K, R, t, size, _lens(path, name, data), photo)


def _text(path: Path, index: int, data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise UserError(f"{path}: {key} of camera {index} is {described(value)}, expected a text")
    return value


def _one_of(path: Path, name: str, data: Mapping[str, Any], keys: Collection[str]) -> str:
    found = [key for key in keys if key in data]
    if len(found) != 1:
        what = " and ".join(found) or "none"
        raise UserError(
            f"{path}: camera {name} has {what} of {', '.join(keys)}, expected one; {REMEDY}"
        )
    return found[0]


def _vector(path: Path, name: str, data: Mapping[str, Any], key: str) -> np.ndarray:
    return numbers(path, f"{key} of camera {name}", data[key], (3,), "3 finite numbers")


def _intrinsics(path: Path, name: str, data: Mapping[str, Any]) -> np.ndarray:
    found = [key for key in PINHOLE_KEYS if key in data]
    if "K" in data and not found:
        what = f"K of camera {name}"
        return numbers(path, what, data["K"], (3, 3), "3 rows of 3 finite numbers").copy()
    if "K" in data or len(found) != len(PINHOLE_KEYS):
        found = [key for key in ("K", *PINHOLE_KEYS) if key in data]
        raise UserError(
            f"{path}: camera {name} has {', '.join(found) or 'no intrinsics'}, expected K, or "
            f"{', '.join(PINHOLE_KEYS)}; {REMEDY}"
        )
    return pinhole(*(number(path, f"{key} of camera {name}", data[key]) for key in PINHOLE_KEYS))


def _rotation(path: Path, name: str, data: Mapping[str, Any]) -> np.ndarray:
    key = _one_of(path, name, data, ROTATION_KEYS)
    what = f"{key} of camera {name}"
    if key == "R":
        return numbers(path, what, data[key], (3, 3), "3 rows of 3 finite numbers")
    if key == "rvec":
        return cv2.Rodrigues(_vector(path, name, data, key))[0]
    quaternion = numbers(path, what, data[key], (4,), "4 finite numbers w x y z")
    return rotation_of_quaternion(path, what, quaternion)


def _lens(path: Path, name: str, data: Mapping[str, Any]) -> Lens:
    model = _choice(path, f"model of camera {name}", data.get("model", "brown"), COUNTS)
    dist = data.get("dist", [])
    values = numbers(path, f"dist of camera {name}", dist, (-1,), "a list of finite numbers")
    if len(values) not in COUNTS[model]:
        counts = " or ".join(map(str, COUNTS[model]))
        raise UserError(
            f"{path}: dist of camera {name} holds {len(values)} numbers, expected {counts} for the "
            f"model {model}; {REMEDY}"
        )
    if model == "brown":
        return Lens.brown(values)
    return Lens(model, tuple(float(value) for value in values))


FORMAT = CalibrationFormat("the suite's cameras.json", PLACES, read)
