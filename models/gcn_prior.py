"""What the frame before says of a hand's keypoints: which are wrong, where those unseen may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.gcn_frame import PalmFrame
from utils.keypoints import SIDES
from utils.multiview import MIN_JOINTS

SWAPPED = 0.5  # hands trade names where that brings them this much nearer to the frame before


@dataclass(frozen=True)
class Corrected:
    """Keypoints (2, 21, 3) of one frame after a look at the one before, and what was done."""

    points: np.ndarray  # nan where neither frame knows; for the network
    observed: np.ndarray  # the same without what the frame before lent
    swapped: bool
    dropped: int  # keypoints that had jumped
    lent: int  # keypoints taken from the frame before, moved along with the hand


def correct(points: np.ndarray, before: np.ndarray, rest: torch.Tensor, radius: float) -> Corrected:
    """Hold keypoints (2, 21, 3) against those of the frame before, world units, nan: unknown.

    rest (21, 3) are the mean right hand's (`models.gcn.mean_hand`), metres. The frame before is
    moved onto each hand's palm; keypoints farther than `radius` (metres of a natural hand) from
    there have jumped and are replaced. A hand that was hardly seen (fewer than MIN_JOINTS
    keypoints) stays unseen: nothing is made up.
    """
    swapped = _names_swapped(points, before)
    observed = points[::-1].copy() if swapped else points.copy()
    lent = observed.copy()
    dropped, rests = 0, (rest * rest.new_tensor([-1.0, 1.0, 1.0]), rest)
    for hand in range(len(SIDES)):
        seen = np.isfinite(observed[hand]).all(1)
        if seen.sum() < MIN_JOINTS or not np.isfinite(before[hand]).all():
            continue
        expected, unit = _moved_along(observed[hand], seen, before[hand], rests[hand])
        jumped = seen & (np.linalg.norm(observed[hand] - expected, axis=1) > radius * unit)
        if (seen & ~jumped).sum() >= MIN_JOINTS:
            dropped += int(jumped.sum())
            observed[hand][jumped] = np.nan
        unknown = ~np.isfinite(observed[hand]).all(1)
        lent[hand] = np.where(unknown[:, None], expected, observed[hand])
    count = int(np.isfinite(lent).all(2).sum() - np.isfinite(observed).all(2).sum())
    return Corrected(lent, observed, swapped, dropped, count)


def _moved_along(
    points: np.ndarray, seen: np.ndarray, before: np.ndarray, rest: torch.Tensor
) -> tuple[np.ndarray, float]:
    """The hand before (21, 3) on this frame's palm, and world units per metre."""
    rest = rest.double()
    known = torch.ones(1, len(before), dtype=torch.bool)
    earlier, now = (torch.from_numpy(np.nan_to_num(x))[None] for x in (before, points))
    shape = PalmFrame.of(earlier, known, rest).to_canonical(earlier)
    frame = PalmFrame.of(now, torch.from_numpy(seen)[None], shape[0])
    return frame.to_world(shape)[0].numpy(), float(frame.scale)


def _names_swapped(points: np.ndarray, before: np.ndarray) -> bool:
    """Whether both hands come nearer to the frame before, by SWAPPED, when they trade names."""
    straight, crossed = (
        [np.linalg.norm(a - b, axis=1) for a, b in zip(order, before)]
        for order in (points, points[::-1])
    )
    straight, crossed = (np.concatenate(x) for x in (straight, crossed))
    if not (np.isfinite(straight).any() or np.isfinite(crossed).any()):
        return False
    near, far = (np.nanmedian(x) if np.isfinite(x).any() else np.inf for x in (crossed, straight))
    return bool(near < SWAPPED * far)
