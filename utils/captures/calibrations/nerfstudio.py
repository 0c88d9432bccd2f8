"""transforms.json of nerfstudio, instant-ngp and Blender.

`transform_matrix` is world_from_cam with OpenGL's axes (y up, z backwards). Principal points count
from the image's border, as COLMAP's do, from which most of these files are made: instant-ngp
divides them by the image's width, nerfstudio adds 0.5 to a pixel's index. The matches in
instant-ngp's own capture of a fox agree, if weakly: they lie 2 to 4 % nearer to their epipolar
lines than with cx taken as it stands (in 95 % of bootstraps), 4 to 12 % nearer than with cx + 0.5
(in all). Blender's principal point is the middle of the image.

The world is the one that the file's cameras stand in. nerfstudio's `applied_transform`, which says
how it turned COLMAP's world, is not undone; scales and offsets that programs apply for their own
normalised frames are not applied.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera, pinhole
from utils.captures.calibrations.values import number, numbers
from utils.errors import UserError
from utils.io.described import described
from utils.io.files import load_json
from utils.io.image_headers import read_header

HALF_PIXEL = 0.5  # the file's centre of the top-left pixel
OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
PLACES = ("transforms.json", "transforms_train.json")
SPLITS = ("train", "val", "test")
MODELS = {  # of nerfstudio's camera_model: whether it is a fisheye
    "SIMPLE_PINHOLE": False,
    "PINHOLE": False,
    "SIMPLE_RADIAL": False,
    "RADIAL": False,
    "OPENCV": False,
    "SIMPLE_RADIAL_FISHEYE": True,
    "RADIAL_FISHEYE": True,
    "OPENCV_FISHEYE": True,
}
OTHER_LENSES = ("ftheta_p0", "latlong", "equirectangular", "orthographic")  # instant-ngp's keys
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
REMEDY = "write the file again (ns-process-data, colmap2nerf.py)"
Frame = Mapping[str, Any]


def read(path: Path) -> Calibration:
    """The cameras of a file's frames, or of all splits in a folder; each is called as its photo.

    Frames whose photos are not there are cameras, too. Of Blender's splits, a file's name chooses
    one, and a note says that there are others.
    """
    files, notes = [path], []
    if path.is_dir():
        files = [p for p in (path / "transforms.json",) if p.is_file()] or _splits(path)
        if not files:
            raise UserError(f"{path} holds no transforms.json and no transforms_train.json")
    else:
        others = [split.name for split in _splits(path.parent) if split != path]
        if others and path.stem.removeprefix("transforms_") in SPLITS:
            notes.append(f"{path} is read; {', '.join(others)} beside it may hold more cameras")
    cameras = [each for file in files for each in _cameras(file)]
    return Calibration(cameras, files, notes=notes, names_photos=True)


def _splits(folder: Path) -> list[Path]:
    paths = [folder / f"transforms_{split}.json" for split in SPLITS]
    return [path for path in paths if path.is_file()]


def _cameras(path: Path) -> list[CalibratedCamera]:
    data = load_json(path, REMEDY)
    frames = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(frames, list) or not frames:
        raise UserError(f"{path} lists no frames; expected a transforms.json; {REMEDY}")
    for index, frame in enumerate(frames):
        if not isinstance(frame, dict) or not isinstance(frame.get("file_path"), str):
            raise UserError(f"{path}: frame {index} names no file_path; {REMEDY}")
    photos = [_photo(path.parent, frame["file_path"]) for frame in frames]
    values = [ChainMap(frame, data) for frame in frames]
    sizes = [_size(path, photo, each) for photo, each in zip(photos, values)]
    shared = next((size for size in sizes if size), None)  # by photos that are not there
    return [
        _camera(path, photo, each, size or shared)
        for photo, each, size in zip(photos, values, sizes)
    ]


def _photo(folder: Path, file_path: str) -> str:
    """The photo's relative path; Blender's lacks an ending, instant-ngp's may hold backslashes."""
    photo = str(PurePosixPath(file_path.replace("\\", "/")))
    for ending in ENDINGS if not Path(photo).suffix else ():
        if _is_file(folder / (photo + ending)):
            return photo + ending
    return photo


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # names longer than the system's, or with a null
        return False


def _size_of(photo: Path) -> tuple[int, int] | None:
    if not _is_file(photo):
        return None
    with open(photo, "rb") as file:
        header = read_header(file)
    return None if header is None else (header.height, header.width)


