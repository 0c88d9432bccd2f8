"""Keypoints of hands in views whose cameras are not known yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.keypoints import KEYPOINTS, SIDES
from utils.keypoints.views import MIN_JOINTS


@dataclass(frozen=True)
class HandSightings:
    """V views of F frames; hands of a frame stand still, cameras always do.

    xy (V, F, 2, 21, 2): pixels without distortion, left then right as the detector named them, nan
    where not seen; confidence (V, F, 2, 21); sizes (V, 2) height, width.
    """

    xy: np.ndarray
    confidence: np.ndarray
    sizes: np.ndarray

    @staticmethod
    def of_views(xy: np.ndarray, confidence: np.ndarray, sizes: np.ndarray) -> HandSightings:
        """One frame: xy (V, 2, 21, 2), confidence (V, 2, 21)."""
        return HandSightings(xy[:, None], confidence[:, None], np.asarray(sizes))

    def seen(self) -> np.ndarray:
        """Which hands (V, F, 2) bool have MIN_JOINTS keypoints."""
        return (np.isfinite(self.xy).all(-1) & (self.confidence > 0)).sum(-1) >= MIN_JOINTS

    def exchanged(self, swaps: np.ndarray) -> HandSightings:
        """The same with left and right exchanged where `swaps` (V, F) bool says so."""
        xy, confidence = exchanged(self.xy, swaps), exchanged(self.confidence, swaps)
        return HandSightings(xy, confidence, self.sizes)

    def chosen(self, views: Sequence[int]) -> HandSightings:
        """Only these views."""
        views = list(views)
        return HandSightings(self.xy[views], self.confidence[views], self.sizes[views])

    def hands(self) -> list[tuple[int, int]]:
        """(frame, side) of the hands that two views or more see, the most seen first."""
        counts = self.seen().sum(0)
        pairs = [(f, s) for f in range(counts.shape[0]) for s in range(len(SIDES))]
        pairs = [pair for pair in pairs if counts[pair] >= 2]
        return sorted(pairs, key=lambda pair: -counts[pair])


def exchanged(values: np.ndarray, swaps: np.ndarray) -> np.ndarray:
    """Values (..., 2, 21) or (..., 2, 21, 2) with left and right exchanged where swaps (...)."""
    wide = swaps.reshape(*swaps.shape, *[1] * (values.ndim - swaps.ndim))
    return np.where(wide, np.flip(values, swaps.ndim), values)


def empty_sightings(count: int) -> tuple[np.ndarray, np.ndarray]:
    """xy (count, 2, 21, 2) of nan and confidence (count, 2, 21) of 0."""
    shape = count, len(SIDES), KEYPOINTS
    return np.full((*shape, 2), np.nan), np.zeros(shape)
