"""Which candidates of all views show the same two hands: their cameras tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.cameras import Cameras
from utils.detection.candidates import Candidate, as_arrays
from utils.keypoints.refine import refine_points
from utils.keypoints.search import SAME_HAND, best_pairs, distance_of_hands, pair_hypotheses
from utils.keypoints.views import HandViews

MOST_PAIRS = 1500  # hypotheses of two views each; drawn at random where there are more
MOST_HANDS = 6  # looked for beyond the two that are kept, to say that they are there
SAME_SHIFT = 0.7  # shifts that differ by more of the larger one say nothing of the camera
CLEAR_HAND = 3  # views that must agree on a further hand for it to be told


@dataclass(frozen=True)
class Agreement:
    """Two hands, in no order yet, and what shows them."""

    points: np.ndarray  # (2, 21, 3) world units; nan: not seen
    slots: np.ndarray  # (N, 2) index of the candidate that shows the hand in the view; -1: none
    projected: np.ndarray  # (N, 2, 21, 2) pixels
    shift: np.ndarray  # (N, 2) pixels by which a view's detections lie beside the hands as a whole
    noise: float  # pixels: robust standard deviation of a keypoint
    others: int  # further hands that views agree on, not kept

    def apart(self, candidate: Candidate, hand: int) -> float:
        """Median distance in pixels of a candidate from a hand; the view's shift aside."""
        view = candidate.view
        away = candidate.xy - self.projected[view, hand] - self.shift[view]
        return float(np.nanmedian(np.linalg.norm(away, axis=1)))

    def least_apart(self, candidate: Candidate) -> float:
        """`apart` from the nearer hand; infinite where there is no hand."""
        apart = [self.apart(candidate, hand) for hand in self._hands]
        return float(np.nanmin(apart, initial=np.inf))

    @property
    def _hands(self) -> list[int]:
        """Indices of the hands that are there."""
        return np.nonzero(np.isfinite(self.points[..., 0]).any(1))[0].tolist()

    def too_far(
        self, candidates: Sequence[Sequence[Candidate]], most: float
    ) -> list[tuple[int, int]]:
        """(view, hand) whose candidate is farther from the hand than `most` of its own size."""
        shown = np.argwhere(self.slots >= 0).tolist()
        chosen = [(v, h, candidates[v][self.slots[v, h]]) for v, h in shown]
        return [(v, h) for v, h, one in chosen if self.apart(one, h) > most * one.size]


def agree(
    cameras: Cameras,
    candidates: Sequence[Sequence[Candidate]],
    options: Mapping[str, Any],
    seed: int = 0,
) -> Agreement | None:
    """The two hands that most of the N views agree on; None where no two views do.

    candidates: any number a view. options: the config's section `pose_optim`. Names of left and
    right play no part.
    """
    xy, confidence = as_arrays(candidates)
    views = HandViews.of(cameras, xy, confidence, options["fit_radius"])
    if (views.weights.sum((1, 2)) > 0).sum() < 2:
        return None
    hypotheses = pair_hypotheses(views, seed, MOST_PAIRS)
    scores = views.scores(hypotheses)  # (H, N, D)
    scores = np.where(scores >= options["min_fit"], scores, 0.0)
    hands = two_hands(hypotheses, scores)
    if np.isnan(hands).all():
        return None
    slots = shown_by(views.scores(hands), options["min_fit"])
    hands = np.stack([best_pairs(views, slots, hand, seed) for hand in (0, 1)])
    for _ in range(2):
        slots = shown_by(views.scores(hands), options["min_fit"])
        hands, noise = _refined(views, slots, hands, options)
    hands, slots = _enough(hands, slots)
    others = further_hands(hypotheses, scores, hands)
    return described(views, hands, slots, noise, others)


def follow(
    before: Agreement,
    cameras: Cameras,
    candidates: Sequence[Sequence[Candidate]],
    options: Mapping[str, Any],
) -> Agreement:
    """The same hands with more candidates, among which those that agree best are chosen."""
    xy, confidence = as_arrays(candidates)
    views = HandViews.of(cameras, xy, confidence, options["fit_radius"])
    hands = before.points
    for _ in range(2):
        moved = _shifted(views, before.shift)
        slots = shown_by(moved.scores(hands), options["min_fit"])
        hands, noise = _refined(views, slots, hands, options)
        hands, slots = _enough(hands, slots)
        before = described(views, hands, slots, noise, before.others)
    return before


