"""Lens distortion: what a lens does to the straight rays of a pinhole.

Points are normalised: x / z and y / z in the camera's frame. A lens maps where a ray would fall
without distortion to where it falls. Models and the order of their numbers:

    none                ()
    brown               OpenCV's k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tx ty]]]]: 4, 5, 8, 12, 14
    fisheye             OpenCV's k1 k2 k3 k4 on the angle (Kannala and Brandt)
    fov                 omega (Devernay and Faugeras, Straight lines have to be straight, 2001)
    metashape           k1 k2 k3 k4 p1 p2 p3 p4 of Agisoft's frame cameras
    thin_prism_fisheye  COLMAP's k1 k2 p1 p2 k3 k4 sx1 sy1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

BROWN_COUNTS = (4, 5, 8, 12, 14)
NEWTON_STEPS = 30
CONVERGED = 1e-12  # normalised: far below a thousandth of a pixel
DIFFERENCE = 1e-6  # of the derivative, normalised
NEAR_AXIS = 1e-8  # where a ratio of angle and radius is 1


@dataclass(frozen=True)
class Lens:
    """A lens' distortion: its model, and that model's numbers. `Lens()` distorts nothing."""

    model: str = "none"
    numbers: tuple[float, ...] = ()

    @staticmethod
    def brown(numbers: Sequence[float]) -> Lens:
        """OpenCV's distortion of 4, 5, 8, 12 or 14 numbers; no number, or all 0: no distortion.

        Other counts are filled up with 0. Raises ValueError for more than 14 and for nan.
        """
        return _lens("brown", numbers, BROWN_COUNTS)

    @staticmethod
    def fisheye(numbers: Sequence[float]) -> Lens:
        """OpenCV's fisheye of up to 4 numbers; 0 0 0 0 is the equidistant lens, not none."""
        return Lens("fisheye", _filled(numbers, (4,)))

    @property
    def is_none(self) -> bool:
        """Whether rays stay where they are."""
        return self.model == "none"

    def distort(self, xy: np.ndarray) -> np.ndarray:
        """Where undistorted normalised points (..., 2) fall (..., 2), float64."""
        xy = np.asarray(xy, float)
        return _MODELS[self.model](xy.reshape(-1, 2), self.numbers).reshape(xy.shape)

    def undistort(self, xy: np.ndarray) -> np.ndarray:
        """The undistorted points (..., 2) that fall on xy (..., 2); nan where there are none.

        Newton's method, whose derivative is taken by differences, so that it serves all models.
        """
        given = np.asarray(xy, float)
        if self.is_none:
            return given.copy()
        straight, finite = np.full_like(given, np.nan), np.isfinite(given).all(-1)
        straight[finite] = self._undistorted(given[finite])
        return straight

    def _undistorted(self, target: np.ndarray) -> np.ndarray:
        point = self._guess(target)
        for _ in range(NEWTON_STEPS):
            miss = self.distort(point) - target
            if not (np.abs(miss) > CONVERGED).any():
                break
            point = point - self._newton_step(point, miss)
        found = (np.abs(self.distort(point) - target) < 1e4 * CONVERGED).all(-1)
        found &= self.is_valid(point)
        return np.where(found[:, None], point, np.nan)

    def is_valid(self, xy: np.ndarray) -> np.ndarray:
        """Whether the formula means anything at undistorted points (..., 2), bool (...).

        Polynomials turn back far from the axis, where they would show the photo once more.
        """
        point = np.asarray(xy, float).reshape(-1, 2)
        forward = (self.distort(point) * point).sum(-1) >= 0
        return (forward & (np.linalg.det(self._jacobian(point)) > 0)).reshape(np.shape(xy)[:-1])

    def _guess(self, target: np.ndarray) -> np.ndarray:
        if "fisheye" not in self.model:
            return target
        angle = np.linalg.norm(target, axis=1, keepdims=True).clip(NEAR_AXIS, 1.5)
        return target * np.tan(angle) / angle

    def _jacobian(self, point: np.ndarray) -> np.ndarray:
        """Derivative (N, 2, 2) of `distort` at points (N, 2)."""
        columns = [
            (self.distort(point + e) - self.distort(point - e)) / (2 * DIFFERENCE)
            for e in DIFFERENCE * np.eye(2)
        ]
        return np.stack(columns, -1)

    def _newton_step(self, point: np.ndarray, miss: np.ndarray) -> np.ndarray:
        J = self._jacobian(point)
        J = np.where((np.abs(np.linalg.det(J)) > 1e-9)[:, None, None], J, np.eye(2))
        return np.linalg.solve(J, miss[..., None])[..., 0]


