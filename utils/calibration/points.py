"""Points that several calibrated cameras see, and similarities between points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.cameras.calibrated import CalibratedCamera


def triangulate(
    seen: Sequence[tuple[CalibratedCamera, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """The point (3,) that cameras see at pixels (2,), as stored, and its misses (n,), pixels."""
    if len(seen) < 2:
        return np.full(3, np.nan), np.full(len(seen), np.inf)
    rows = []
    for camera, xy in seen:
        x, y = camera.rays(xy[None])[0]
        P = np.column_stack([camera.R, camera.t])
        rows += [x * P[2] - P[0], y * P[2] - P[1]]
    rows = np.array(rows)
    rows = rows[np.isfinite(rows).all(1)]
    _, _, Vt = np.linalg.svd(rows)
    point = Vt[-1, :3] / Vt[-1, 3]
    miss = np.array([np.linalg.norm(c.project(point[None])[0] - xy) for c, xy in seen])
    return point, np.where(np.isfinite(miss), miss, np.inf)


def fit_similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """scale, R (3, 3), t (3,) of target = scale R source + t (n, 3), least squares.

    Umeyama, Least-squares estimation of transformation parameters (1991).
    """
    a, b = source - source.mean(0), target - target.mean(0)
    U, S, Vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = (U * sign) @ Vt
    scale = float((S * sign).sum() / (a**2).sum())
    return scale, R, target.mean(0) - scale * R @ source.mean(0)
