"""Hands that are none: the other hand again, as the detector saw it in some of the views."""

from __future__ import annotations

import numpy as np

from utils.keypoints.order import PALM
from utils.keypoints.search import SAME_HAND, distance_of_hands
from utils.keypoints.views import HandViews

WRIST, MIDDLE_ROOT = 0, 9
SAME_PALM = 0.25  # of a palm's length: solid palms' centres, 3 cm thick, are not nearer
# Of the keypoints that show the other hand, those of a hand that is ...
SELDOM = 0.5  # ... none where it lies in the other's palm
RARE = 0.25  # ... none where every view that shows it shows the other hand there
HARDLY_EVER = 0.1  # ... none anywhere


def without_ghost(hands: np.ndarray, views: HandViews, assigned: np.ndarray) -> np.ndarray:
    """Hands (2, 21, 3), nan where the less seen one can only be the other one again.

    assigned (N, 2) as `HandViews.chosen` takes it. Both lie on one another: a hand that was
    detected twice. Or, of a hand that is seldom seen, the palm is where the other's palm is, which
    is solid: in some views the detector took one hand for both, or for the other with its fingers
    in reverse. Where such views are so few and so near to one another that they don't tell how far
    away what they show is, it lies on the other hand in the pictures, if not in space. And what
    hardly any view shows is a chance, or would not be known well enough to be of use.
    """
    chosen, weights = views.chosen(assigned)
    votes = weights.sum((0, 2))
    less = int(np.argmin(votes))
    share = votes[less] / max(votes[1 - less], 1e-12)
    hand, other = hands[less], hands[1 - less]
    is_ghost = (
        distance_of_hands(hand, other) <= SAME_HAND
        or (share < SELDOM and _palms_apart(hand, other) < SAME_PALM)
        or (share < RARE and _lies_on(chosen[:, less], weights[:, less], views.P, other))
        or share < HARDLY_EVER
    )
    if not is_ghost:
        return hands
    kept = hands.copy()
    kept[less] = np.nan
    return kept


def _palms_apart(hand: np.ndarray, other: np.ndarray) -> float:
    """Distance of the palms' centres (21, 3) in lengths of the other's palm; inf where not seen."""
    apart = np.linalg.norm(hand[PALM].mean(0) - other[PALM].mean(0))
    length = np.linalg.norm(other[MIDDLE_ROOT] - other[WRIST])
    return float(apart / length) if np.isfinite(apart / length) else np.inf


def _lies_on(xy: np.ndarray, weights: np.ndarray, P: np.ndarray, other: np.ndarray) -> bool:
    """Whether keypoints xy (N, 21, 2) of weights (N, 21) are amid the other hand in all views.

    That is, their middle is in the box of the other's keypoints (21, 3), drawn by P (N, 3, 4).
    """
    shown = np.flatnonzero(weights.sum(1))
    px = other @ np.swapaxes(P[shown, :, :3], 1, 2) + P[shown, None, :, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        px = px[..., :2] / px[..., 2:]
    seen = weights[shown][..., None]
    middle = (xy[shown] * seen).sum(1) / seen.sum(1)
    within = (np.nanmin(px, 1) <= middle) & (middle <= np.nanmax(px, 1))
    return bool(np.isfinite(other).any() and within.all())
