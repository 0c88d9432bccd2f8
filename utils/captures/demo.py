"""The demo layout: D/S/img/%02d.png, mask/%02d.png, pose/%02d.json and camera/param.npz."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from utils.cameras import Cameras, Similarity
from utils.captures.pose_files import POSE_KEYS
from utils.errors import UserError
from utils.files import load_image, load_json, load_mask
from utils.keypoints import KEYPOINTS

ROTATION_TOLERANCE = 1e-3  # |R R^T - I|; calibrations are written with 4 digits or more


@dataclass
class Capture:
    """One scan of a multi-view capture. Images and masks are read when they are asked for."""

    scan_dir: Path
    cameras: Cameras
    world_from_norm: Similarity | None
    image_paths: list[Path]
    camera_path: Path

    def __len__(self) -> int:
        return len(self.image_paths)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the first view."""
        height, width = self.cameras.sizes[0].tolist()
        return height, width

    def image(self, view: int) -> np.ndarray:
        """RGB (H, W, 3) float32 in [0, 1]. Raises UserError when truncated or of another size."""
        return self._checked_size(load_image(self.image_paths[view]), self.image_paths[view], view)

    def mask_path(self, view: int) -> Path:
        """Where the view's mask is or would be."""
        return self.scan_dir / "mask" / f"{view:02d}.png"

    def mask(self, view: int) -> np.ndarray | None:
        """Mask (H, W) bool, or None where the capture has none for this view."""
        path = self.mask_path(view)
        return self._checked_size(load_mask(path), path, view) if path.is_file() else None

    def _checked_size(self, image: np.ndarray, path: Path, view: int) -> np.ndarray:
        height, width = self.cameras.sizes[view].tolist()
        if image.shape[:2] != (height, width):
            raise UserError(
                f"{path} is {image.shape[1]}x{image.shape[0]}, expected {width}x{height} as "
                f"{self.image_paths[view]}; export it at the photo's size"
            )
        return image

    def pose_path(self, view: int) -> Path:
        """Where the view's detected keypoints are or would be."""
        return self.scan_dir / "pose" / f"{view:02d}.json"

    @cached_property
    def keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Detected keypoints of all views: pixels (views, 2, 21, 2) and confidences (views, 2, 21).

        Left then right as the detector named them, MediaPipe's order; nan and 0 where a hand was
        not detected. Raises UserError on missing files and lists of the wrong length.
        """
        found = [self.view_keypoints(view) for view in range(len(self))]
        return np.stack([xy for xy, _ in found]), np.stack([c for _, c in found])

    def view_keypoints(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """One view of `keypoints`: (2, 21, 2) and (2, 21)."""
        path = self.pose_path(view)
        if not path.is_file():
            raise UserError(
                f"{path} is missing; put detected keypoints there (MediaPipe's 21 a hand, x and y "
                "as 2u/W - 1 and 2v/H - 1; [] for a hand not seen)"
            )
        data = load_json(path)
        xy, confidence = np.full((2, KEYPOINTS, 2), np.nan), np.zeros((2, KEYPOINTS))
        height, width = self.cameras.sizes[view].tolist()
        for hand, side in enumerate(POSE_KEYS):
            values = _hand_values(data, side, path)
            if len(values) == 0:
                continue
            xy[hand] = (values[:, :2] + 1) / 2 * [width, height]
            weights = _hand_confidence(data, side, path)
            confidence[hand] = np.where(np.isfinite(xy[hand]).all(1), weights, 0.0)
        return xy, confidence


def _hand_values(data: dict, side: str, path: Path) -> np.ndarray:
    """One hand's values (21, 3), or (0, 3) where it was not detected."""
    if not isinstance(data, dict) or side not in data:
        raise UserError(f"{path} has no '{side}' list; expected {{'Left': [...], 'Right': [...]}}")
    try:
        values = np.asarray(data[side], float).ravel()
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: '{side}' holds something other than numbers") from error
    if values.size not in (0, 3 * KEYPOINTS):
        raise UserError(
            f"{path}: '{side}' holds {values.size} numbers, expected {3 * KEYPOINTS} "
            "(21 keypoints times x, y, z) or none"
        )
    return values.reshape(-1, 3)


