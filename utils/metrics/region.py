"""Where hands are, told by keypoints: what of a scan is compared, whatever it holds besides.

The region belongs to the truth's keypoints, not to the surface that is judged, so that no
reconstruction can choose where it is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh

from utils.keypoints.order import BONES

REACH_MM = 30.0  # from bones and palm: half a thick palm, and what keypoints are off
FINGER_ROOTS = (5, 9, 13, 17)  # of the four fingers
PALM_TRIANGLES = ((0, 1, 5), (1, 2, 5), (0, 5, 9), (0, 9, 13), (0, 13, 17))  # with the thumb's web
CHUNK = 20_000  # points at a time: about 100 MB


@dataclass(frozen=True)
class HandRegion:
    """The points within `reach` of a hand's bones or palm, on the fingers' side of its wrist.

    keypoints (2, 21, 3) left then right, nan where not known, and reach, world units. Bones join
    keypoints, the palm's triangles the wrist and the fingers' roots. The wrist's plane holds the
    wrist and is perpendicular to the way from it to the middle of the four fingers' roots. A hand
    without a wrist or without a finger's root is not there.
    """

    keypoints: np.ndarray
    reach: float

    @staticmethod
    def of(keypoints: np.ndarray, mm_per_unit: float) -> HandRegion:
        """The region of REACH_MM about keypoints (2, 21, 3)."""
        return HandRegion(np.asarray(keypoints, float), REACH_MM / mm_per_unit)

    def hands(self) -> list[np.ndarray]:
        """Keypoints (21, 3) of the hands that are there."""
        roots = list(FINGER_ROOTS)
        return [
            hand
            for hand in self.keypoints
            if np.isfinite(hand[0]).all() and np.isfinite(hand[roots]).all(1).any()
        ]

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Which of points (N, 3) are in the region of any hand: (N,) bool."""
        inside = np.zeros(len(points), bool)
        for hand in self.hands():
            roots = hand[list(FINGER_ROOTS)]
            forward = np.nanmean(roots, axis=0) - hand[0]
            rows = np.flatnonzero((points - hand[0]) @ forward >= 0)
            for k in range(0, len(rows), CHUNK):
                chunk = rows[k : k + CHUNK]
                inside[chunk] |= _distance(points[chunk], hand) <= self.reach
        return inside


def _distance(points: np.ndarray, hand: np.ndarray) -> np.ndarray:
    """From points (N, 3) to the nearest bone or palm triangle of keypoints (21, 3): (N,)."""
    best = np.full(len(points), np.inf)
    for a, b in BONES:
        if np.isfinite(hand[[a, b]]).all():
            best = np.fmin(best, _to_segment(points, hand[a], hand[b]))
    for corners in PALM_TRIANGLES:
        triangle = hand[list(corners)]
        if np.isfinite(triangle).all():
            many = np.broadcast_to(triangle, (len(points), 3, 3))
            nearest = trimesh.triangles.closest_point(many, points)
            best = np.fmin(best, np.linalg.norm(points - nearest, axis=1))
    return best


def _to_segment(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    along = end - start
    share = (points - start) @ along / max(float(along @ along), np.finfo(float).tiny)
    return np.linalg.norm(points - start - share.clip(0, 1)[:, None] * along, axis=1)
