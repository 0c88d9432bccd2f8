"""What a format of calibrations is: where its files are, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.errors import UserError

ROTATION_TOLERANCE = 1e-3  # |R R^T - I|; calibrations are written with 4 digits or more
LONGEST_SIDE = 65535  # pixels
LARGEST = 1e15  # of pixels and world units: beyond are the numbers of damaged files


@dataclass(frozen=True)
class Calibration:
    """What a calibration's files hold.

    cameras: those with a pose, in the file's order; files: what was read, for fingerprints;
    unit: "m", "cm", "mm", or None where the format leaves it open; notes: what had to be
    interpreted or was left out, in words (cameras without a pose, entries of other kinds);
    names_photos: whether cameras are one a photo (structure from motion) and not one a device;
    world_from_norm: (4, 4) a uniform scale and offset of a frame about the subject, if any.
    """

    cameras: Sequence[CalibratedCamera]
    files: Sequence[Path]
    unit: str | None = None
    notes: Sequence[str] = ()
    names_photos: bool = False
    world_from_norm: np.ndarray | None = None


@dataclass(frozen=True)
class CalibrationFormat:
    """One format.

    title: its name for people; places: where its file or folder is looked for in a scan's folder
    and in the folder above, patterns as of `Path.glob`, the likeliest first; read(path) reads the
    file or folder found there and raises UserError for everything that is wrong with it.
    """

    title: str
    places: Sequence[str]
    read: Callable[[Path], Calibration]

    def find(self, folders: Sequence[Path]) -> Path:
        """The calibration in the first of `folders` that has one. Raises UserError on none."""
        for folder in folders:
            for place in self.places:
                paths = sorted(folder.glob(place)) if folder.is_dir() else []
                if paths:
                    return paths[0]
        looked = " or ".join(str(folder) for folder in folders)
        raise UserError(
            f"{looked} holds no calibration of {self.title}; expected {' or '.join(self.places)}, "
            "or name the file: --set cameras=FILE"
        )


def camera(
    path: Path,
    name: str,
    K: object,
    R: object,
    t: object,
    size: tuple[int, int] | None = None,
    lens: Lens | None = None,
    photo: str | None = None,
) -> CalibratedCamera:
    """A checked camera of a file `path`; K, R, t as `CalibratedCamera` has them.

    Raises UserError, naming file and camera, on wrong shapes, nan, focal lengths that are not
    above 0, matrices that are no K or no rotation, and sizes that no photo has.
    """
    K, R, t = (
        _matrix(path, name, what, value, shape)
        for what, value, shape in (("K", K, (3, 3)), ("R", R, (3, 3)), ("t", t, (3,)))
    )
    _check_intrinsics(path, name, K, size)
    error, det = np.abs(R @ R.T - np.eye(3)).max(), np.linalg.det(R)
    if not (error <= ROTATION_TOLERANCE and det > 0):
        raise UserError(
            f"{path}: camera {name} holds no rotation (R R^T differs from I by {error:.2g}, "
            f"det {det:.3g}); expected a rotation matrix or quaternion"
        )
    U, _, Vt = np.linalg.svd(R)  # digits of a text file, to the nearest rotation
    return CalibratedCamera(name, K, U @ Vt, t, size, lens or Lens(), photo)


def _matrix(path: Path, name: str, what: str, value: object, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.asarray(value, float).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{path}: {what} of camera {name} is no {shape} matrix") from error
    if not (np.abs(array) < LARGEST).all():
        raise UserError(
            f"{path}: {what} of camera {name} holds nan or numbers beyond {LARGEST:g}; "
            "calibrate it again"
        )
    return array


def _check_intrinsics(path: Path, name: str, K: np.ndarray, size: tuple[int, int] | None) -> None:
    if not np.allclose(K[[1, 2, 2, 2], [0, 0, 1, 2]], [0, 0, 0, 1]):
        raise UserError(
            f"{path}: K of camera {name} is not [fx s cx; 0 fy cy; 0 0 1]; is it transposed?"
        )
    if not (K[0, 0] > 0 and K[1, 1] > 0):
        raise UserError(f"{path}: camera {name} has focal lengths {K[0, 0]:g}, {K[1, 1]:g}")
    if size is not None and not all(1 <= side <= LONGEST_SIDE for side in size):
        raise UserError(f"{path}: camera {name} is of {size[1]} x {size[0]} pixels")


def pinhole(fx: float, fy: float, cx: float, cy: float, skew: float = 0.0) -> np.ndarray:
    """K (3, 3) of focal lengths and principal point, pixels, first pixel's centre (0, 0)."""
    return np.array([[fx, skew, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
