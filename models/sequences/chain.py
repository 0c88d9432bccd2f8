"""Gaussian chains: the mean and the neighbouring covariances of frames that are tied over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SECOND_DIFFERENCE = (1.0, -2.0, 1.0)


@dataclass(frozen=True)
class ChainSolution:
    """mean (T, D), variances (T, D), and those (T - 2, D) of x_{t-1} - 2 x_t + x_{t+1}; covariances
    (T, D, D) of single frames."""

    mean: Tensor
    covariances: Tensor
    accelerations: Tensor


def solve_chain(information: Tensor, pull: Tensor, stiffness: Tensor) -> ChainSolution:
    """The Gaussian whose mean is the least x of sum_t x_t' H_t x_t - 2 b_t' x_t + accelerations.

    information H (T, D, D) and pull b (T, D), float64; accelerations are the squared
    x_{t-1} - 2 x_t + x_{t+1} (T - 2, D) of the inner frames times stiffness (T - 2, D); T is even.
    Block elimination over pairs of frames, and the inverse's blocks on its way back (Takahashi et
    al. 1973; the Rauch-Tung-Striebel smoother in another order).
    """
    T, D = pull.shape
    diagonal, beside = _pairs(information, stiffness)
    right = pull.reshape(T // 2, 2 * D).clone()
    solved, gains = [diagonal[0]], []
    for k in range(1, len(diagonal)):
        gains.append(torch.linalg.solve(solved[-1], beside[k - 1]))
        solved.append(diagonal[k] - beside[k - 1].T @ gains[-1])
        right[k] -= gains[-1].T @ right[k - 1]
    own = torch.linalg.inv(solved[-1])
    means, pairs, crosses = [own @ right[-1]], [own], []
    for k in range(len(diagonal) - 2, -1, -1):
        alone = torch.linalg.inv(solved[k])
        crosses.append(-gains[k] @ pairs[-1])
        means.append(alone @ right[k] - gains[k] @ means[-1])
        pairs.append(alone - crosses[-1] @ gains[k].T)
    mean = torch.stack(means[::-1]).reshape(T, D)
    pair = torch.stack(pairs[::-1]).reshape(T // 2, 2, D, 2, D)
    covariances = torch.stack([pair[:, 0, :, 0], pair[:, 1, :, 1]], 1).reshape(T, D, D)
    cross = torch.stack(crosses[::-1]) if crosses else pull.new_zeros(0, 2 * D, 2 * D)
    return ChainSolution(mean, covariances, _accelerations(pair, cross.reshape(-1, 2, D, 2, D)))


def _pairs(information: Tensor, stiffness: Tensor) -> tuple[Tensor, Tensor]:
    """The system's blocks (T / 2, 2 D, 2 D) of pairs of frames, and those right of them."""
    T, D, _ = information.shape
    whole = information.new_zeros(T // 2, 2, D, 2, D)
    right = information.new_zeros(max(T // 2 - 1, 0), 2, D, 2, D)
    for frame in range(T):
        whole[frame // 2, frame % 2, :, frame % 2] = information[frame]
    for inner, weight in enumerate(stiffness, 1):
        terms = list(zip((inner - 1, inner, inner + 1), SECOND_DIFFERENCE))
        for first, factor in terms:
            for second, other in terms:
                if first // 2 == second // 2:
                    block = whole[first // 2, first % 2, :, second % 2]
                elif first < second:
                    block = right[first // 2, first % 2, :, second % 2]
                else:
                    continue  # the transpose of one that is there
                block.diagonal().add_(factor * other * weight)
    return whole.reshape(-1, 2 * D, 2 * D), right.reshape(-1, 2 * D, 2 * D)


def _accelerations(pair: Tensor, cross: Tensor) -> Tensor:
    """Variances (T - 2, D) of second differences, from the covariances (2, D, 2, D) of pairs of
    frames and those between a pair and the next."""
    found = []
    for k in range(len(cross)):
        joint = torch.cat(
            [
                torch.cat([pair[k], cross[k]], 2),
                torch.cat([cross[k].permute(2, 3, 0, 1), pair[k + 1]], 2),
            ]
        )  # (4 frames, D, 4, D)
        variances = joint.diagonal(dim1=1, dim2=3)  # (4, 4, D)
        second = pair.new_tensor(SECOND_DIFFERENCE)
        for start in (0, 1):
            three = variances[start : start + 3, start : start + 3]
            found.append(torch.einsum("i,ijd,j->d", second, three, second))
    return torch.stack(found) if found else pair.new_zeros(0, pair.shape[2])
