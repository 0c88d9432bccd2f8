"""Intrinsics that all views share, estimated together with the hands: scale, offset, distortion.

A pixel is s (p + 1/2) - 1/2 + d for p = K (n + k1 |n|^2 n), n the point's normalised coordinates:
K belongs to photos 1 / s times as large, their principal point is off by d, and the lens bends
straight lines by k1 (OpenCV's first radial coefficient).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.captures.diagnosis.sightings import Fit, Sightings, fit_of
from utils.keypoints.refine import MIN_NOISE

SCALE, SHIFT_X, SHIFT_Y, RADIAL = range(4)
NOTHING = (0.0, 0.0, 0.0, 0.0)  # log s, d in pixels, k1
DIAGONAL = np.array([[0.0, 1.0, 1.0, 0.0]])  # d the same in x and y, as a direction of `estimate`
MAX_STEPS = 25
CONVERGED = 1e-7  # relative decrease of the loss
CAUCHY = 2.0  # where the loss bends, in noise
MAX_DAMPING = 1e8
UNDISTORTION_ROUNDS = 20
REFITS = 4
LITTLE = 1e-3  # weight of a view that is nearly left out
MOST_BENT = 0.1
ENOUGH = 0.98  # a round that leaves more of the residual than this is the last


@dataclass(frozen=True)
class Shared:
    """Shared intrinsics and how well they fit.

    values: log s, d_x, d_y (pixels), k1; spread: the standard errors along each direction (nan
    where they were not asked for); pixels: median residual; loss: the negative log likelihood of
    the residuals under Cauchy's loss.
    """

    values: np.ndarray
    pixels: float
    loss: float
    spread: np.ndarray

    @property
    def scale(self) -> float:
        """s: the photos' size over that of the photos that K belongs to."""
        return float(np.exp(self.values[SCALE]))


def along(*unknowns: int) -> np.ndarray:
    """Directions (n, 4) of these unknowns (SCALE, SHIFT_X, ...), each free by itself."""
    return np.eye(len(NOTHING))[list(unknowns)]


def with_intrinsics(sightings: Sightings, values: Sequence[float]) -> Sightings:
    """Cameras with scale and offset in K, and detections undistorted by k1."""
    log_scale, dx, dy, k1 = values
    scale = np.exp(log_scale)
    A = np.diag([scale, scale, 1.0])
    A[:2, 2] = (scale - 1) / 2 + np.array([dx, dy])
    K = A @ sightings.K
    xy = _undistorted(K, sightings.xy, k1) if k1 else sightings.xy
    return replace(sightings, K=K, xy=xy)


def _undistorted(K: np.ndarray, xy: np.ndarray, k1: float) -> np.ndarray:
    """Pixels (N, ...) of a lens without k1, by fixed-point iteration."""
    ones = np.ones((*xy.shape[:-1], 1))
    bent = np.einsum("nij,ndvj->ndvi", np.linalg.inv(K), np.concatenate([xy, ones], -1))[..., :2]
    straight = bent
    for _ in range(UNDISTORTION_ROUNDS):
        straight = bent / np.maximum(1 + k1 * (straight**2).sum(-1, keepdims=True), 0.1)
    return np.einsum("nij,ndvj->ndvi", K, np.concatenate([straight, ones], -1))[..., :2]


def estimate(
    sightings: Sightings,
    fit: Fit,
    free: np.ndarray,
    start: Sequence[float] = NOTHING,
    spread: bool = False,
) -> Shared:
    """The values that fit best, from `start` along the directions `free` (n, 4).

    The hands are those of `fit`, and which detection shows which stays as it is there.

    Gauss-Newton with damping on Cauchy's loss over values and points, whose part is eliminated
    (Schur's complement).
    """
    problem = _Problem.of(sightings, fit)
    values, points, loss = problem.minimise(np.array(start, float), problem.points, free)
    distance = problem.distance(values, points)
    pixels = float(np.median(distance[problem.seen]))
    errors = np.full(len(free), np.nan)
    if spread:
        errors = problem.standard_errors(values, points, free)
    return Shared(values, pixels, loss, errors)