def _hand_confidence(data: dict, side: str, path: Path) -> np.ndarray:
    """One hand's optional confidences: (21,), one a keypoint, or () for all of them."""
    key = f"{side}_confidence"
    try:
        weights = np.asarray(data.get(key, 1.0), float)
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: '{key}' holds something other than numbers") from error
    right = weights.shape in ((), (KEYPOINTS,)) and bool(np.all((weights >= 0) & (weights <= 1)))
    if not right:
        raise UserError(f"{path}: '{key}' must be {KEYPOINTS} numbers in [0, 1], or one")
    return weights


def load_capture(
    data_path: str | Path,
    scan_id: str,
    num: int | None = None,
    w: int | None = None,
    h: int | None = None,
    cameras_file: str | Path | None = None,
) -> Capture:
    """Open D/S. Only image headers and cameras are read here.

    `num`, `w` and `h` (config keys) are optional; where given they are checked. `cameras_file`
    replaces the capture's own cameras (a stage's corrected ones). Raises UserError on a missing
    folder, gaps in the views' numbering, a camera count that differs from the images', bad
    cameras, and sizes that contradict the config.
    """
    scan_dir = Path(data_path) / str(scan_id)
    if not scan_dir.is_dir():
        raise UserError(f"{scan_dir} is no folder; check --data_path and --scan_id")
    image_paths = _image_paths(scan_dir / "img", num)
    sizes = [image_size(path) for path in image_paths]
    for path, (height, width) in zip(image_paths, sizes):
        if (w is not None and w != width) or (h is not None and h != height):
            raise UserError(
                f"{path} is {width}x{height}, but the config says w = {w}, h = {h}; "
                "correct the config or leave w and h out"
            )
    camera_path = Path(cameras_file or scan_dir / "camera" / "param.npz")
    K, R, t, world_from_norm = load_cameras(camera_path, len(image_paths))
    cameras = Cameras(*(torch.from_numpy(x) for x in (K, R, t)), torch.tensor(sizes))
    return Capture(scan_dir, cameras, world_from_norm, image_paths, camera_path)


def load_corrected_capture(
    data_path: Path, out_path: Path, scan_id: str, config: Mapping[str, Any]
) -> Capture:
    """Open D/S as the config says, in O/cameras/param_S.npz where a stage corrected the cameras."""
    corrected = out_path / "cameras" / f"param_{scan_id}.npz"
    expected = (config[key] for key in ("num", "w", "h"))
    cameras = corrected if corrected.is_file() else None
    return load_capture(data_path, scan_id, *expected, cameras)


def _image_paths(folder: Path, num: int | None) -> list[Path]:
    found = sorted(folder.glob("[0-9]*.png"))
    if not found:
        raise UserError(f"{folder} holds no images; expected 00.png, 01.png, ...")
    expected = [folder / f"{view:02d}.png" for view in range(num or len(found))]
    for path in expected:
        if not path.is_file():
            wanted = f"; the config says num = {num}" if num is not None else ""
            raise UserError(
                f"{path} is missing; {len(found)} images found, views are numbered 00.png, 01.png, "
                f"... without gaps{wanted}"
            )
    if num is not None and len(found) != num:
        raise UserError(
            f"{folder} holds {len(found)} images, but the config says num = {num}; "
            "correct the config or leave num out"
        )
    return expected


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) from a PNG's header, or by decoding any other image."""
    header = path.open("rb").read(24)
    if header[:8] == b"\x89PNG\r\n\x1a\n" and len(header) == 24:
        width, height = struct.unpack(">II", header[16:24])
        return height, width
    return load_image(path).shape[:2]


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
    from utils.files import atomic_path

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
