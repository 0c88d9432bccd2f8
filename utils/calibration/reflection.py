"""A hand that is another one's image in a plane mirror, a window or a glossy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.keypoints import SIDES

LEAST_PAIRS = 14  # keypoints that both hands have
LEAST_VIEWS = 3
MOST_MISS = 0.04  # of the hand's length: by how much keypoints miss their images (rms)


@dataclass(frozen=True)
class Reflection:
    """Hand `image` (0 left, 1 right) is the other one's in the plane x . normal = offset.

    miss: of keypoints and their images, in lengths of the hand (rms); normal (3,) points at the
    cameras.
    """

    image: int
    normal: np.ndarray
    offset: float
    miss: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for reports."""
        return {"hand": SIDES[self.image], "miss": round(self.miss, 4)}

    def line(self) -> str:
        """What to say of it."""
        hand, other = SIDES[self.image], SIDES[1 - self.image]
        return (
            f"note: the {hand} hand is the {other} hand's image in a mirror or a glossy table (all "
            f"cameras are before it, and the hands match to {100 * self.miss:.1f} % of their "
            "length): it is left out. A detector that looks again will find it again: cover it, "
            "and film again"
        )


def find_reflection(points: np.ndarray, cameras: Sequence[CalibratedCamera]) -> Reflection | None:
    """The mirror by which one of two hands (2, 21, 3) is the other's image; None: there is none.

    What tells it from two hands held alike is that all cameras, too, are on one side of the plane:
    the image's side is the other.
    """
    left, right = points[:, np.isfinite(points).all((0, 2))]
    if len(left) < LEAST_PAIRS or len(cameras) < LEAST_VIEWS:
        return None
    normal, offset, miss = fit_mirror(left, right)
    miss /= max(np.linalg.norm(right[:, None] - right, axis=-1).max(), 1e-12)
    sides = np.sign([camera.center @ normal - offset for camera in cameras])
    if miss > MOST_MISS or abs(sides.sum()) < len(sides):
        return None
    before = sides[0] * (np.stack([left, right]).mean(1) @ normal - offset) > 0
    return Reflection(int(before[0]), sides[0] * normal, float(sides[0] * offset), float(miss))


def fit_mirror(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The plane x . n = d by which points a (N, 3) and b (N, 3) are each other's images.

    Returns n (3,), d and the distance (rms) of b from a's images, which is the least: the sum of
    squares is n' (4 S - N D D') n and terms without n, where S is the symmetric covariance sum of
    a and b about their means, and D those means' difference; d is half-way between the means.
    """
    means = a.mean(0), b.mean(0)
    cross = (a - means[0]).T @ (b - means[1])
    apart = means[0] - means[1]
    normal = np.linalg.eigh(2 * (cross + cross.T) - len(a) * np.outer(apart, apart))[1][:, 0]
    offset = float((means[0] + means[1]) @ normal / 2)
    images = a - 2 * (a @ normal - offset)[:, None] * normal
    return normal, offset, float(np.sqrt(((images - b) ** 2).sum(1).mean()))