def _filled(numbers: Sequence[float], counts: Sequence[int]) -> tuple[float, ...]:
    values = [float(value) for value in np.ravel(numbers)]
    if len(values) > counts[-1] or not np.isfinite(values).all():
        raise ValueError(f"{len(values)} distortion numbers, expected up to {counts[-1]}, finite")
    count = next(count for count in counts if len(values) <= count)
    return tuple(values + [0.0] * (count - len(values)))


def _lens(model: str, numbers: Sequence[float], counts: Sequence[int]) -> Lens:
    values = _filled(numbers, counts)
    return Lens(model, values) if any(values) else Lens()


def _brown(xy: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    rays = np.column_stack([xy, np.ones(len(xy))])
    if not len(rays):
        return xy.copy()
    zero = np.zeros(3)
    return cv2.projectPoints(rays, zero, zero, np.eye(3), np.array(numbers))[0][:, 0]


def _by_angle(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The angle to the axis (N, 1) and xy scaled to its length (N, 2)."""
    radius = np.linalg.norm(xy, axis=1, keepdims=True)
    angle = np.arctan(radius)
    return angle, xy * np.where(radius > NEAR_AXIS, angle / np.maximum(radius, NEAR_AXIS), 1.0)


def _fisheye(xy: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    k1, k2, k3, k4 = numbers
    angle, along = _by_angle(xy)
    a2 = angle**2
    return along * (1 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))


def _fov(xy: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    (omega,) = numbers
    if abs(omega) < NEAR_AXIS:
        return xy.copy()
    radius = np.linalg.norm(xy, axis=1, keepdims=True)
    slope = 2 * np.tan(omega / 2)
    ratio = np.arctan(radius * slope) / (np.maximum(radius, NEAR_AXIS) * omega)
    return xy * np.where(radius > NEAR_AXIS, ratio, slope / omega)


def _metashape(xy: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    """Agisoft Metashape user manual, appendix D: frame cameras (p1, p2 are OpenCV's p2, p1)."""
    k1, k2, k3, k4, p1, p2, p3, p4 = numbers
    x, y = xy.T
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    more = 1 + r2 * (p3 + r2 * p4)
    u = x * radial + (p1 * (r2 + 2 * x * x) + 2 * p2 * x * y) * more
    v = y * radial + (p2 * (r2 + 2 * y * y) + 2 * p1 * x * y) * more
    return np.column_stack([u, v])


def _thin_prism_fisheye(xy: np.ndarray, numbers: Sequence[float]) -> np.ndarray:
    """COLMAP's ThinPrismFisheyeCameraModel (src/colmap/sensor/models.h)."""
    k1, k2, p1, p2, k3, k4, sx1, sy1 = numbers
    _, along = _by_angle(xy)
    u, v = along.T
    r2 = u * u + v * v
    radial = r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    du = u * radial + 2 * p1 * u * v + p2 * (r2 + 2 * u * u) + sx1 * r2
    dv = v * radial + 2 * p2 * u * v + p1 * (r2 + 2 * v * v) + sy1 * r2
    return np.column_stack([u + du, v + dv])


_MODELS: dict[str, Callable[[np.ndarray, Sequence[float]], np.ndarray]] = {
    "none": lambda xy, _: xy.copy(),
    "brown": _brown,
    "fisheye": _fisheye,
    "fov": _fov,
    "metashape": _metashape,
    "thin_prism_fisheye": _thin_prism_fisheye,
}


def rays_of(K: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Normalised points (..., 2) of pixels (..., 2); K (3, 3), perhaps with a skew."""
    return (pixels - K[:2, 2]) @ np.linalg.inv(K[:2, :2]).T


def pixels_of(K: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """The inverse of `rays_of`."""
    return rays @ K[:2, :2].T + K[:2, 2]
