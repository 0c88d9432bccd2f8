"""Detections of one hand in one view that agree become one candidate; the others stay apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.keypoints import KEYPOINTS

WHOLE = "whole photo"  # the source of what is found without a closer look
SAME = 0.08  # of a detection's larger size: two whose keypoints are closer (median) show one hand


@dataclass(frozen=True)
class Candidate:
    """What one or more detections of a hand in one view agree on; whose it is remains open."""

    view: int
    xy: np.ndarray  # (21, 2) pixels of the photo
    z: np.ndarray  # (21,) pixels: depth relative to the wrist, as the detector guesses it
    left: float  # how likely it is a left hand, says the detector
    source: str  # the window it was first found in
    confidence: np.ndarray  # (21,) in [0, 1]
    spread: np.ndarray  # (21,) pixels: median distance of the detections from their middle
    count: int = 1  # detections that agree
    given: bool = False  # a user's own, which is neither weighed nor replaced

    @property
    def whole(self) -> bool:
        """Found in a whole photo, without a closer look."""
        return self.source == WHOLE

    @property
    def size(self) -> float:
        """Diagonal of the bounding box in pixels."""
        return float(np.linalg.norm(np.nanmax(self.xy, 0) - np.nanmin(self.xy, 0)))


def close_pairs(candidates: Sequence[Candidate]) -> np.ndarray:
    """Which of n candidates of one view show the same hand: (n, n) bool."""
    if not candidates:
        return np.zeros((0, 0), bool)
    xy = np.stack([one.xy for one in candidates])
    apart = np.median(np.linalg.norm(xy[:, None] - xy, axis=-1), -1)
    size = np.array([one.size for one in candidates])
    return apart < SAME * np.maximum(size[:, None], size)


def merged(
    candidates: Iterable[Candidate], apart: Callable[[Candidate], float] | None = None
) -> list[Candidate]:
    """Candidates of one view, one for all detections that agree; most supported first.

    The detection that most others agree with gathers them, then the next. They are represented by
    the one that is least `apart`, or by their joint-wise median.
    """
    candidates = list(candidates)
    close = close_pairs(candidates)
    groups, free = [], np.ones(len(candidates), bool)
    while free.any():
        votes = np.where(free, (close & free).sum(1), 0)
        members = np.nonzero(close[votes.argmax()] & free)[0]
        groups.append(represented([candidates[k] for k in members], apart))
        free[members] = False
    return groups


def represented(
    group: Sequence[Candidate], apart: Callable[[Candidate], float] | None
) -> Candidate:
    """One candidate for detections of one hand in one view; see `merged`."""
    if len(group) == 1:
        return group[0]
    stack = np.stack([one.xy for one in group])  # (n, 21, 2)
    middle = np.median(stack, 0)
    spread = np.median(np.linalg.norm(stack - middle, axis=2), 0)
    left = float(np.mean([one.left for one in group]))
    chosen = replace(group[0], xy=middle, z=np.median([one.z for one in group], 0))
    if apart is not None:
        chosen = min(group, key=apart)
    source, count = group[0].source, len(group)
    return replace(chosen, source=source, left=left, spread=spread, count=count)


def as_arrays(by_view: Sequence[Sequence[Candidate]]) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (N, D, 21, 2) and confidences (N, D, 21) of N views; nan and 0 fill up."""
    most = max(2, *(len(candidates) for candidates in by_view))
    xy = np.full((len(by_view), most, KEYPOINTS, 2), np.nan)
    confidence = np.zeros(xy.shape[:3])
    for view, candidates in enumerate(by_view):
        for slot, one in enumerate(candidates):
            xy[view, slot], confidence[view, slot] = one.xy, one.confidence
    return xy, confidence
