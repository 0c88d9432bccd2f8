"""A rig of four made-up cameras around some points, for writing in each format."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from utils.captures.calibrations.format import Calibration

PIXELS = 0.01  # what a right reader may be off: files hold 12 digits or more
FISHEYE = (0.02, -0.01, 0.004, -0.001)


@dataclass(frozen=True)
class MadeUp:
    """A camera whose pixels are projected by OpenCV; brown: k1 k2 p1 p2 k3."""

    name: str
    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    brown: tuple[float, ...]
    width: int = 640
    height: int = 480

    @property
    def rotation_vector(self):
        return cv2.Rodrigues(self.R)[0].ravel()

    @property
    def center(self):
        return -self.R.T @ self.t

    @property
    def cam_from_world(self):
        return np.vstack([np.column_stack([self.R, self.t]), [0, 0, 0, 1]])

    def pixels(self, points, coefficients=None):
        brown = np.array(self.brown if coefficients is None else coefficients)
        return cv2.projectPoints(points, self.rotation_vector, self.t, self.K, brown)[0][:, 0]

    def fisheye_pixels(self, points):
        shaped = points.reshape(1, -1, 3)
        return cv2.fisheye.projectPoints(
            shaped, self.rotation_vector, self.t, self.K, np.array(FISHEYE)
        )[0][0]


def rig() -> list[MadeUp]:
    """Four cameras, 1 away from the points about the origin, all numbers different."""
    cameras = []
    for index, angle in enumerate((0.0, 0.7, -0.6, 1.4)):
        R = cv2.Rodrigues(np.array([0.1 * index, angle, 0.05]))[0]
        f = 600.0 + 11 * index
        K = np.array([[f, 0, 322.25 + index], [0, f + 3, 238.5 - index], [0, 0, 1]])
        brown = (-0.2 + 0.02 * index, 0.08, 0.001 * (index + 1), -0.0015, 0.01)
        t = np.array([0.02 * index, -0.01, 1.0 + 0.05 * index])
        cameras.append(MadeUp(f"cam{index}", K, R, t, brown))
    return cameras


def points() -> np.ndarray:
    """(40, 3) points that all cameras see."""
    return np.random.default_rng(0).uniform(-0.2, 0.2, (40, 3))


def in_frame_of_first(made_up) -> np.ndarray:
    """The points in the first camera's frame, where chains have their world."""
    return points() @ made_up[0].R.T + made_up[0].t


def assert_same_pixels(calibration: Calibration, cameras, pixels=None, seen=None) -> None:
    """The calibration holds these cameras, in order, and they see the points where they should.

    pixels: by camera, what OpenCV's lens does not give; seen: points in the file's world.
    """
    assert [camera.name for camera in calibration.cameras] == [made.name for made in cameras]
    for index, (camera, made) in enumerate(zip(calibration.cameras, cameras)):
        expected = made.pixels(points()) if pixels is None else pixels[index]
        found = camera.project(points() if seen is None else seen)
        assert np.abs(found - expected).max() < PIXELS, made.name
