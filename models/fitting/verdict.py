"""What a fit says of itself: whether the hands reach the keypoints as nearly as the views agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils.verdict import Limit, Verdict, assess

# Measured: 1.3 on made-up captures and in a real room; 5.7 where left and right are exchanged, 17
# and more where keypoints stand in another order.
LIMITS = (
    Limit(
        "fit_over_noise",
        doubtful=2.5,
        failed=4.5,
        says="the hands miss the keypoints {value:.1f} times as far as the views disagree (good "
        "captures: 1.3); are joints in MediaPipe's order, left and right as named?",
    ),
    Limit(
        "camera_shift_share",
        doubtful=0.03,
        failed=None,
        says="a camera was corrected by {value:.1%} of its image; calibrate it again",
    ),
)


def judge_fit(metrics: Mapping[str, Any], longest_side: float) -> Verdict:
    """The verdict on a fit's metrics; longest_side (pixels) of the photos."""
    shifts = metrics["camera_shift_px"] if metrics["cameras_corrected"] else [0.0]
    return assess(
        {
            "fit_over_noise": metrics["fit_over_noise"],
            "camera_shift_share": max(shifts) / longest_side,
        },
        LIMITS,
    )
