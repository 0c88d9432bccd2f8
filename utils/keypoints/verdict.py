"""What triangulated keypoints say of themselves: how well the views agree, and how many do."""

from __future__ import annotations

import numpy as np

from utils.keypoints.triangulation import HandKeypoints
from utils.verdict import Limit, Verdict, assess

OFF = 0.15  # of a hand's box: a view in which a hand lies so far beside it is off

# Measured: made-up captures 0.010 of a hand's box, a real room 0.03; calibrations of other photos,
# of mirrored ones and of other orders 0.06 to 0.13.
LIMITS = (
    Limit(
        "residual_share",
        doubtful=0.04,
        failed=0.055,
        says="keypoints lie {value:.1%} of a hand's size beside the detections (good captures: up "
        "to 3 %); run check_data.py and look at keypoints3d/overlay_S",
    ),
    Limit(
        "views_off",
        doubtful=0.15,
        failed=0.35,
        says="in {value:.0%} of the views a hand lies 15 % of its size and more beside the "
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


def judge_keypoints(hands: HandKeypoints) -> Verdict:
    """The verdict on triangulated hands, by residuals and by the views that agree."""
    return assess(keypoint_measures(hands), LIMITS)


def keypoint_measures(hands: HandKeypoints) -> dict[str, float]:
    """residual_share (of a hand's box, the median), views_off and views_without_fit (shares of the
    views that show a hand, and of those with detections), views (that show a hand).
    """
    seen = np.isfinite(hands.residuals)  # (N, 2, 21)
    shares = {
        (view, k): np.median(hands.residuals[view, k][seen[view, k]]) / _diagonal(hands.xy[view, k])
        for view, k in zip(*np.nonzero(seen.any(2)))
    }
    off = {view for (view, _), share in shares.items() if share > OFF}
    detected, fits = hands.detected.any(1), (hands.assigned >= 0).any(1)
    return {
        "residual_share": float(np.median(list(shares.values()))) if shares else np.nan,
        "views_off": len(off) / max(int(fits.sum()), 1),
        "views": float(fits.sum()),
        "views_without_fit": float((detected & ~fits).sum() / max(detected.sum(), 1)),
    }


def _diagonal(xy: np.ndarray) -> float:
    """Diagonal (pixels) of the box of keypoints (21, 2), nan: not seen."""
    return float(np.linalg.norm(np.nanmax(xy, 0) - np.nanmin(xy, 0))) or np.nan
