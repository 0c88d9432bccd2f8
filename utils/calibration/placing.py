"""Where a structure's world is put, and how surely each camera is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from utils.calibration.structure import Structure
from utils.cameras.calibrated import CalibratedCamera

NEAR_PARALLEL = 1e-6


def moved_cameras(
    cameras: Sequence[CalibratedCamera], matrix: np.ndarray
) -> list[CalibratedCamera]:
    """The same cameras in a world that `matrix` (4, 4), a similarity, takes theirs to."""
    scale = similarity_scale(matrix)
    R, t = matrix[:3, :3] / scale, matrix[:3, 3]
    moved = []
    for camera in cameras:
        turn = camera.R @ R.T
        moved.append(replace(camera, R=turn, t=scale * camera.t - turn @ t))
    return moved


def similarity_scale(matrix: np.ndarray) -> float:
    """How many times a similarity (4, 4) enlarges."""
    return float(np.cbrt(np.linalg.det(matrix[:3, :3])))


def middle_of_view(cameras: Sequence[CalibratedCamera]) -> np.ndarray:
    """The point (3,) nearest all optical axes."""
    total, right = np.zeros((3, 3)), np.zeros(3)
    for camera in cameras:
        across = np.eye(3) - np.outer(camera.R[2], camera.R[2])
        total += across
        right += across @ camera.center
    return np.linalg.solve(total + NEAR_PARALLEL * np.eye(3), right)


def upright(cameras: Sequence[CalibratedCamera], scale: float) -> np.ndarray:
    """A similarity (4, 4) that puts z up, as cameras are held, and the subject at the origin."""
    up = -np.mean([camera.R[1] for camera in cameras], axis=0)
    up /= max(np.linalg.norm(up), 1e-9)
    forward = np.mean([camera.R[2] for camera in cameras[:1]], axis=0)
    x = np.cross(forward, up)
    if np.linalg.norm(x) < NEAR_PARALLEL:
        x = cameras[0].R[0]
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(up, x), up])
    matrix = np.eye(4)
    matrix[:3, :3] = scale * R
    matrix[:3, 3] = -scale * R @ middle_of_view(cameras)
    return matrix


def camera_sigmas(structure: Structure, at: np.ndarray) -> np.ndarray:
    """How surely each camera shows the point `at` (3,): standard deviations (views,), pixels.

    Of the cameras' poses by the points that they see, which are taken as known: what many photos
    agree on is far surer than any one camera.
    """
    sigmas = np.full(len(structure.cameras), np.nan)
    for view, camera in enumerate(structure.cameras):
        rows = structure.view_of == view
        points = structure.points[structure.point_of[rows]]
        if len(points) < 6:
            continue
        J, px = _by_pose(camera, points)
        miss = px - structure.xy[rows]
        noise = (miss**2).sum() / max(2 * len(points) - 6, 1)
        covariance = np.linalg.pinv(J.T @ J) * noise
        at_J, _ = _by_pose(camera, np.asarray(at, float)[None])
        sigmas[view] = np.sqrt(np.trace(at_J @ covariance @ at_J.T) / 2)
    return sigmas


def _by_pose(camera: CalibratedCamera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivative (2 N, 6) of pixels by turn and place of the camera, and the pixels (N, 2)."""
    turn, _ = cv2.Rodrigues(camera.R)
    lens = np.array(camera.lens.numbers) if camera.lens.numbers else None
    px, jacobian = cv2.projectPoints(points, turn, camera.t, camera.K, lens)
    return jacobian[:, :6], px[:, 0]
