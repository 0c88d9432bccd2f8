"""Cameras of a capture as IDR and NeuS keep them: param.npz."""

from __future__ import annotations

import zipfile
from pathlib import Path

import cv2
import numpy as np
import torch

from utils.cameras import Cameras, Similarity
from utils.errors import UserError

ROTATION_TOLERANCE = 1e-3  # |R R^T - I|; calibrations are written with 4 digits or more


def load_cameras(
    path: str | Path, num: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Similarity | None]:
    """Read param.npz: K (N, 3, 3) pixels, R (N, 3, 3), t (N, 3), world_from_norm or None.

    `world_mat_i` = K [R | t] (4, 4) is what counts, as in IDR and NeuS; int_i and ext_i are used
    where world_mat_i is absent. Raises UserError on missing views, nan and singular matrices.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {key: np.asarray(file[key], float) for key in file.files}
    except FileNotFoundError:
        raise UserError(f"{path} is missing; it holds world_mat_0, world_mat_1, ...") from None
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path} is not a readable .npz ({error}); write it again") from error
    count = sum(key.startswith("world_mat_") and key[10:].isdigit() for key in data)
    count = count or sum(key.startswith("ext_") for key in data)
    if count == 0:
        raise UserError(f"{path} holds no world_mat_0, world_mat_1, ...; expected one an image")
    if num is not None and count != num:
        raise UserError(f"{path} holds {count} cameras for {num} images; expected one an image")
    decomposed = [_camera(data, view, path) for view in range(count)]
    K, R, t = (np.stack(x) for x in zip(*decomposed))
    return K, R, t, _world_from_norm(data, path)


def _camera(data: dict, view: int, path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    name = f"world_mat_{view}"
    if name in data:
        world_mat = data[name]
    elif f"int_{view}" in data and f"ext_{view}" in data:
        world_mat = _square(data[f"int_{view}"]) @ _square(data[f"ext_{view}"])
    else:
        raise UserError(f"{path} has no {name}; views are numbered 0, 1, ... without gaps")
    if world_mat.shape not in ((3, 4), (4, 4)) or not np.isfinite(world_mat).all():
        raise UserError(f"{path}: {name} is not a finite 4x4 matrix; calibrate the view again")
    if f"ext_{view}" in data:
        R = data[f"ext_{view}"][:3, :3]
        if not np.isfinite(R).all():
            raise UserError(f"{path}: ext_{view} holds no rotation but nan; calibrate again")
        error, det = np.abs(R @ R.T - np.eye(3)).max(), np.linalg.det(R)
        if not (error <= ROTATION_TOLERANCE and det > 0):
            raise UserError(
                f"{path}: ext_{view} holds no rotation (R R^T differs from I by {error:.2g}, "
                f"det {det:.3g}); "
                "expected OpenCV's cam_from_world [R | t]"
            )
    left = world_mat[:3, :3]
    if abs(np.linalg.det(left)) <= 1e-12 * np.linalg.norm(left) ** 3:
        raise UserError(f"{path}: {name} is singular; expected K [R | t]")
    return decompose(world_mat[:3])


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


def _world_from_norm(data: dict, path: Path) -> Similarity | None:
    matrix = data.get("scale_mat_0")
    if matrix is None:
        return None
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or matrix[0, 0] <= 0:
        raise UserError(
            f"{path}: scale_mat_0 is no uniform scale and offset (4x4, finite, scale above 0); "
            "correct it or leave it out"
        )
    return Similarity(float(matrix[0, 0]), torch.from_numpy(matrix[:3, 3].copy()))


def save_cameras(path: str | Path, cameras: Cameras, world_from_norm: Similarity | None) -> None:
    """Write param.npz as `load_cameras` reads it, in float64."""
    from utils.io.files import atomic_path

    data = {}
    scale_mat = np.eye(4)
    if world_from_norm is not None:
        scale_mat[:3, :3] *= world_from_norm.scale
        scale_mat[:3, 3] = world_from_norm.offset.numpy()
    for view in range(len(cameras)):
        ext = np.eye(4)
        ext[:3, :3], ext[:3, 3] = cameras.R[view].numpy(), cameras.t[view].numpy()
        intrinsics = _square(cameras.K[view].numpy())
        data |= {f"int_{view}": intrinsics, f"ext_{view}": ext}
        data |= {f"world_mat_{view}": intrinsics @ ext, f"scale_mat_{view}": scale_mat}
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.savez(file, **data)