def two_hands(hypotheses: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The two (2, 21, 3) among hypotheses (H, 21, 3) that explain most; nan: there is none.

    scores (H, N, D): how well candidates fit. The first explains most by itself; the second adds
    most beside it, each candidate showing one hand at most.
    """
    hands = np.full((2, *hypotheses.shape[1:]), np.nan)
    first = int(scores.max(2).sum(1).argmax())
    alone = scores[first].max(1)  # (N,)
    if (alone > 0).sum() < 2:
        return hands
    hands[0] = hypotheses[first]
    gain = np.stack([_both(scores[first], other).max((1, 2)) - alone for other in scores])
    gain = np.maximum(gain, 0)
    useful = (gain > 0).sum(1) >= 2
    apart = distance_of_hands(hypotheses, hypotheses[first]) > SAME_HAND
    votes = np.where(useful & apart, gain.sum(1), 0.0)
    if votes.max() > 0:
        hands[1] = hypotheses[votes.argmax()]
    return hands


def _both(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sums (N, D, D) of scores a, b (N, D) of two hands; none where both take one candidate."""
    total = a[:, :, None] + b[:, None, :]
    same = np.eye(a.shape[1], dtype=bool)
    return np.where(same, np.maximum(a, b)[:, None, :] * same, total)


def shown_by(scores: np.ndarray, min_fit: float) -> np.ndarray:
    """The candidate (N, 2) that shows each hand, from scores (2, N, D); -1: none fits."""
    scores = np.where(np.nan_to_num(scores) >= min_fit, scores, 0.0)
    total = scores[0][:, :, None] + scores[1][:, None, :]
    total = np.where(np.eye(scores.shape[2], dtype=bool), -1.0, total)
    best = total.reshape(len(total), -1).argmax(1)
    slots = np.stack(np.unravel_index(best, total.shape[1:]), 1)  # (N, 2)
    fits = np.take_along_axis(scores.transpose(1, 0, 2), slots[..., None], 2)[..., 0] > 0
    return np.where(fits, slots, -1)


def further_hands(hypotheses: np.ndarray, scores: np.ndarray, hands: np.ndarray) -> int:
    """How many hands views agree on beside `hands` (2, 21, 3)."""
    known, scores = [hand for hand in hands if np.isfinite(hand).any()], scores.copy()
    count = 0
    while count < MOST_HANDS:
        for hand in known:
            close = distance_of_hands(hypotheses, hand) < 3 * SAME_HAND
            scores[:, (scores[close] > 0).any(0)] = 0  # candidates that show it are spoken for
        votes = (scores.max(2) > 0).sum(1)
        if votes.max() < CLEAR_HAND:
            return count
        known, count = [hypotheses[scores.max(2).sum(1).argmax()]], count + 1
    return count


def described(
    views: HandViews, hands: np.ndarray, slots: np.ndarray, noise: float, others: int
) -> Agreement:
    """An agreement with its projections and each view's shift."""
    px = hands @ np.swapaxes(views.P[:, None, :, :3], -1, -2) + views.P[:, None, None, :, 3]
    projected = px[..., :2] / px[..., 2:]
    chosen, weights = views.chosen(slots)
    away = np.where(weights[..., None] > 0, chosen - projected, np.nan)
    return Agreement(hands, slots, projected, view_shifts(away), noise, others)


def view_shifts(away: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) by which cameras are off, from keypoints `away` (N, 2, 21, 2) from the hands.

    Where a view shows both hands, both must ask for about the same shift; else there is none.
    """
    shift = np.zeros((len(away), 2))
    for view, hands in enumerate(away):
        asked = [np.nanmedian(hand, 0) for hand in hands if np.isfinite(hand).any()]
        if len(asked) == 2:
            most = max(np.linalg.norm(asked, axis=1))
            if np.linalg.norm(asked[0] - asked[1]) > SAME_SHIFT * most:
                continue
        if asked:
            shift[view] = np.mean(asked, 0)
    return shift


def _shifted(views: HandViews, shift: np.ndarray) -> HandViews:
    """Views whose cameras see everything moved by `shift` (N, 2) pixels."""
    moves = np.broadcast_to(np.eye(3), (len(shift), 3, 3)).copy()
    moves[:, :2, 2] = shift
    return replace(views, P=moves @ views.P)


def _refined(
    views: HandViews, slots: np.ndarray, hands: np.ndarray, options: Mapping[str, Any]
) -> tuple[np.ndarray, float]:
    chosen, weights = views.chosen(slots)
    return refine_points(
        views.P, chosen, weights, hands, options["cauchy_scale"], options["bone_symmetry"]
    )


def _enough(hands: np.ndarray, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without hands that fewer than two views show, and without one that was taken twice."""
    count = (slots >= 0).sum(0)
    gone = count < 2
    if not gone.any() and distance_of_hands(hands[0], hands[1]) <= SAME_HAND:
        gone[count.argmin()] = True
    return np.where(gone[:, None, None], np.nan, hands), np.where(gone, -1, slots)
