"""Which camera belongs to which view, from the detections alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from utils.captures.diagnosis.sightings import Fit, Sightings, fit_of
from utils.keypoints.views import HandViews, pixel_distance, triangulate

ANCHOR_PAIRS = 3  # pairs of views from which hypotheses are made
MOST_HYPOTHESES = 60  # of an anchor pair's, those whose assignment is computed
WITNESSES = 10  # views that vote on a hypothesis at most
MOST_OWN_ERROR = 0.15  # of a hand's size: two rays farther apart meet nowhere
ROUNDS = 3


def with_cameras(sightings: Sightings, order: np.ndarray) -> Sightings:
    """View i seen by camera order[i]; the photos keep their sizes."""
    K, R, t = (x[order] for x in (sightings.K, sightings.R, sightings.t))
    return replace(sightings, K=K, R=R, t=t)


def camera_order(
    sightings: Sightings, options: Mapping[str, Any], seed: int = 0
) -> tuple[np.ndarray, Fit]:
    """The camera (N,) int of each view that explains the detections best, and how well it does.

    Hypotheses are hands that two views would see if their cameras were a and b, for all a and b;
    the other views vote by the cameras that explain them best, each camera used once (Hungarian
    method). Views without detections keep what is left.
    """
    best, best_score = np.arange(len(sightings)), -1.0
    for first, second in _anchors(sightings, seed):
        order, score = _from_anchor(sightings, first, second, options["fit_radius"], seed)
        if score > best_score:
            best, best_score = order, score
    fit = fit_of(with_cameras(sightings, best), options, seed)
    for _ in range(ROUNDS):
        if fit.hands is None:
            break
        order = assigned_cameras(
            explained_by(sightings, fit.hands.points, sightings, options["fit_radius"])
        )
        if np.array_equal(order, best):
            break
        again = fit_of(with_cameras(sightings, order), options, seed)
        if again.relative >= fit.relative:
            break
        best, fit = order, again
    return best, fit


def _anchors(sightings: Sightings, seed: int) -> list[tuple[int, int]]:
    """Pairs of views that both show a hand of one name, the fullest first."""
    count = sightings.detected.sum(-1)  # (N, 2)
    shared = np.minimum(count[:, None], count[None]).sum(-1)  # (N, N)
    pairs = np.argwhere(np.triu(shared > 0, 1))
    pairs = np.random.default_rng(seed).permutation(pairs)
    fullest = np.argsort(-shared[pairs[:, 0], pairs[:, 1]], kind="stable")
    return [tuple(pair) for pair in pairs[fullest][:ANCHOR_PAIRS]]


def _from_anchor(
    sightings: Sightings, first: int, second: int, fit_radius: float, seed: int
) -> tuple[np.ndarray, float]:
    count = len(sightings)
    slot = int(sightings.detected[[first, second]].sum(-1).min(0).argmax())
    cameras = np.array(list(permutations(range(count), 2)))  # (H, 2)
    hands, own_error = _hypotheses(sightings, (first, second), slot, cameras)
    size = sightings.hand_sizes[[first, second], slot].mean()
    kept = np.argsort(own_error)[: max(4 * count, MOST_HYPOTHESES)]
    kept = kept[own_error[kept] < MOST_OWN_ERROR * size]
    others = np.setdiff1d(np.nonzero(sightings.detected.any((1, 2)))[0], [first, second])
    witnesses = np.random.default_rng(seed).permutation(others)[:WITNESSES]
    best, best_score = np.arange(count), -1.0
    for index in _most_promising(sightings, hands, kept, witnesses, fit_radius):
        scores = explained_by(sightings, hands[index][None], sightings, fit_radius)
        scores[[first, second]] = -1e3
        scores[[first, second], cameras[index]] = 1.0
        order = assigned_cameras(scores)
        score = float(scores[np.arange(count), order].sum())
        if score > best_score:
            best, best_score = order, score
    return best, best_score


def _hypotheses(
    sightings: Sightings, pair: tuple[int, int], slot: int, cameras: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hands (H, 21, 3) of the pair's detections through cameras (H, 2), and their median error."""
    rays, offsets, weights, P, xy = [], [], [], [], []
    for view, through in zip(pair, cameras.T):
        seen = sightings.chosen([view] * len(sightings))
        seen = replace(seen, K=sightings.K, R=sightings.R, t=sightings.t)
        views = HandViews.of(seen.cameras, seen.xy, seen.confidence, 1.0)
        rays.append(views.rays[through, slot])
        offsets.append(views.offsets[through, slot])
        weights.append((views.weights[through, slot] > 0).astype(float))
        P.append(views.P[through])
        xy.append(views.xy[through, slot])
    both = np.minimum(*weights)
    hands = triangulate(np.stack(rays, 2), np.stack(offsets, 2), np.stack([both, both], -1))
    apart = np.maximum(*(pixel_distance(p, x, hands) for p, x in zip(P, xy)))
    return hands, np.median(np.where(np.isfinite(apart) & (both > 0), apart, 1e9), -1)


def _most_promising(
    sightings: Sightings,
    hands: np.ndarray,
    kept: np.ndarray,
    witnesses: np.ndarray,
    fit_radius: float,
) -> np.ndarray:
    """Of the kept hypotheses those that the witnesses, each through any camera, like best."""
    if not len(kept):
        return kept
    likes = [
        explained_by(sightings.chosen(witnesses), hands[index][None], sightings, fit_radius)
        .max(1)
        .sum()
        for index in kept
    ]
    return kept[np.argsort(-np.array(likes))[:MOST_HYPOTHESES]]


def explained_by(
    sightings: Sightings,
    points: np.ndarray,
    cameras: Sightings,
    fit_radius: float,
) -> np.ndarray:
    """How well camera c explains view v by hands points (H, 21, 3): (views, cameras), 1 exactly."""
    P = cameras.K @ np.concatenate([cameras.R, cameras.t[..., None]], -1)
    seen = sightings.detected
    radius = fit_radius * sightings.hand_sizes
    xy = np.where(seen[..., None], sightings.xy, 0.0)
    # (views, cameras, hands, detections, 21)
    far = pixel_distance(P[None, :, None, None], xy[:, None, None], points[None, None, :, None])
    far = np.fmin(np.where(np.isnan(far), np.inf, far) / radius[:, None, None, :, None], 1.0)
    weights = seen[:, None, None]
    likeness = ((1 - far**2) * weights).sum(-1) / np.maximum(weights.sum(-1), 1)
    return likeness.max(2).sum(-1) if len(points) > 1 else likeness[:, :, 0].max(-1)


def assigned_cameras(scores: np.ndarray) -> np.ndarray:
    """The camera of each view, (N,); near ties go to the view's own camera."""
    return linear_sum_assignment(-(scores + 1e-3 * np.eye(len(scores))))[1]
