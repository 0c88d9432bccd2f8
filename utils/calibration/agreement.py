"""How far two calibrations of the same photos differ where the subject is, after a similarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from utils.cameras.calibrated import CalibratedCamera

Aligned = tuple[float, np.ndarray, np.ndarray]  # scale, R (3, 3), t (3,): x -> scale R x + t


def compare_cameras(
    found: Sequence[CalibratedCamera], truth: Sequence[CalibratedCamera], points: np.ndarray
) -> tuple[np.ndarray, Aligned]:
    """Pixels (views, N) by which found cameras miss where true ones show points (N, 3).

    points: in the truth's world. Both project without their lenses' distortion, as photos are
    undistorted; the similarity from the truth's world to the found one, which is returned, too, is
    the one that makes the misses least (squares).
    """
    true_px = [_project(camera, points) for camera in truth]
    start = _by_centres(truth, found)

    def misses(x: np.ndarray) -> np.ndarray:
        moved = _apply(x, points)
        return np.stack([_project(c, moved) - px for c, px in zip(found, true_px)])

    solved = least_squares(lambda x: misses(x).ravel(), start, x_scale="jac", max_nfev=60)
    scale, R = float(np.exp(solved.x[0])), Rotation.from_rotvec(solved.x[1:4]).as_matrix()
    return np.linalg.norm(misses(solved.x), axis=2), (scale, R, solved.x[4:])


def _apply(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.exp(x[0]) * Rotation.from_rotvec(x[1:4]).apply(points) + x[4:]


def _project(camera: CalibratedCamera, points: np.ndarray) -> np.ndarray:
    px = (points @ camera.R.T + camera.t) @ camera.K.T
    return px[:, :2] / px[:, 2:]


def _by_centres(truth: Sequence[CalibratedCamera], found: Sequence[CalibratedCamera]) -> np.ndarray:
    """A similarity by the cameras' turns and centres."""
    turns = [b.R.T @ a.R for a, b in zip(truth, found)]
    R = Rotation.from_matrix(np.stack(turns)).mean()
    a, b = (np.stack([camera.center for camera in cameras]) for cameras in (truth, found))
    spread = [np.linalg.norm(c - c.mean(0)) for c in (a, b)]
    scale = spread[1] / max(spread[0], 1e-12)
    t = b.mean(0) - scale * R.apply(a.mean(0))
    return np.concatenate([[np.log(scale)], R.as_rotvec(), t])
