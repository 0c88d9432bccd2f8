"""A rendered hand's mask against a given one, the forearm left out."""

from __future__ import annotations

import cv2
import numpy as np

from utils.photos.masks import nearest


def wrist_pixels(covered: np.ndarray, wrist: np.ndarray, forearm: np.ndarray) -> np.ndarray:
    """Pixels (H, W) bool nearer to the wrist's end or a forearm than to the rest of the hands.

    covered, wrist (H, W) bool: pixels that show a rendered hand, and those of them that show the
    wrist's end; forearm (H, W) bool: pixels where a forearm is, if the masks hold one. Each pixel
    belongs to the nearest pixel that is covered or a forearm's. Nothing where no hand is.
    """
    if not covered.any():
        return np.zeros_like(covered)
    beyond = forearm & ~covered
    return (wrist | beyond).ravel()[nearest(covered | beyond)]


def iou(own: np.ndarray, given: np.ndarray) -> float:
    """Intersection over union of two masks (H, W) bool; nan where both are empty."""
    either = int((own | given).sum())
    return int((own & given).sum()) / either if either else float("nan")


def mask_scores(
    covered: np.ndarray, mask: np.ndarray, ignored: np.ndarray
) -> dict[str, float | None]:
    """iou, precision and recall of covered against mask (H, W) bool outside `ignored`.

    None where a number would mean nothing: precision without covered pixels, recall without mask
    pixels, all three without either. An empty mask gives no iou: nothing was segmented.
    """
    own, given = covered & ~ignored, mask & ~ignored
    both = int((own & given).sum())
    return {
        "iou": iou(own, given) if given.any() else None,
        "precision": _share(both, int(own.sum())) if given.any() else None,
        "recall": _share(both, int(given.sum())),
    }


def _share(count: int, total: int) -> float | None:
    return count / total if total else None


def evaluation_region(covered: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Pixels (H, W) bool both covered and, where there is a mask, in it; eroded by one pixel.

    At the outline, pixels mix hand and background. The image's border erodes nothing.
    """
    inside = covered if mask is None else covered & mask
    return cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
