"""Where a camera stands by one hand that it sees: PnP that tells a hand from its reflection."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

LEAST_POINTS = 6
SOFT = 0.02  # of the hand's extent in the image: how far off a keypoint loses its weight
WRONG = 0.05  # likewise: misses beyond say no more about which hand it is
CLEARLY = 0.7  # of the other naming's cost: below, a view's hands are named anew


def hand_pose(points: np.ndarray, xy: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, float]:
    """cam_from_hand (rvec, t) (6,) of points (..., 3) seen at pixels xy (..., 2), and its cost.

    Several ways of solving give candidates, a flat hand's reflection among them; each is refined
    robustly, the cheapest wins. The cost is the mean of soft residuals in units of SOFT. nan points
    are left out; (nan, inf) where too few are left.
    """
    points, xy = points.reshape(-1, 3), xy.reshape(-1, 2)
    points, xy = points.reshape(-1, 3), xy.reshape(-1, 2)
    seen = np.isfinite(points).all(1) & np.isfinite(xy).all(1)
    points, xy = points[seen], xy[seen]
    if len(points) < LEAST_POINTS:
        return np.full(6, np.nan), np.inf
    soft = SOFT * max(np.ptp(xy, axis=0).max(), 1.0)
    best = np.full(6, np.nan), np.inf
    for start in _candidates(points, xy, K):
        solved = least_squares(
            _misses, start, _slopes, loss="soft_l1", args=(points, xy, K, soft), max_nfev=25
        )
        cost = solved.cost / len(points)
        if cost < best[1] and _depths(solved.x, points).min() > 0:
            best = solved.x, cost
    return best


def misnamed(points: np.ndarray, xy: np.ndarray, pose: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Frames (F,) bool whose two hands the view shows under each other's name.

    points (F, 2, 21, 3) of left and right hands, nan unknown; xy (F, 2, 21, 2): pixels as named so
    far, nan unseen; pose (6,) cam_from_hand: nan leaves the names as they are.
    """
    if not np.isfinite(pose).all():
        return np.zeros(len(xy), bool)
    px, _ = cv2.projectPoints(np.nan_to_num(points).reshape(-1, 3), pose[:3], pose[3:], K, None)
    known = np.isfinite(points).all(-1)
    soft = WRONG * max(np.ptp(xy[np.isfinite(xy).all(-1)], axis=0).max(), 1.0)

    def cost(named: np.ndarray) -> np.ndarray:
        seen = known & np.isfinite(named).all(-1)
        miss = np.linalg.norm(px.reshape(named.shape) - named, axis=-1)[seen] / soft
        total = np.zeros(seen.shape)
        total[seen] = miss.clip(max=1)
        count = seen.sum((1, 2))
        return np.where(count, total.sum((1, 2)) / count.clip(min=1), np.inf)

    return cost(xy[:, ::-1]) < CLEARLY * cost(xy)


def _misses(
    pose: np.ndarray, points: np.ndarray, xy: np.ndarray, K: np.ndarray, soft: float
) -> np.ndarray:
    px, _ = cv2.projectPoints(points, pose[:3], pose[3:], K, None)
    return ((px[:, 0] - xy) / soft).ravel().clip(-1e4, 1e4)


def _slopes(
    pose: np.ndarray, points: np.ndarray, xy: np.ndarray, K: np.ndarray, soft: float
) -> np.ndarray:
    """Derivative (2 N, 6) of `_misses`."""
    _, jacobian = cv2.projectPoints(points, pose[:3], pose[3:], K, None)
    return (jacobian[:, :6] / soft).clip(-1e6, 1e6)


def _depths(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(pose[:3]).apply(points)[:, 2] + pose[5]


def _candidates(points: np.ndarray, xy: np.ndarray, K: np.ndarray) -> list[np.ndarray]:
    """Poses (6,) to start from."""
    found = []
    for method in (cv2.SOLVEPNP_SQPNP, cv2.SOLVEPNP_EPNP):
        found += _solved(points, xy, K, method)
    centre = points.mean(0)
    _, _, axes = np.linalg.svd(points - centre)
    axes[2] *= np.sign(np.linalg.det(axes))
    flat = (points - centre) @ axes.T
    flat[:, 2] = 0
    for pose in _solved(flat, xy, K, cv2.SOLVEPNP_IPPE):
        R = Rotation.from_rotvec(pose[:3]).as_matrix() @ axes
        found.append(np.concatenate([Rotation.from_matrix(R).as_rotvec(), pose[3:] - R @ centre]))
    found += [_reflected(pose, centre) for pose in found]
    return [pose for pose in found if np.isfinite(pose).all()]


def _solved(points: np.ndarray, xy: np.ndarray, K: np.ndarray, method: int) -> list[np.ndarray]:
    try:
        count, turns, places, _ = cv2.solvePnPGeneric(points, xy, K, None, flags=method)
    except cv2.error:
        return []
    return [np.concatenate([turns[k].ravel(), places[k].ravel()]) for k in range(count)]


def _reflected(pose: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The pose that looks most alike from afar: the hand's depths turned round about its middle."""
    R = Rotation.from_rotvec(pose[:3]).as_matrix()
    middle = R @ centre + pose[3:]
    axis = middle / np.linalg.norm(middle)
    flip = np.eye(3) - 2 * np.outer(axis, axis)
    normal = R[:, np.argmin(np.abs(R[2]))]
    turned = flip @ R @ (np.eye(3) - 2 * np.outer(R.T @ normal, R.T @ normal))
    U, _, Vt = np.linalg.svd(turned)
    turned = U @ np.diag([1, 1, np.linalg.det(U @ Vt)]) @ Vt
    turn = Rotation.from_matrix(turned).as_rotvec()
    return np.concatenate([turn, middle - turned @ centre])
