"""What triangulated keypoints say of themselves: how well the views agree, and how many do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.keypoints.triangulation import HandKeypoints
from utils.verdict import DOUBTFUL, GOOD, Limit, Verdict, assess

OFF = 0.15  # of a hand's box: a view in which a hand lies so far beside it is off

# Measured: made-up captures 0.004 to 0.006 of a hand's box, a real room 0.03; calibrations of other
# photos, of mirrored ones and of other orders 0.06 to 0.15. Of 560 choices of 4 to 12 of the room's
# views, whose hands lie within a fifth of a hand of those of all views, residual_share is 0.074 at
# most and views_off 0.6, for in single views one hand is detected badly; the better hand's share is
# 0.048 at most, and views_astray 0.25.
LIMITS = (
    Limit(
        "residual_share",
        doubtful=0.04,
        failed=None,
        says="keypoints lie {value:.1%} of a hand's size beside the detections (good captures: up "
        "to 3 %); run check_data.py and look at keypoints3d/overlay_S",
    ),
    Limit(
        "better_hand_share",
        doubtful=0.055,
        failed=0.055,
        says="keypoints of the hand that fits better lie {value:.1%} of its size beside the "
        "detections; run check_data.py and look at keypoints3d/overlay_S",
    ),
    Limit(
        "views_off",
        doubtful=0.15,
        failed=None,
        says="in {value:.0%} of the views a hand lies 15 % of its size and more beside the "
        "detections; look at keypoints3d/overlay_S",
    ),
    Limit(
        "views_astray",
        doubtful=0.15,
        failed=0.35,
        says="in {value:.0%} of the views the hands lie 15 % of their size and more beside the "
        "detections; run check_data.py, which names the cause",
    ),
    Limit(
        "views_without_fit",
        doubtful=0.3,
        failed=0.55,
        says="no hand fits in {value:.0%} of the views with detections; run check_data.py",
    ),
    Limit(
        "views",
        doubtful=4,
        failed=None,
        says="{value:.0f} views show a hand: depths are uncertain (about a millimetre)",
        below=True,
    ),
)


def judge_keypoints(hands: HandKeypoints, doubts: Sequence[str] = ()) -> Verdict:
    """The verdict on triangulated hands, by residuals and by the views that agree.

    doubts: what else speaks against them, in words; with any of them they are doubtful at best.
    """
    verdict = assess(keypoint_measures(hands), LIMITS)
    if not doubts:
        return verdict
    level = DOUBTFUL if verdict.level == GOOD else verdict.level
    return Verdict(level, (*verdict.reasons, *doubts), verdict.measures)


def keypoint_measures(hands: HandKeypoints) -> dict[str, float]:
    """Shares of a hand's box: residual_share (the median of all hands in all views) and
    better_hand_share (of each view's better hand); views_off and views_astray (shares of the views
    that show a hand: in which one hand, or the mean of them, is far off); views_without_fit (share
    of the views with detections); views (that show a hand).
    """
    seen = np.isfinite(hands.residuals)  # (N, 2, 21)
    shares = np.full(seen.shape[:2], np.nan)
    for view, k in zip(*np.nonzero(seen.any(2))):
        residual = np.median(hands.residuals[view, k][seen[view, k]])
        shares[view, k] = residual / _diagonal(hands.xy[view, k])
    known = np.isfinite(shares)
    better = np.where(known, shares, np.inf).min(1)[known.any(1)]
    mean = np.where(known, shares, 0.0).sum(1) / np.maximum(known.sum(1), 1)
    detected, fits = hands.detected.any(1), (hands.assigned >= 0).any(1)
    shown = max(int(fits.sum()), 1)
    return {
        "residual_share": float(np.median(shares[known])) if known.any() else np.nan,
        "better_hand_share": float(np.median(better)) if known.any() else np.nan,
        "views_off": float((shares > OFF).any(1).sum() / shown),
        "views_astray": float((mean > OFF).sum() / shown),
        "views": float(fits.sum()),
        "views_without_fit": float((detected & ~fits).sum() / max(detected.sum(), 1)),
    }


def _diagonal(xy: np.ndarray) -> float:
    """Diagonal (pixels) of the box of keypoints (21, 2), nan: not seen."""
    return float(np.linalg.norm(np.nanmax(xy, 0) - np.nanmin(xy, 0))) or np.nan