def _size(path: Path, photo: str, values: Frame) -> tuple[int, int] | None:
    """The size that the file states, else the photo's, None where it is not there."""
    width, height = (_optional(path, photo, values, key) for key in ("w", "h"))
    if width is None or height is None:
        return _size_of(path.parent / photo)
    if width % 1 or height % 1:
        raise UserError(f"{path}: frame {photo} is {width} x {height}, expected whole pixels")
    return int(height), int(width)


def _optional(path: Path, name: str, values: Frame, key: str) -> float | None:
    value = values.get(key)
    return None if value is None else number(path, f"{key} of frame {name}", value)


def _camera(
    path: Path, photo: str, values: Frame, size: tuple[int, int] | None
) -> CalibratedCamera:
    what = f"transform_matrix of frame {photo}"
    matrix = values.get("transform_matrix")
    rows = 3 if isinstance(matrix, list) and len(matrix) == 3 else 4
    world_from_cam = np.eye(4)
    world_from_cam[:rows] = numbers(path, what, matrix, (rows, 4), "a 4x4 matrix of finite numbers")
    if not np.allclose(world_from_cam[3], [0, 0, 0, 1]):
        raise UserError(f"{path}: {what} does not end with 0 0 0 1; is it transposed?")
    world_from_cam = world_from_cam @ OPENCV_FROM_OPENGL
    R = world_from_cam[:3, :3].T
    K, lens = _intrinsics(path, photo, values, size), _lens(path, photo, values)
    return camera(path, photo, K, R, -R @ world_from_cam[:3, 3], size, lens, photo)


def _intrinsics(path: Path, name: str, values: Frame, size: tuple[int, int] | None) -> np.ndarray:
    focals = [_focal(path, name, values, axis, size) for axis in ("x", "y")]
    fx, fy = focals[0] or focals[1], focals[1] or focals[0]
    if fx is None or fy is None:
        raise UserError(
            f"{path}: frame {name} has neither fl_x nor camera_angle_x with a size; "
            "add fl_x, or w and h"
        )
    center = []
    for axis, key in ((1, "cx"), (0, "cy")):
        value = _optional(path, name, values, key)
        if value is None and size is None:
            raise UserError(f"{path}: frame {name} has no {key} and no size; add {key}, or w and h")
        center.append(size[axis] / 2 if value is None else value)
    return pinhole(fx, fy, center[0] - HALF_PIXEL, center[1] - HALF_PIXEL)


def _focal(
    path: Path, name: str, values: Frame, axis: str, size: tuple[int, int] | None
) -> float | None:
    """The focal length along an axis, pixels, stated as such, in radians, or in degrees."""
    focal, radians, degrees = (
        _optional(path, name, values, key)
        for key in (f"fl_{axis}", f"camera_angle_{axis}", f"{axis}_fov")
    )
    if focal is not None:
        return focal
    if radians is None and degrees is not None:
        radians = np.radians(degrees)
    if radians is None or size is None:
        return None
    if not 0 < radians < np.pi:
        raise UserError(f"{path}: frame {name} has a field of view of {np.degrees(radians):g}°")
    return (size[1] if axis == "x" else size[0]) / 2 / np.tan(radians / 2)


def _lens(path: Path, name: str, values: Frame) -> Lens:
    other = next((key for key in OTHER_LENSES if values.get(key)), None)
    model = other or values.get("camera_model", "OPENCV")
    if not isinstance(model, str) or model not in MODELS:
        raise UserError(
            f"{path}: frame {name} is of the camera model {described(model)}; known are "
            f"{', '.join(MODELS)}: undistort the photos to PINHOLE"
        )
    keys = ("k1", "k2", "k3", "k4", "p1", "p2")
    k1, k2, k3, k4, p1, p2 = (_optional(path, name, values, key) or 0.0 for key in keys)
    if MODELS[model] or values.get("is_fisheye") is True:
        return Lens.fisheye([k1, k2, k3, k4])
    if k4:  # of the radius' eighth power, which OpenCV does not have; Metashape exchanges p1, p2
        return Lens("metashape", (k1, k2, k3, k4, p2, p1, 0.0, 0.0))
    return Lens.brown([k1, k2, p1, p2, k3])


FORMAT = CalibrationFormat("nerfstudio, instant-ngp or Blender", PLACES, read)
