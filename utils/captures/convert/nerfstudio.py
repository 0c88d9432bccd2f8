"""Undistorted cameras as the transforms.json of nerfstudio and instant-ngp."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.cameras import Cameras
from utils.captures.convert import PHOTOS
from utils.captures.convert.pinholes import HALF_PIXEL, check_no_skew
from utils.io.files import save_json

FILE = "transforms.json"
OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def write(
    folder: Path, cameras: Cameras, names: Sequence[str], photos: Sequence[str], unit: str | None
) -> list[Path]:
    """Write folder/transforms.json; arguments and errors as of `utils.captures.convert.colmap`.

    The intrinsics stand at the top where all cameras share them, else in each frame; the world
    stays as it is. The form has no place for `unit`, nor for names of cameras.
    """
    check_no_skew(cameras, names, "transforms.json")
    intrinsics = [_intrinsics(cameras, view) for view in range(len(cameras))]
    shared = intrinsics[0] if all(each == intrinsics[0] for each in intrinsics) else {}
    frames = [
        {
            "file_path": f"{PHOTOS}/{photo}",
            **({} if shared else intrinsics[view]),
            "transform_matrix": _world_from_cam(cameras, view),
        }
        for view, photo in enumerate(photos)
    ]
    save_json(folder / FILE, {"camera_model": "PINHOLE", **shared, "frames": frames})
    return [folder / FILE]


def _intrinsics(cameras: Cameras, view: int) -> dict[str, float]:
    K = cameras.K[view].double().tolist()
    height, width = cameras.sizes[view].tolist()
    center = {"cx": K[0][2] + HALF_PIXEL, "cy": K[1][2] + HALF_PIXEL}
    return {"fl_x": K[0][0], "fl_y": K[1][1], **center, "w": width, "h": height}


def _world_from_cam(cameras: Cameras, view: int) -> np.ndarray:
    R, t = (x[view].double().cpu().numpy() for x in (cameras.R, cameras.t))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = R.T, -R.T @ t
    return matrix @ OPENGL_FROM_OPENCV
