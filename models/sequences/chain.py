"""Gaussian chains: the mean and the neighbouring covariances of frames that are tied over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPAN = 4  # frames whose joint covariance is kept: two blocks of two


@dataclass(frozen=True)
class ChainSolution:
    """mean (T, D), and of each block of two frames k and k + 1 the covariance of both together.

    blocks (B, 4 D, 4 D) is the covariance of frames 2 k to 2 k + 3; the last one's is of 2 k and
    2 k + 1 alone, what lies beyond is 0.
    """

    mean: np.ndarray
    blocks: np.ndarray

    def covariance(self, frame: int, size: int) -> np.ndarray:
        """Of frames `frame` to `frame` + size - 1 (at most 3): (size D, size D)."""
        D = self.mean.shape[1]
        block = min(frame // 2, len(self.blocks) - 1)
        rows = slice((frame - 2 * block) * D, (frame - 2 * block + size) * D)
        return self.blocks[block][rows, rows]


def solve_chain(information: np.ndarray, pull: np.ndarray, stiffness: np.ndarray) -> ChainSolution:
    """The Gaussian of the least x of sum_t x_t' H_t x_t - 2 b_t' x_t + |accelerations|^2.

    information H (T, D, D); pull b (T, D): its part that is linear in x; stiffness (T - 2, D):
    weights of the squared x_{t-1} - 2 x_t + x_{t+1} for the inner frames. T is even. Block
    elimination over pairs of frames, and the inverse's blocks on its way back (Takahashi et al.
    1973; the Rauch-Tung-Striebel smoother in another order).
    """
    T, D = pull.shape
    diagonal, beside = _pairs(information, stiffness)
    right = pull.reshape(T // 2, 2 * D)
    solved, gains = [diagonal[0]], []
    right = right.copy()
    for k in range(1, len(diagonal)):
        gain = np.linalg.solve(solved[-1], beside[k - 1])  # S^-1 U
        gains.append(gain)
        solved.append(diagonal[k] - beside[k - 1].T @ gain)
        right[k] -= gain.T @ right[k - 1]
    means, covariances, blocks = [], [], []
    for k in range(len(diagonal) - 1, -1, -1):
        own = np.linalg.inv(solved[k])
        mean = own @ right[k]
        joint = np.zeros((SPAN * D, SPAN * D))
        if means:
            mean = mean - gains[k] @ means[-1]
            cross = -gains[k] @ covariances[-1]
            own = own - cross @ gains[k].T
            joint[2 * D :, 2 * D :] = covariances[-1]
            joint[: 2 * D, 2 * D :], joint[2 * D :, : 2 * D] = cross, cross.T
        joint[: 2 * D, : 2 * D] = own
        means.append(mean)
        covariances.append(own)
        blocks.append(joint)
    return ChainSolution(np.stack(means[::-1]).reshape(T, D), np.stack(blocks[::-1]))


def _pairs(information: np.ndarray, stiffness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The system's blocks (T / 2, 2 D, 2 D) of pairs of frames, and those right of them."""
    T, D, _ = information.shape
    whole = np.zeros((T // 2, 2 * D, 2 * D))
    right = np.zeros((max(T // 2 - 1, 0), 2 * D, 2 * D))
    places = np.arange(D)

    def add(a: int, b: int, values: np.ndarray) -> None:
        """Diagonal values (D,) between frames a <= b."""
        row, column = (a % 2) * D + places, (b % 2) * D + places
        if a // 2 == b // 2:
            whole[a // 2][row, column] += values
            if a != b:
                whole[a // 2][column, row] += values
        else:
            right[a // 2][row, column] += values

    for frame in range(T):
        rows = slice((frame % 2) * D, (frame % 2 + 1) * D)
        whole[frame // 2][rows, rows] += information[frame]
    for inner, weight in enumerate(stiffness, 1):
        for first, factor in zip((inner - 1, inner, inner + 1), (1.0, -2.0, 1.0)):
            for second, other in zip((inner - 1, inner, inner + 1), (1.0, -2.0, 1.0)):
                if first <= second:
                    add(first, second, factor * other * weight)
    return whole, right
