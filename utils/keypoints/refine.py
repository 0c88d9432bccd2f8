"""Robust refinement of all triangulated joints at once: Levenberg-Marquardt on Cauchy's loss."""

from __future__ import annotations

import numpy as np

from utils.keypoints.order import BONES, bone_lengths
from utils.keypoints.views import pixel_distance

MEDIAN_OF_RAYLEIGH = np.sqrt(2 * np.log(2))  # of the length of a 2D normal vector
MIN_NOISE = 0.1  # pixels; finer than any detector, and keeps exact data from dividing by zero
BONE_RATIO_STD = 0.1  # log ratio of a left and a right bone that costs as much as one noise unit
SCALE_ROUNDS, MAX_STEPS = 3, 20
CONVERGED = 1e-8  # relative decrease of the loss
MAX_DAMPING = 1e6


def refine_points(
    P: np.ndarray,
    xy: np.ndarray,
    weights: np.ndarray,
    points: np.ndarray,
    cauchy_scale: float,
    bone_symmetry: float,
) -> tuple[np.ndarray, float]:
    """Refine both hands' points (2, 21, 3) on keypoints xy (N, 2, 21, 2) pixels.

    Minimises sum w c^2/2 log(1 + |r|^2 / (c s)^2) + bone_symmetry / 2 sum (log ratio of left and
    right bones / BONE_RATIO_STD)^2 over all joints, with r the residual in pixels, s the noise
    (estimated from the residuals, see `noise_of`), c = `cauchy_scale` and w = weights (N, 2, 21).
    Returns the points (nan stays nan) and the noise in pixels.
    """
    problem = _Problem(P, xy, weights, points, bone_symmetry)
    current = np.nan_to_num(points)
    noise = noise_of(P, xy, weights, points)
    for _ in range(SCALE_ROUNDS):
        current = _levenberg_marquardt(problem, current, cauchy_scale, noise)
        noise = noise_of(P, xy, weights, np.where(problem.known[..., None], current, np.nan))
    return np.where(problem.known[..., None], current, np.nan), noise


def noise_of(P: np.ndarray, xy: np.ndarray, weights: np.ndarray, points: np.ndarray) -> float:
    """Standard deviation of a keypoint's coordinate in pixels, from the median residual.

    Corrected for the coordinates that fitting the points takes up.
    """
    distance = pixel_distance(P[:, None], xy, points)
    used = (weights > 0) & np.isfinite(distance)
    if not used.any():
        return MIN_NOISE
    free = 2 * used.sum() - 3 * np.isfinite(points[..., 0]).sum()
    freedom = np.sqrt(2 * used.sum() / max(free, 1))
    return max(float(np.median(distance[used]) / MEDIAN_OF_RAYLEIGH * freedom), MIN_NOISE)


