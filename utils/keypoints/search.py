"""Which detection shows which hand: hypotheses of two views, and the views' votes on them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.errors import UserError
from utils.keypoints.order import right_handedness
from utils.keypoints.views import MIN_ANGLE, HandViews, pixel_distance, triangulate

if TYPE_CHECKING:
    from utils.cameras import Cameras

MAX_PAIRS = 400  # hypotheses of two views each; drawn at random where there are more
LABEL_BONUS = 0.05  # of a full score, for a detection that bears the hand's name
SAME_HAND = 0.1  # two hands whose joints are closer than this share of a hand's size are one
FULL_MISS = 1.0  # cost of a keypoint farther away than the radius, in radii


def find_hands(views: HandViews, min_fit: float, seed: int) -> np.ndarray:
    """Up to two hands (2, 21, 3) in the world: named left then right by most detections.

    RANSAC over pairs of detections: each pair is triangulated as a whole hand, all detections
    vote on it. The second hand is the one that best explains what the first leaves, each
    detection showing one hand at most. Absent hands are nan. Raises UserError without any.
    """
    hypotheses = pair_hypotheses(views, seed)
    scores = views.scores(hypotheses)  # (H, N, 2)
    scores = np.where(scores >= min_fit, scores, 0.0)
    total = scores.max(2).sum(1)
    first = int(np.argmax(total))
    if (scores[first].max(1) > 0).sum() < 2:
        raise UserError(
            "pose: no two views agree on a hand; check the cameras and the keypoints "
            "(check_data.py draws both)"
        )
    alone = scores[first].max(1)  # (N,) what the first hand explains of each view by itself
    straight = scores[first, :, 0] + scores[:, :, 1]
    crossed = scores[first, :, 1] + scores[:, :, 0]
    gain = np.maximum(np.maximum(straight, crossed) - alone, 0)  # (H, N)
    other = distance_of_hands(hypotheses, hypotheses[first]) > SAME_HAND
    useful = ((gain > 0).sum(1) >= 2) & _is_another(scores, first)
    votes = np.where(other & useful, gain.sum(1), -1.0)
    second = int(np.argmax(votes))
    hands = np.full((2, *hypotheses.shape[1:]), np.nan)
    hands[0] = hypotheses[first]
    if votes[second] > 0:
        hands[1] = hypotheses[second]
    return _named(hands, views, min_fit)


def _is_another(scores: np.ndarray, first: int) -> np.ndarray:
    """Hypotheses (H,) bool that may be another hand than `first`, by scores (H, N, 2).

    Where no view shows a hypothesis beside the first hand, and most views name both alike, it is
    the first hand, seen by cameras that contradict the others.
    """
    fits = scores > 0
    slots = np.where(fits.any(2), scores.argmax(2), -1)  # (H, N) the detection that fits best
    beside = (fits.any(2) & fits[first].any(1) & (slots != slots[first])).any(1)
    better = scores.max(2) > scores[first].max(1)
    rests = np.where(better, slots, -1)  # of the views that show the first less
    names = np.sign((rests == 1).sum(1) - (rests == 0).sum(1))
    own = np.sign((slots[first] == 1).sum() - (slots[first] == 0).sum())
    return beside | (names != own) | (own == 0)


def pair_hypotheses(views: HandViews, seed: int, most: int = MAX_PAIRS) -> np.ndarray:
    """Up to `most` hands (H, 21, 3), each triangulated from two detections in different views."""
    view, slot = np.nonzero(views.weights.sum(-1))
    pairs = np.array([(a, b) for a, b in combinations(range(len(view)), 2) if view[a] != view[b]])
    if not len(pairs):
        raise UserError(
            f"pose: {len(view)} detections in {len(set(view))} view(s); "
            "at least two views must see a hand"
        )
    directions = views.directions[view, slot]
    cosine = (directions[pairs[:, 0]] * directions[pairs[:, 1]]).sum(1)
    wide = np.abs(cosine) < np.cos(MIN_ANGLE)
    pairs = pairs[wide] if wide.any() else pairs
    if len(pairs) > most:
        pairs = np.random.default_rng(seed).permutation(pairs)[:most]
    view, slot = view[pairs], slot[pairs]  # (H, 2)
    rays, offsets, weights = (
        np.swapaxes(x[view, slot], 1, 2) for x in (views.rays, views.offsets, views.weights)
    )
    both = np.where((weights > 0).all(-1, keepdims=True), 1.0, 0.0)
    return triangulate(rays, offsets, np.broadcast_to(both, weights.shape))


def distance_of_hands(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Median distance (...) of the joints of hands a and b (..., 21, 3), in sizes of b.

    A hand's size is twice the median distance of its joints from their centre, some 10 cm.
    Infinite where the hands share fewer than half of the joints.
    """
    apart = np.linalg.norm(a - b, axis=-1)
    shared = np.isfinite(apart).sum(-1) > apart.shape[-1] // 2
    seen = b[np.isfinite(b[..., 0])]
    size = 2 * np.median(np.linalg.norm(seen - np.median(seen, 0), axis=-1)) if len(seen) else 1.0
    apart = np.sort(apart, -1)  # nan last
    middle = np.maximum(np.isfinite(apart).sum(-1) - 1, 0) // 2
    median = np.take_along_axis(apart, middle[..., None], -1)[..., 0]
    return np.where(shared, median, np.inf) / size


