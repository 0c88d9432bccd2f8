"""Linear geometry of hands seen by many views: rays, triangulation, distances in pixels.

Arrays: N views, each with 2 detections (named left and right by the detector, rightly or not) of
21 keypoints. Pixels as in `utils.cameras.pinhole`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.keypoints.order import SIDES

if TYPE_CHECKING:
    from utils.cameras import Cameras

MIN_JOINTS = 6  # keypoints a detection needs to say where a hand is
MIN_ANGLE = np.radians(2.0)  # between two rays that say how far away a point is


@dataclass(frozen=True)
class HandViews:
    """What the views saw of the hands, by detection."""

    P: np.ndarray  # (N, 3, 4) pixels from world
    xy: np.ndarray  # (N, 2, 21, 2) pixels, 0 where not seen
    weights: np.ndarray  # (N, 2, 21) confidence, 0 where not seen
    radius: np.ndarray  # (N, 2) pixels within which a keypoint fits a hand
    rays: np.ndarray  # (N, 2, 21, 2, 3), see `triangulate`
    offsets: np.ndarray  # (N, 2, 21, 2), see `triangulate`
    directions: np.ndarray  # (N, 2, 3) unit vectors to the detections, in the world

    @staticmethod
    def of(
        cameras: Cameras | CameraArrays, xy: np.ndarray, confidence: np.ndarray, fit_radius: float
    ) -> HandViews:
        """Views of detections xy (N, 2, 21, 2) with confidence (N, 2, 21).

        `fit_radius` is a share of a detection's own size (the diagonal of its bounding box), so
        that it means the same in large and small images.
        """
        K, R, t = (np.asarray(x, float) for x in (cameras.K, cameras.R, cameras.t))
        seen = np.isfinite(xy).all(-1) & (confidence > 0)
        seen &= (seen.sum(-1) >= MIN_JOINTS)[..., None]
        xy, weights = np.where(seen[..., None], xy, 0.0), np.where(seen, confidence, 0.0)
        normalised = np.einsum("nij,ndvj->ndvi", np.linalg.inv(K), _homogeneous(xy))[..., :2]
        rays = normalised[..., None] * R[:, None, None, 2:] - R[:, None, None, :2]
        offsets = t[:, None, None, :2] - normalised * t[:, None, None, 2:]
        P = K @ np.concatenate([R, t[..., None]], -1)
        radius = fit_radius * _extent(xy, seen)
        count = np.maximum(seen.sum(-1), 1)[..., None]
        centre = _homogeneous((normalised * seen[..., None]).sum(2) / count)
        directions = np.einsum("nji,ndj->ndi", R, centre)
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        return HandViews(P, xy, weights, radius, rays, offsets, directions)

    def chosen(self, assigned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (N, 2, 21, 2) and weights (N, 2, 21) of the hands `assigned` (N, 2).

        `assigned` names the detection (0 or 1) that shows each hand, -1 for none; weights are 0
        where a hand is not seen.
        """
        index = np.maximum(assigned, 0)
        xy = np.take_along_axis(self.xy, index[..., None, None], 1)
        weights = np.take_along_axis(self.weights, index[..., None], 1)
        return xy, weights * (assigned >= 0)[..., None]

    def scores(self, points: np.ndarray) -> np.ndarray:
        """How well each detection shows the hands points (H, 21, 3): (H, N, 2), 1 is exactly."""
        distance = pixel_distance(self.P[:, None], self.xy, points[:, None, None])
        far = np.fmin(distance / self.radius[..., None], 1.0)
        total = np.maximum(self.weights.sum(-1), 1e-12)
        return ((1 - far**2) * self.weights).sum(-1) / total


def triangulate(rays: np.ndarray, offsets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Linear triangulation (DLT with the homogeneous coordinate set to 1): points (..., 3).

    rays (..., n, 2, 3) are the rows x R_3 - R_1 and y R_3 - R_2 of n views, offsets (..., n, 2)
    the matching t_1 - x t_3 and t_2 - y t_3, in normalised coordinates x, y; weights (..., n).
    Points whose rays are parallel become nan.
    Source: Hartley and Zisserman, Multiple View Geometry, section 12.2.
    """
    rows = rays * weights[..., None, None]
    A = np.einsum("...nki,...nkj->...ij", rows, rays)
    b = np.einsum("...nki,...nk->...i", rows, offsets)
    # Two unit rays at an angle a leave A a least eigenvalue of about a^2 / 2.
    least = np.linalg.eigvalsh(A)[..., 0]
    parallel = least <= 0.5 * MIN_ANGLE**2 * np.fmin(weights.max(-1), 1.0)
    A = np.where(parallel[..., None, None], np.eye(3), A)
    points = np.linalg.solve(A, b[..., None])[..., 0]
    return np.where(parallel[..., None], np.nan, points)


def pixel_distance(P: np.ndarray, xy: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Pixels (..., J) between xy (..., J, 2) and points (..., J, 3) seen by P (..., 3, 4).

    Leading dimensions broadcast. Infinite behind a camera, nan where a point is nan.
    """
    px = points @ np.swapaxes(P[..., :3], -1, -2) + P[..., None, :, 3]
    behind = px[..., 2] <= 0
    depth = np.where(behind, 1.0, px[..., 2])
    distance = np.linalg.norm(px[..., :2] / depth[..., None] - xy, axis=-1)
    return np.where(behind, np.inf, distance)


def _homogeneous(xy: np.ndarray) -> np.ndarray:
    return np.concatenate([xy, np.ones_like(xy[..., :1])], -1)


def _extent(xy: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Diagonal (N, 2) of the bounding boxes of xy (N, 2, 21, 2), pixels; 1 where nothing is."""
    low = np.where(seen[..., None], xy, np.inf).min(2)
    high = np.where(seen[..., None], xy, -np.inf).max(2)
    size = np.where(seen.any(-1)[..., None], high - low, 1.0)
    return np.maximum(np.linalg.norm(size, axis=-1), 1.0)


def hands_in(points: np.ndarray) -> list[str]:
    """Sides of which points (2, 21, 3) hold enough keypoints to fit a hand."""
    seen = np.isfinite(points).all(2).sum(1)
    return [side for side, count in zip(SIDES, seen) if count >= MIN_JOINTS]
