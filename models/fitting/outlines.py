"""Correspondences between a rendered outline and a mask's: where the surface should move to.

Both outlines are taken from pixels in the same way, so that their half-pixel biases cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from utils.photos.masks import nearest

LEAST_COSINE = 0.5  # between the two outlines' normals
SMOOTHING = 1.5  # pixels, of the distance maps whose gradients are the normals


@dataclass(frozen=True)
class OutlineTargets:
    """Pixels of a rendered outline and the lines that they should move onto.

    pixel (N,) flat indices of covered boundary pixels; normal (N, 2) unit, x and y; shift (N,)
    pixels along the normal.
    """

    pixel: np.ndarray
    normal: np.ndarray
    shift: np.ndarray


def outline_targets(
    hand: np.ndarray, mask: np.ndarray, trusted: np.ndarray, reach: float, count: int
) -> OutlineTargets:
    """Match the outlines of `hand` and `mask` (H, W) bool, from either one to the other.

    Only outline pixels in `trusted` (H, W) bool, matches of up to `reach` pixels whose normals
    agree, and about `count` of either kind, evenly chosen.
    """
    if not hand.any() or not mask.any() or hand.all() or mask.all():
        return OutlineTargets(np.zeros(0, int), np.zeros((0, 2)), np.zeros(0))
    of_hand, of_mask = signed_distance(hand), signed_distance(mask)
    smooth_hand, smooth_mask = _smoothed(of_hand), _smoothed(of_mask)
    rim, mask_rim = _boundary(hand), _boundary(mask)

    from_hand = np.flatnonzero(rim & trusted)
    shift = of_hand.ravel()[from_hand] - of_mask.ravel()[from_hand]
    normal = _normals(smooth_mask, from_hand)
    aligned = (normal * _normals(smooth_hand, from_hand)).sum(1)
    first = _chosen((aligned > LEAST_COSINE) & (np.abs(shift) < reach), count)

    at = np.flatnonzero(mask_rim & trusted)
    on_hand = nearest(rim).ravel()[at]
    back_shift = of_hand.ravel()[at] - of_mask.ravel()[at]
    back_normal = _normals(smooth_hand, at)
    aligned = (back_normal * _normals(smooth_mask, at)).sum(1)
    near_trusted = trusted.ravel()[on_hand]
    good = (aligned > LEAST_COSINE) & (np.abs(back_shift) < reach) & near_trusted
    second = _chosen(good, count)
    return OutlineTargets(
        np.concatenate([from_hand[first], on_hand[second]]),
        np.concatenate([normal[first], back_normal[second]]),
        np.concatenate([shift[first], back_shift[second]]),
    )


def signed_distance(region: np.ndarray) -> np.ndarray:
    """Distance (H, W) to the outline of region (H, W) bool in pixels, negative inside."""
    inside = region.astype(np.uint8)
    out = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return np.where(region, 0.5 - cv2.distanceTransform(inside, cv2.DIST_L2, 5), out - 0.5)


def _smoothed(distance: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(distance.astype(np.float32), (0, 0), SMOOTHING)


def _normals(smooth: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Unit gradients (N, 2), x and y, of a map (H, W) at flat indices (N,).

    Central differences, one-sided ones at the border.
    """
    y, x = np.divmod(at, smooth.shape[1])
    last_y, last_x = np.subtract(smooth.shape, 1)
    left, right = np.maximum(x - 1, 0), np.minimum(x + 1, last_x)
    above, below = np.maximum(y - 1, 0), np.minimum(y + 1, last_y)
    dx = (smooth[y, right] - smooth[y, left]) / np.maximum(right - left, 1)
    dy = (smooth[below, x] - smooth[above, x]) / np.maximum(below - above, 1)
    gradient = np.stack([dx, dy], -1)
    return gradient / np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-9)


def _boundary(region: np.ndarray) -> np.ndarray:
    """Pixels of region (H, W) bool with a 4-neighbour outside it, but within the image."""
    padded = np.pad(region, 1, constant_values=True)
    all_in = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~all_in


def _chosen(good: np.ndarray, count: int) -> np.ndarray:
    """About `count` of the indices where `good` is True, evenly."""
    ids = np.flatnonzero(good)
    return ids[:: max(round(len(ids) / count), 1)]
