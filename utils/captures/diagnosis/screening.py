"""Whether pairs of views agree: a cheap look at a suspicion before hands are triangulated for it.

Two views agree where each sees a keypoint on the epipolar line of what the other sees, and where
their rays meet in front of both cameras. What is wrong with a whole capture spoils most pairs.
"""

from __future__ import annotations

import numpy as np

from utils.captures.diagnosis.intrinsics import with_intrinsics
from utils.captures.diagnosis.sightings import NO_FIT, Sightings
from utils.keypoints.views import MIN_ANGLE, MIN_JOINTS

TINY = 1e-12
SHIFT_GRID = 0.08 * np.arange(-2, 3)  # of the photos' longer side
SCALE_STEP = np.log(1.25)
SCALE_GRID = SCALE_STEP * np.arange(-6, 7)  # from a quarter to four times


def pair_residual(sightings: Sightings) -> float:
    """How far detections lie beside each other's epipolar lines, the median of all pairs of views.

    In sizes of the detected hand, at most NO_FIT, which counts where rays meet behind a camera.
    Of a pair's ways to match its detections (names may be wrong) the better one counts.
    """
    detected = sightings.detected
    first, second = np.triu_indices(len(sightings), 1)
    rays, centres = _rays(sightings)
    base = centres[second] - centres[first]
    base = base / np.maximum(np.linalg.norm(base, axis=-1, keepdims=True), TINY)
    a, b = rays[first][:, :, None], rays[second][:, None]  # (P, 2, 1, 21, 3), (P, 1, 2, 21, 3)
    per_hand = sightings.K[:, :1, 0] / sightings.hand_sizes  # of an angle, in sizes of the hand
    off, sine = _beside(a, b, base[:, None, None, None])
    hand_a, hand_b = per_hand[first][:, :, None, None], per_hand[second][:, None, :, None]
    far = off * np.maximum(hand_a, hand_b)
    both = detected[first][:, :, None] & detected[second][:, None] & (sine > np.sin(MIN_ANGLE))
    count = both.sum(-1)
    mean = (np.fmin(far, NO_FIT) * both).sum(-1) / np.maximum(count, 1)  # (P, 2, 2)
    return _median_of_pairs(np.where(count >= MIN_JOINTS, mean, np.nan))


def _rays(sightings: Sightings) -> tuple[np.ndarray, np.ndarray]:
    """Unit rays (N, 2, 21, 3) to the detected keypoints and camera centres (N, 3), in the world."""
    xy = np.where(sightings.detected[..., None], sightings.xy, 0.0)
    homogeneous = np.concatenate([xy, np.ones_like(xy[..., :1])], -1)
    world_from_px = np.swapaxes(sightings.R, 1, 2) @ np.linalg.inv(sightings.K)
    rays = homogeneous @ np.swapaxes(world_from_px, 1, 2)[:, None]
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    centres = -(np.swapaxes(sightings.R, 1, 2) @ sightings.t[..., None])[..., 0]
    return rays, centres


def _beside(a: np.ndarray, b: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sines of the angles of rays a, b to the plane of the other and the base line; and between
    the rays. The first is infinite where the rays meet behind one of their origins."""
    normal = np.cross(base, np.broadcast_to(b, np.broadcast_shapes(a.shape, b.shape)))
    volume = np.abs((a * normal).sum(-1))
    along_a, along_b = (a * base).sum(-1), (b * base).sum(-1)
    plane_a = np.sqrt(np.maximum(1 - along_a**2, TINY))  # length of base x a
    plane_b = np.sqrt(np.maximum(1 - along_b**2, TINY))
    cosine = (a * b).sum(-1)
    in_front = (along_a > cosine * along_b) & (cosine * along_a > along_b)
    off = volume / np.minimum(plane_a, plane_b)
    return np.where(in_front, off, np.inf), np.sqrt(np.maximum(1 - cosine**2, 0.0))


def _median_of_pairs(means: np.ndarray) -> float:
    """The median of pairs (P, 2, 2), each by its better way to match detections; nan: not both."""
    known = np.isfinite(means)
    filled = np.where(known, means, np.inf)
    complete = known.all((1, 2))
    straight, crossed = (filled[:, 0, k] + filled[:, 1, 1 - k] for k in (0, 1))
    best = filled.min((1, 2))
    best[complete] = np.minimum(straight, crossed)[complete] / 2
    best = best[np.isfinite(best)]
    return float(np.median(best)) if len(best) else NO_FIT


def best_scale(sightings: Sightings) -> tuple[float, float]:
    """The log scale at which pairs of views agree best, to some 10 %, and their residual there."""
    tried = [_pairs_at(sightings, s) for s in SCALE_GRID]
    around = min(tried)[2]
    tried += [_pairs_at(sightings, around + half) for half in SCALE_STEP / 2 * np.array([-1, 1])]
    residual, _, log_scale = min(tried)
    return log_scale, residual


def _pairs_at(sightings: Sightings, log_scale: float) -> tuple[float, float, float]:
    """Residual of pairs, |log s| to decide between equals, log s."""
    residual = pair_residual(with_intrinsics(sightings, (log_scale, 0, 0, 0)))
    return residual, abs(log_scale), float(log_scale)


def best_shift(sightings: Sightings) -> tuple[float, float, float, float]:
    """The offset on a coarse grid at which pairs of views agree best, as a start of `refined`."""
    longest = float(np.median(sightings.sizes.max(1)))
    starts = [(0.0, longest * x, longest * y, 0.0) for x in SHIFT_GRID for y in SHIFT_GRID]
    residuals = [pair_residual(with_intrinsics(sightings, start)) for start in starts]
    return starts[int(np.argmin(residuals))]
