"""What was found, in words, numbers and pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from utils import draw
from utils.captures import Capture
from utils.captures.keypoint_overlay import pose_overlay
from utils.detection.search import FoundHands
from utils.keypoints import SIDES
from utils.keypoints.triangulation import HandKeypoints

MASK_COLOR = (0.2, 0.9, 0.2)


def search_lines(hands: FoundHands) -> list[str]:
    """What the search found, for the terminal."""
    lines = []
    for hand, side in enumerate(SIDES):
        seen = [pair[hand] for pair in hands.by_view if pair[hand] is not None]
        if not seen:
            lines.append(f"{side} hand: not found by enough views that agree")
            continue
        kinds = Counter("whole photos" if one.whole else "closer looks" for one in seen)
        counts = ", ".join(f"{count} in {kind}" for kind, count in kinds.items())
        apart = np.nanmedian(hands.apart[:, hand])
        lines.append(
            f"{side} hand: found in {len(seen)} of {len(hands.by_view)} views ({counts}), median "
            f"{apart:.1f} px from the triangulated hand, views' shifts aside"
        )
    for hand, side in enumerate(SIDES):
        dropped = [str(view) for view, other in hands.dropped if other == hand]
        if dropped:
            lines.append(
                f"{side} hand: left out in views {', '.join(dropped)}, where it was found beside "
                "where the other views see it"
            )
    if hands.others:
        lines.append(
            f"{hands.others} more hands that views agree on: kept are the two that most agree on"
        )
    return lines


def search_report(hands: FoundHands) -> list[dict[str, Any]]:
    """What S.json holds of the search, a dict a view."""
    return [
        {
            "view": view,
            **{
                side: None
                if (one := hands.by_view[view][hand]) is None
                else {
                    "source": one.source,
                    "detections": one.count,
                    "left": round(one.left, 3),
                    "apart_px": round(float(hands.apart[view, hand]), 2),
                    "left_out": (view, hand) in hands.dropped,
                }
                for hand, side in enumerate(SIDES)
            },
        }
        for view in range(len(hands.by_view))
    ]


def detection_overlay(
    capture: Capture, hands: HandKeypoints, view: int, mask: np.ndarray | None
) -> np.ndarray:
    """RGB (H, W, 3) uint8: detected (thin) and triangulated (bold) hands, the mask's outline."""
    image = pose_overlay(capture, hands, view)
    if mask is None:
        return image
    return draw.mask_outline(image, mask, MASK_COLOR, max(round(image.shape[1] / 800), 1))


def views_text(views: Sequence[int]) -> str:
    """'views 0, 3' or 'all views' made short."""
    return f"view{'s' * (len(views) != 1)} {', '.join(map(str, views))}"
