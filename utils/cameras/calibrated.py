"""A camera as a calibration describes it: pinhole, lens, place, and which photos are its."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.cameras.lens import Lens, pixels_of, rays_of


@dataclass(frozen=True)
class CalibratedCamera:
    """One camera of a rig, in the suite's conventions whatever its file's were.

    name: what the calibration calls it; K (3, 3) pixels of the photos as stored, the centre of the
    top-left pixel is (0, 0), K[0, 1] is a skew; R (3, 3), t (3,) cam_from_world, OpenCV's axes,
    world units; size: (height, width) that K is of, None: the photo's; photo: the photo that the
    calibration names, relative or with foreign folders before it, None: it names none.
    """

    name: str
    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    size: tuple[int, int] | None = None
    lens: Lens = field(default_factory=Lens)
    photo: str | None = None

    @property
    def center(self) -> np.ndarray:
        """The camera's centre (3,), world units."""
        return -self.R.T @ self.t

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) of the photo as stored, distortion included, of points (N, 3).

        nan behind the camera.
        """
        cam = np.asarray(points, float) @ self.R.T + self.t
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = np.where(cam[:, 2:] > 0, cam[:, :2] / cam[:, 2:], np.nan)
        seen = np.isfinite(xy).all(1)
        distorted = np.full_like(xy, np.nan)
        distorted[seen] = self.lens.distort(xy[seen])
        return pixels_of(self.K, distorted)

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Normalised points (..., 2) without distortion, of pixels (..., 2) as stored."""
        return self.lens.undistort(rays_of(self.K, pixels))


def without_lenses(cameras: Sequence[CalibratedCamera]) -> CameraArrays:
    """The cameras without their lenses; each has a size."""
    K, R, t = (np.stack([getattr(each, name) for each in cameras]) for name in ("K", "R", "t"))
    return CameraArrays(K, R, t, np.array([each.size for each in cameras]))
