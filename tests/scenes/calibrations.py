"""A made-up rig whose lenses distort, projected by OpenCV or by formulas spelt out a point a time.

Nothing here uses the suite's own cameras, so that readers of calibrations are held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import atan, hypot, tan

import cv2
import numpy as np

from tests.scenes.captures import ring_of_cameras

SIZE = (480, 640)  # height, width
FX, FY, CX, CY = 610.0, 615.5, 322.25, 236.75  # pixels, where the top-left centre is (0, 0)
HALF = 0.5  # what other programs add to CX and CY
BROWN = [-0.21, 0.09, 0.004, -0.003, 0.02, 0.05, -0.03, 0.01]  # k1 k2 p1 p2 k3 k4 k5 k6
FISHEYE = [0.08, -0.03, 0.015, -0.006]
Project = Callable[[np.ndarray], np.ndarray]  # points (N, 3) in the camera's frame, pixels (N, 2)


def poses(count: int = 3) -> list[tuple[np.ndarray, np.ndarray]]:
    """R (3, 3), t (3,) cam_from_world of cameras on a ring that look at the origin."""
    cameras = ring_of_cameras(count)
    return [(R, t) for R, t in zip(cameras.R.numpy(), cameras.t.numpy())]


def points() -> np.ndarray:
    """Points (60, 3) about the origin that all cameras of the ring see."""
    return np.random.default_rng(4).uniform(-0.18, 0.18, (60, 3))


def matrix(fy: float = FY) -> np.ndarray:
    """K (3, 3), where the top-left centre is (0, 0)."""
    return np.array([[FX, 0, CX], [0, fy, CY], [0, 0, 1]])


def brown(numbers: Sequence[float], fy: float = FY) -> Project:
    """OpenCV's own projection."""
    zero, dist = np.zeros(3), np.array(numbers, float)
    dist = dist if len(dist) >= 4 else np.pad(dist, (0, 4 - len(dist)))
    return lambda cam: cv2.projectPoints(cam, zero, zero, matrix(fy), dist)[0][:, 0]


def fisheye(numbers: Sequence[float], fy: float = FY) -> Project:
    """OpenCV's own fisheye projection."""
    zero, dist = np.zeros(3), np.pad(np.array(numbers, float), (0, 4 - len(numbers)))
    return lambda cam: cv2.fisheye.projectPoints(cam[None], zero, zero, matrix(fy), dist)[0][0]


def by_formula(distort: Callable[[float, float], tuple[float, float]], fy: float = FY) -> Project:
    """The projection of a lens that maps x / z, y / z to where they fall."""

    def project(cam: np.ndarray) -> np.ndarray:
        fallen = [distort(x / z, y / z) for x, y, z in cam]
        return np.array([(FX * u + CX, fy * v + CY) for u, v in fallen])

    return project


def fov(omega: float) -> Project:
    """Devernay and Faugeras: r_d = atan(2 r tan(omega / 2)) / omega."""

    def distort(x: float, y: float) -> tuple[float, float]:
        r = hypot(x, y)
        factor = atan(2 * r * tan(omega / 2)) / omega / r
        return x * factor, y * factor

    return by_formula(distort)


def thin_prism_fisheye(numbers: Sequence[float]) -> Project:
    """COLMAP's THIN_PRISM_FISHEYE: a Brown lens and a thin prism on the equidistant image."""
    k1, k2, p1, p2, k3, k4, sx1, sy1 = numbers

    def distort(x: float, y: float) -> tuple[float, float]:
        r = hypot(x, y)
        u, v = x * atan(r) / r, y * atan(r) / r
        q = u * u + v * v
        radial = k1 * q + k2 * q**2 + k3 * q**3 + k4 * q**4
        du = u * radial + 2 * p1 * u * v + p2 * (q + 2 * u * u) + sx1 * q
        dv = v * radial + 2 * p2 * u * v + p1 * (q + 2 * v * v) + sy1 * q
        return u + du, v + dv

    return by_formula(distort)


def radial_to_the_eighth(k: Sequence[float], p1: float, p2: float) -> Project:
    """nerfstudio's perspective lens, whose k4 is of the radius' eighth power."""

    def distort(x: float, y: float) -> tuple[float, float]:
        q = x * x + y * y
        radial = 1 + k[0] * q + k[1] * q**2 + k[2] * q**3 + k[3] * q**4
        u = x * radial + 2 * p1 * x * y + p2 * (q + 2 * x * x)
        return u, y * radial + 2 * p2 * x * y + p1 * (q + 2 * y * y)

    return by_formula(distort)


def quaternion(R: np.ndarray) -> np.ndarray:
    """w x y z of a rotation, by its axis and angle."""
    rvec = cv2.Rodrigues(R)[0][:, 0]
    angle = np.linalg.norm(rvec)
    return np.array([np.cos(angle / 2), *(np.sin(angle / 2) * rvec / angle)])