@dataclass(frozen=True)
class _Problem:
    K: np.ndarray  # (N, 3, 3)
    R: np.ndarray  # (N, 3, 3)
    t: np.ndarray  # (N, 3), for points about `points`' median
    xy: np.ndarray  # (N, J, 2), 0 where not seen
    seen: np.ndarray  # (N, J) bool
    points: np.ndarray  # (J, 3), about their median
    noise: float  # pixels

    @staticmethod
    def of(sightings: Sightings, fit: Fit) -> _Problem:
        """What the views saw of a fit's hands, in pixels as they were given."""
        hands = fit.hands
        points = hands.points.reshape(-1, 3)
        slots = np.maximum(hands.assigned, 0)[..., None, None]
        xy = np.take_along_axis(sightings.xy, slots, 1).reshape(len(sightings), -1, 2)
        seen = np.isfinite(hands.residuals).reshape(len(sightings), -1)
        known = np.isfinite(points[:, 0]) & (seen.sum(0) >= 2)
        points, seen = points[known], seen[:, known]
        xy = np.where(seen[..., None], xy[:, known], 0.0)
        origin = np.median(points, 0)
        t = sightings.t + sightings.R @ origin
        noise = max(hands.noise, MIN_NOISE)
        return _Problem(sightings.K, sightings.R, t, xy, seen, points - origin, noise)

    def distance(self, values: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Pixels (N, J) between what was detected and points (J, 3) seen with these values."""
        return np.linalg.norm(self._residuals(values, points)[0], axis=-1)

    def _loss(self, values: np.ndarray, points: np.ndarray) -> float:
        r, _, _, z = self._residuals(values, points)
        if (z[self.seen] <= 0).any():
            return np.inf
        square = (r[self.seen] ** 2).sum(-1) / (CAUCHY * self.noise) ** 2
        return float(CAUCHY**2 / 2 * np.log1p(square).sum())

    def _residuals(
        self, values: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, normalised coordinates and p of the model (N, J, 2), and depths (N, J)."""
        log_scale, dx, dy, k1 = values
        x = points @ np.swapaxes(self.R, 1, 2) + self.t[:, None]  # (N, J, 3)
        z = x[..., 2]
        n = x[..., :2] / np.where(z > 0, z, 1.0)[..., None]
        bent = n * (1 + k1 * (n**2).sum(-1, keepdims=True))
        p = bent @ np.swapaxes(self.K[:, :2, :2], 1, 2) + self.K[:, None, :2, 2] + 0.5
        return np.exp(log_scale) * p - 0.5 + [dx, dy] - self.xy, n, p, z

    def _equations(
        self, values: np.ndarray, points: np.ndarray, free: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """Blocks of Gauss-Newton's normal equations: shared, mixed, points, and both gradients."""
        log_scale, _, _, k1 = values
        r, n, p, z = self._residuals(values, points)
        z = np.where(z > 0, z, 1.0)
        square = (n**2).sum(-1, keepdims=True)
        M = np.exp(log_scale) * self.K[:, None, :2, :2]
        bend = (1 + k1 * square)[..., None] * np.eye(2) + 2 * k1 * n[..., None] * n[..., None, :]
        rows = self.R[:, None, :2] - n[..., None] * self.R[:, None, 2:]
        X = M @ bend @ rows / z[..., None, None]  # (N, J, 2, 3)
        shared = np.zeros((*r.shape, len(NOTHING)))  # (N, J, 2, 4)
        shared[..., SCALE] = np.exp(log_scale) * p
        shared[..., 0, SHIFT_X] = shared[..., 1, SHIFT_Y] = 1.0
        shared[..., RADIAL] = (M @ (n * square)[..., None])[..., 0]
        S = shared @ free.T
        w = np.where(
            self.seen, weights[:, None] / (1 + (r**2).sum(-1) / (CAUCHY * self.noise) ** 2), 0.0
        )
        wX, wS = w[..., None, None] * X, w[..., None, None] * S
        return (
            np.einsum("nvia,nvib->ab", wS, S),
            np.einsum("nvia,nvib->vab", wX, S),
            np.einsum("nvia,nvib->vab", wX, X),
            np.einsum("nvia,nvi->a", wS, r),
            np.einsum("nvia,nvi->va", wX, r),
        )

    def _step(
        self, equations: tuple[np.ndarray, ...], damping: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Steps (n,) along the free directions and (J, 3) of the points, to be subtracted."""
        A, B, D, a, d = equations
        scale = np.trace(D, axis1=1, axis2=2)[:, None, None] / 3
        D = D + np.where(scale > 0, damping * scale, 1.0) * np.eye(3)
        A = A + damping * np.diag(np.maximum(np.diag(A), 1e-12))
        DB, Dd = np.linalg.solve(D, B), np.linalg.solve(D, d[..., None])[..., 0]
        shared = np.linalg.solve(
            A - np.einsum("vca,vcb->ab", B, DB), a - np.einsum("vca,vc->a", B, Dd)
        )
        return shared, Dd - DB @ shared

    def minimise(
        self, values: np.ndarray, points: np.ndarray, free: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Values, points and loss where it is least, from here along the free directions."""
        weights = np.ones(len(self.K))
        loss, damping = self._loss(values, points), 1e-6
        for _ in range(MAX_STEPS):
            equations = self._equations(values, points, free, weights)
            before = loss
            while damping < MAX_DAMPING:
                try:
                    shared, move = self._step(equations, damping)
                except np.linalg.LinAlgError:
                    damping *= 10
                    continue
                new_values = values - shared @ free
                new_points = points - move
                new_loss = self._loss(new_values, new_points)
                if new_loss <= loss:
                    values, points, loss, damping = new_values, new_points, new_loss, damping / 10
                    break
                damping *= 10
            if before - loss <= CONVERGED * before:
                break
        return values, points, loss

    def standard_errors(
        self, values: np.ndarray, points: np.ndarray, free: np.ndarray
    ) -> np.ndarray:
        """Standard errors (n,) along the free directions, by least squares from the noise of single
        keypoints, or by leaving out a view at a time: the larger, for the one knows nothing of
        views that are off as a whole, and few views scatter little by chance.
        """
        A, B, D, _, _ = self._equations(values, points, free, np.ones(len(self.K)))
        normal = A - np.einsum("vca,vcb->ab", B, np.linalg.solve(D, B))
        by_noise = self.noise * np.sqrt(np.diag(np.linalg.inv(normal)))
        return np.maximum(by_noise, self._jackknife(values, points, free))

    def _jackknife(self, values: np.ndarray, points: np.ndarray, free: np.ndarray) -> np.ndarray:
        """Standard errors (n,) by leaving out one view at a time.

        One Gauss-Newton step each; a view that a point can't do without counts little instead.
        """
        views = np.nonzero(self.seen.any(1))[0]
        moved = []
        for view in views:
            weights = np.ones(len(self.K))
            weights[view] = 0.0
            seen_by = (self.seen * weights[:, None]).sum(0)
            if (seen_by < 2).any():
                weights[view] = LITTLE
            equations = self._equations(values, points, free, weights)
            moved.append(-self._step(equations, 1e-9)[0])
        moved = np.array(moved)
        count = len(moved)
        return np.sqrt((count - 1) / count * ((moved - moved.mean(0)) ** 2).sum(0))


def refined(
    sightings: Sightings,
    options: Mapping[str, Any],
    free: np.ndarray,
    start: Sequence[float],
    seed: int = 0,
    fit: Fit | None = None,
) -> tuple[Shared, Fit]:
    """`estimate` and a new triangulation in turn, since the right intrinsics show more hands.

    fit: at `start`, where it is known.
    """
    fit = fit or fit_of(with_intrinsics(sightings, start), options, seed)
    best = Shared(np.array(start, float), fit.pixels, np.inf, np.full(len(free), np.nan)), fit
    for _ in range(REFITS):
        if fit.hands is None:
            break
        shared = estimate(sightings, fit, free, best[0].values)
        fit = fit_of(with_intrinsics(sightings, shared.values), options, seed)
        if fit.relative >= best[1].relative:
            break
        done = fit.relative > ENOUGH * best[1].relative
        best = shared, fit
        if done:
            break
    return best


def most_radial(sightings: Sightings) -> float:
    """A k1 that moves the border by a tenth of its distance: no lens of such a field bends more."""
    focal = sightings.K[:, 0, 0]
    return float(np.median(MOST_BENT * (2 * focal / sightings.sizes.max(1)) ** 2))


def border_shift(k1: float, sightings: Sightings) -> float:
    """Pixels by which k1 moves the middle of a photo's longer border, median of the views."""
    K, sizes = sightings.K, sightings.sizes
    radius = sizes.max(1) / 2 / K[:, 0, 0]
    return float(np.median(np.abs(k1) * radius**3 * K[:, 0, 0]))