def _named(hands: np.ndarray, views: HandViews, min_fit: float) -> np.ndarray:
    """Order two hands so that most detections bear their right names.

    Where as many do as do not, the way the fingers bend decides.
    """
    assigned = assign_detections(hands, views, min_fit, bonus=0.0)
    votes = np.sum(assigned == [0, 1]) - np.sum(assigned == [1, 0])
    if votes == 0:
        bends = [right_handedness(hand) for hand in hands]
        votes = np.nansum([-bends[0], bends[1]])
    return hands if votes >= 0 else hands[::-1]


def assign_detections(
    hands: np.ndarray, views: HandViews, min_fit: float, bonus: float = LABEL_BONUS
) -> np.ndarray:
    """The detection (0 or 1) that shows each hand (2, 21, 3): (N, 2) int, -1 for none.

    A detection shows one hand at most, one that fits by `min_fit` or more; among the ways to
    pair them, the best fit wins. The detector's names only decide near ties.
    """
    scores = views.scores(hands)  # (2 hands, N, 2 detections)
    scores = np.where(scores >= min_fit, scores + bonus * np.eye(2)[:, None], 0.0)
    straight = scores[0, :, 0] + scores[1, :, 1]
    crossed = scores[0, :, 1] + scores[1, :, 0]
    slots = np.where((straight >= crossed)[:, None], [0, 1], [1, 0])  # (N, 2)
    fits = np.take_along_axis(scores.transpose(1, 0, 2), slots[..., None], 2)[..., 0] > 0
    return np.where(fits, slots, -1)


def best_pairs(views: HandViews, assigned: np.ndarray, hand: int, seed: int) -> np.ndarray:
    """Joints (21, 3) of one hand, each from the two views that the other views agree with most.

    RANSAC joint by joint: the pair with the least sum of distances, each at most one radius.
    """
    view = np.nonzero(assigned[:, hand] >= 0)[0]
    pairs = np.array(list(combinations(range(len(view)), 2)), int).reshape(-1, 2)
    if not len(pairs):
        return np.full((*views.xy.shape[2:3], 3), np.nan)
    if len(pairs) > MAX_PAIRS:
        pairs = np.random.default_rng(seed).permutation(pairs)[:MAX_PAIRS]
    slot = assigned[view, hand]
    rays, offsets, weights, xy, radius = (
        x[view, slot] for x in (views.rays, views.offsets, views.weights, views.xy, views.radius)
    )
    seen = np.swapaxes((weights > 0)[pairs], 1, 2)  # (pairs, 21, 2)
    both = np.repeat(seen.all(-1, keepdims=True), 2, -1).astype(float)
    points = triangulate(np.swapaxes(rays[pairs], 1, 2), np.swapaxes(offsets[pairs], 1, 2), both)
    distance = pixel_distance(views.P[view], xy, points[:, None])  # (pairs, n, 21)
    cost = (np.fmin(distance / radius[:, None], FULL_MISS) * weights).sum(1)
    cost = np.where(np.isfinite(points[..., 0]), cost, np.inf)
    return np.take_along_axis(points, cost.argmin(0)[None, :, None], 0)[0]


def match_detections(
    points: np.ndarray,
    cameras: Cameras | CameraArrays,
    xy: np.ndarray,
    confidence: np.ndarray,
    options: Mapping[str, Any],
) -> tuple[np.ndarray, np.ndarray]:
    """Detections by the hand of points (2, 21, 3) they show, whatever the detector named them.

    xy (N, 2, 21, 2) pixels and confidence (N, 2, 21) as detected, nan where not seen. `options`
    is the config's section `pose_optim`. Returns pixels (N, 2, 21, 2), nan where not seen or
    where the detection shows neither hand, and confidences (N, 2, 21).
    """
    views = HandViews.of(cameras, xy, confidence, options["fit_radius"])
    pixels, weights = views.chosen(assign_detections(points, views, options["min_fit"]))
    return np.where(weights[..., None] > 0, pixels, np.nan), weights
