"""Cameras of a capture as IDR and NeuS keep them: param.npz."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from utils.errors import UserError
from utils.io.decoding import decoding

if TYPE_CHECKING:
    from utils.cameras import Cameras
    from utils.cameras.arrays import CameraArrays

CAMERA_KEY = re.compile(r"(world_mat|int|ext)_\d+|scale_mat_0")
NPY = b"\x93NUMPY"
MOST_BYTES = 10_000  # of a matrix in the file: more is none, and might not fit into memory
ROTATION_TOLERANCE = 1e-3  # |R R^T - I|; calibrations are written with 4 digits or more


def load_cameras(
    path: str | Path, num: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Read param.npz: K (N, 3, 3) pixels, R (N, 3, 3), t (N, 3), world_from_norm (4, 4) or None.

    `world_mat_i` = K [R | t] (4, 4) is what counts, as in IDR and NeuS; int_i and ext_i are used
    where world_mat_i is absent. Any other arrays are left alone. Raises UserError on missing views,
    nan, singular matrices and arrays of another kind or shape.
    """
    path = Path(path)
    data = _load_matrices(path)
    count = sum(key.startswith("world_mat_") for key in data)
    count = count or sum(key.startswith("ext_") for key in data)
    if count == 0:
        raise UserError(f"{path} holds no world_mat_0, world_mat_1, ...; expected one an image")
    if num is not None:
        check_camera_count(path, count, num)
    decomposed = [_camera(data, view, path) for view in range(count)]
    K, R, t = (np.stack(x) for x in zip(*decomposed))
    return K, R, t, _world_from_norm(data, path)


def check_camera_count(path: Path, count: int, num: int) -> None:
    """Raise UserError where the file's cameras are not as many as the images."""
    if count != num:
        raise UserError(f"{path} holds {count} cameras for {num} images; expected one an image")


def _load_matrices(path: Path) -> dict[str, np.ndarray]:
    """The cameras' matrices in float64."""
    if not path.is_file():
        raise UserError(f"{path} is missing; it holds world_mat_0, world_mat_1, ...")
    with decoding(path, "not a readable .npz"), open(path, "rb") as stream:
        start = stream.read(len(NPY))
        if start == NPY:
            raise UserError(
                f"{path} is a single array (.npy); expected an .npz that holds world_mat_0, "
                "world_mat_1, ...: save it with numpy.savez"
            )
        with zipfile.ZipFile(path) as archive:
            claimed = {entry.filename: entry.file_size for entry in archive.infolist()}
        with np.load(path, allow_pickle=False) as file:
            keys = [key for key in file.files if CAMERA_KEY.fullmatch(key)]
            large = [key for key in keys if claimed.get(f"{key}.npy", 0) > MOST_BYTES]
            if large:
                raise UserError(f"{path}: {large[0]} is no 4x4 matrix; calibrate the view again")
            return {key: _real(file[key], key, path) for key in keys}


def _real(array: np.ndarray, key: str, path: Path) -> np.ndarray:
    if array.dtype.kind not in "fiu" or array.ndim != 2:
        what = f"{array.dtype} numbers of shape {array.shape}"
        raise UserError(f"{path}: {key} holds {what}; expected a 4x4 matrix of real numbers")
    return array.astype(float)


def _camera(data: dict, view: int, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    name, intrinsics, extrinsics = f"world_mat_{view}", f"int_{view}", f"ext_{view}"
    if extrinsics in data:
        _check_rotation(data[extrinsics], extrinsics, path)
    if name in data:
        world_mat = data[name]
    elif intrinsics in data and extrinsics in data:
        if data[intrinsics].shape not in ((3, 3), (3, 4), (4, 4)):
            raise UserError(
                f"{path}: {intrinsics} is {_by(data[intrinsics])}, expected K as 3x3 or 4x4"
            )
        world_mat = _square(data[intrinsics]) @ _square(data[extrinsics])
    else:
        raise UserError(f"{path} has no {name}; views are numbered 0, 1, ... without gaps")
    if world_mat.shape not in ((3, 4), (4, 4)) or not np.isfinite(world_mat).all():
        raise UserError(f"{path}: {name} is not a finite 4x4 matrix; calibrate the view again")
    left = world_mat[:3, :3]
    if abs(np.linalg.det(left)) <= 1e-12 * np.linalg.norm(left) ** 3:
        raise UserError(f"{path}: {name} is singular; expected K [R | t]")
    return decompose(world_mat[:3])


def _check_rotation(ext: np.ndarray, key: str, path: Path) -> None:
    if ext.shape not in ((3, 4), (4, 4)):
        raise UserError(f"{path}: {key} is {_by(ext)}, expected [R | t] as 3x4 or 4x4")
    R = ext[:3, :3]
    if not np.isfinite(R).all():
        raise UserError(f"{path}: {key} holds no rotation but nan; calibrate again")
    error, det = np.abs(R @ R.T - np.eye(3)).max(), np.linalg.det(R)
    if not (error <= ROTATION_TOLERANCE and det > 0):
        raise UserError(
            f"{path}: {key} holds no rotation (R R^T differs from I by {error:.2g}, "
            f"det {det:.3g}); "
            "expected OpenCV's cam_from_world [R | t]"
        )


def _by(matrix: np.ndarray) -> str:
    return "x".join(map(str, matrix.shape))


def _square(matrix: np.ndarray) -> np.ndarray:
    square = np.eye(4)
    square[: matrix.shape[0], : matrix.shape[1]] = matrix
    return square


def decompose(P: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K (3, 3) with K[2, 2] = 1, R (3, 3), t (3,) of P (3, 4) = s K [R | t], s of either sign."""
    K, R = cv2.RQDecomp3x3(P[:, :3] * np.sign(np.linalg.det(P[:, :3])))[1:3]
    flip = np.diag(np.where(np.diag(K) < 0, -1.0, 1.0))
    K, R = K @ flip, flip @ R
    t = np.linalg.solve(K, P[:, 3] * np.sign(np.linalg.det(P[:, :3])))
    return K / K[2, 2], R, t


def _world_from_norm(data: dict, path: Path) -> np.ndarray | None:
    matrix = data.get("scale_mat_0")
    if matrix is None:
        return None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or matrix[0, 0] <= 0:
        raise UserError(
            f"{path}: scale_mat_0 is no uniform scale and offset (4x4, finite, scale above 0); "
            "correct it or leave it out"
        )
    frame = np.diag([matrix[0, 0]] * 3 + [1.0])
    frame[:3, 3] = matrix[:3, 3]
    return frame


def save_cameras(
    path: str | Path, cameras: Cameras | CameraArrays, world_from_norm: np.ndarray | None
) -> None:
    """Write param.npz as `load_cameras` reads it, in float64."""
    from utils.io.files import atomic_path

    data = {}
    scale_mat = np.eye(4) if world_from_norm is None else world_from_norm
    for view in range(len(cameras)):
        ext = np.eye(4)
        ext[:3, :3], ext[:3, 3] = np.asarray(cameras.R[view]), np.asarray(cameras.t[view])
        intrinsics = _square(np.asarray(cameras.K[view]))
        data |= {f"int_{view}": intrinsics, f"ext_{view}": ext}
        data |= {f"world_mat_{view}": intrinsics @ ext, f"scale_mat_{view}": scale_mat}
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.savez(file, **data)
