"""Pictures of how triangulated keypoints fit what was detected."""

from __future__ import annotations

import numpy as np

from utils import draw
from utils.captures.capture import Capture
from utils.io.images import to_bytes
from utils.keypoints import SIDES
from utils.keypoints.triangulation import HandKeypoints


def pose_overlay(capture: Capture, hands: HandKeypoints, view: int) -> np.ndarray:
    """RGB (H, W, 3) uint8: the photo with detected (thin) and triangulated (bold) skeletons.

    Left hands are orange, right ones blue; detections that fit no hand are grey, outliers are
    circled in red, residuals of outliers drawn as lines.
    """
    image = to_bytes(capture.image(view))
    unit = max(round(image.shape[1] / 800), 1)
    detected = capture.keypoints[0][view]
    for slot in {0, 1} - set(hands.assigned[view].tolist()):
        image = draw.keypoint_skeleton(image, detected[slot], (0.7, 0.7, 0.7), unit)
    reprojected = reproject(capture, hands)[view]
    for hand, color in enumerate((draw.LEFT, draw.RIGHT)):
        image = draw.keypoint_skeleton(image, reprojected[hand], color, 3 * unit)
        xy = hands.xy[view, hand]
        pale = tuple(0.5 + 0.5 * c for c in color)
        image = draw.keypoint_skeleton(image, xy, pale, unit)
        outliers = np.isfinite(xy[:, 0]) & ~hands.inliers[view, hand]
        image = draw.circles(image, xy[outliers], draw.BAD, 5 * unit, unit)
        image = draw.segments(image, xy[outliers], reprojected[hand][outliers], draw.BAD, unit)
    return draw.caption(image, _caption(hands, view))


def reproject(capture: Capture, hands: HandKeypoints) -> np.ndarray:
    """Triangulated keypoints in the views' pixels: (N, 2, 21, 2), nan where not seen."""
    px = capture.camera_arrays.project(hands.points.reshape(-1, 3))
    return px.reshape(len(capture), 2, -1, 2)


def _caption(hands: HandKeypoints, view: int) -> str:
    parts = [f"view {view}"]
    for hand, side in enumerate(SIDES):
        residuals = hands.residuals[view, hand]
        if np.isfinite(residuals).any():
            parts.append(f"{side}: median {np.nanmedian(residuals):.1f} px")
    return ", ".join(parts + ["labels swapped"] * bool(hands.swapped[view]))