class _Problem:
    """The loss and its derivatives; joints are flattened to (42, 3)."""

    def __init__(self, P, xy, weights, points, bone_symmetry):
        self.P, self.xy, self.bone_symmetry = P, xy, bone_symmetry
        self.known = np.isfinite(points).all(-1)  # (2, 21)
        self.weights = weights * self.known
        self.bones = self.known[:, BONES].all((0, 2))  # (20,) known in both hands

    def loss(self, points: np.ndarray, c: float, s: float) -> float:
        distance = pixel_distance(self.P[:, None], self.xy, points)
        used = self.weights > 0
        if not np.isfinite(distance[used]).all():
            return np.inf
        data = self.weights[used] * np.log1p((distance[used] / (c * s)) ** 2)
        return 0.5 * c**2 * data.sum() + 0.5 * self.bone_symmetry * (self._bone(points) ** 2).sum()

    def _bone(self, points: np.ndarray) -> np.ndarray:
        lengths = np.log(np.maximum(bone_lengths(points)[:, self.bones], 1e-12))
        return (lengths[0] - lengths[1]) / BONE_RATIO_STD

    def normal_equations(
        self, points: np.ndarray, c: float, s: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gauss-Newton's H and gradient (126,), with Cauchy's weights.

        H is the blocks (42, 3, 3) on the diagonal plus B^T B, B (bones, 126).
        """
        px = points @ np.swapaxes(self.P[:, None, :, :3], -1, -2) + self.P[:, None, None, :, 3]
        depth = np.where(self.weights > 0, px[..., 2], 1.0)[..., None]
        projected = px[..., :2] / depth
        r = projected - self.xy
        w = self.weights / (s**2 + (r**2).sum(-1) / c**2)
        rows = self.P[:, None, None]
        J = (rows[..., :2, :3] - projected[..., None] * rows[..., 2:, :3]) / depth[..., None]
        J = J * np.sqrt(w)[..., None, None]
        J = np.moveaxis(J, 0, 2).reshape(-1, 2 * len(self.P), 3)  # (42, 2 N, 3)
        r = np.moveaxis(r * np.sqrt(w)[..., None], 0, 2).reshape(len(J), -1, 1)
        blocks = np.swapaxes(J, 1, 2) @ J
        g = (np.swapaxes(J, 1, 2) @ r).ravel()
        B = np.sqrt(self.bone_symmetry) * self._bone_jacobian(points)
        e = np.sqrt(self.bone_symmetry) * self._bone(points)
        return blocks, B, g + B.T @ e

    def _bone_jacobian(self, points: np.ndarray) -> np.ndarray:
        """Derivative (bones, 126) of `_bone`."""
        bones = BONES[self.bones]  # (b, 2)
        B = np.zeros((len(bones), 2, points.shape[1], 3))
        span = points[:, bones[:, 1]] - points[:, bones[:, 0]]  # (2, b, 3)
        slope = span / np.maximum((span**2).sum(-1, keepdims=True), 1e-24) / BONE_RATIO_STD
        slope[1] *= -1
        row = np.arange(len(bones))
        for hand in (0, 1):
            B[row, hand, bones[:, 1]] += slope[hand]
            B[row, hand, bones[:, 0]] -= slope[hand]
        return B.reshape(len(bones), points.size)


def _levenberg_marquardt(problem: _Problem, points: np.ndarray, c: float, s: float) -> np.ndarray:
    loss, damping = problem.loss(points, c, s), 1e-4
    for _ in range(MAX_STEPS):
        blocks, B, g = problem.normal_equations(points, c, s)
        while damping < MAX_DAMPING:
            moved = points - _solve(blocks, B, g, damping).reshape(points.shape)
            new_loss = problem.loss(moved, c, s)
            if new_loss <= loss:
                break
            damping *= 10
        else:
            return points
        points, damping = moved, damping / 10
        if loss - new_loss <= CONVERGED * loss:
            return points
        loss = new_loss
    return points


def _solve(blocks: np.ndarray, B: np.ndarray, g: np.ndarray, damping: float) -> np.ndarray:
    """Solve (blocks + B^T B + damping on the diagonal) x = g by Woodbury's identity.

    Each joint's diagonal block (3, 3) is inverted alone, the few bones couple them.
    """
    scale = np.trace(blocks, axis1=1, axis2=2) / 3
    scale = np.where(scale > 0, damping * scale, 1.0)  # joints that nothing is known of stay
    inverse = np.linalg.inv(blocks + scale[:, None, None] * np.eye(3))  # (42, 3, 3)
    x = _block_product(inverse, g[:, None])
    inverse_Bt = _block_product(inverse, B.T)  # (126, bones)
    coupling = np.linalg.solve(np.eye(len(B)) + B @ inverse_Bt, B @ x)
    return (x - inverse_Bt @ coupling)[:, 0]


def _block_product(blocks: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Block-diagonal matrix (n, 3, 3) times columns (3 n, k)."""
    return (blocks @ columns.reshape(len(blocks), 3, -1)).reshape(columns.shape)
