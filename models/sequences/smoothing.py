"""Poses over time: as smooth as their own noise allows, and as fast as the hand.

Each frame's fit is a measurement with the covariance that its residuals give. What the hand's true
accelerations and the fits' true noise are is found from the sequence itself (expectation
maximisation): accelerations for each part of the hand and each moment of its own, so that a fast
movement is let be where it is fast; the noise as a multiple of what the residuals claim. The
estimate of a frame uses the frames before and after it alike, so nothing lags. Frames whose fits
miss what was seen are to be left out before: a jump and its way back is a movement, here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from models.sequences.chain import ChainSolution, solve_chain
from utils.render.cpu.threads import one_thread

ROUNDS = 15  # of expectation maximisation
REACH = 2.0  # frames: standard deviation of the window in which accelerations are alike
LEAST_ACCELERATION = 1e-3  # of the noise's own: none is taken to be smaller
LEAST_FRAMES = 4


@dataclass(frozen=True)
class Measured:
    """T fits of D numbers at even steps of time.

    values (T, D); information (T, D, D), inverse covariances, 0 for a frame that was not measured,
    whose value is where it starts; counts (T,): how many of the D numbers the data tell, the rest
    is prior; accelerations (T - 2, D) of the values.
    """

    values: np.ndarray
    information: np.ndarray
    counts: np.ndarray
    accelerations: np.ndarray


def second_differences(values: np.ndarray) -> np.ndarray:
    """x_{t-1} - 2 x_t + x_{t+1} (T - 2, D) of values (T, D)."""
    return values[2:] - 2 * values[1:-1] + values[:-2]


def smooth(measured: Measured, parts: Sequence[slice]) -> tuple[np.ndarray, float]:
    """The likely course (T, D), and the standard deviation of the fits over what they claim.

    parts: slices of D that accelerate alike. Fewer than LEAST_FRAMES measured frames stay as they
    are.
    """
    if (measured.counts > 0).sum() < LEAST_FRAMES:
        return measured.values, 1.0
    with one_thread():
        smoother = _Smoother(measured, parts)
        offsets = smoother.run()
    return measured.values + offsets.numpy()[: len(measured.values)], smoother.noise


class _Smoother:
    """Offsets from the measured values, whose accelerations are `given` (T - 2, D)."""

    def __init__(self, measured: Measured, parts: Sequence[slice]) -> None:
        self.parts, odd = parts, len(measured.values) % 2  # the chain takes pairs: one more frame
        self.information = torch.from_numpy(_longer(measured.information, odd))
        self.given = torch.from_numpy(_longer(measured.accelerations, odd))
        self.counts = torch.from_numpy(_longer(measured.counts.astype(float), odd))
        self.seen = self.counts > 0
        claimed = torch.linalg.inv(self.information[self.seen]).diagonal(dim1=1, dim2=2)
        self.claimed = claimed.mean(0).numpy()  # variances (D,)
        self.noise = 1.0  # standard deviation over the claimed one
        self.variance = self._limited(self.given.square())

    def run(self) -> Tensor:
        """Alternate between the offsets and what is known of accelerations and noise."""
        for _ in range(ROUNDS):
            self._learn(self._solve())
        return self._solve().mean

    def _solve(self) -> ChainSolution:
        stiffness = 1 / self.variance
        flow = stiffness * self.given
        pull = self.information.new_zeros(self.information.shape[:2])
        pull[:-2] -= flow  # the accelerations with the offsets are small, not the offsets'
        pull[1:-1] += 2 * flow
        pull[2:] -= flow
        return solve_chain(self.information / self.noise**2, pull, stiffness)

    def _learn(self, solution: ChainSolution) -> None:
        mean = solution.mean
        acceleration = self.given + mean[2:] - 2 * mean[1:-1] + mean[:-2]
        self.variance = self._limited(acceleration.square() + solution.accelerations)
        own = torch.einsum("td,tde,te->t", mean, self.information, mean)
        spread = torch.einsum("tde,ted->t", self.information, solution.covariances)
        self.noise = float(((own + spread)[self.seen].sum() / self.counts.sum()).sqrt())

    def _limited(self, squared: Tensor) -> Tensor:
        """Variances (T - 2, D) of accelerations about each moment, alike within each part."""
        variance = np.empty(squared.shape)
        for part in self.parts:
            mean = gaussian_filter1d(squared[:, part].mean(1).numpy(), REACH, mode="nearest")
            least = LEAST_ACCELERATION * 6 * self.noise**2 * self.claimed[part].mean()
            variance[:, part] = np.maximum(mean, least)[:, None]
        return torch.from_numpy(variance)


def _longer(values: np.ndarray, by: int) -> np.ndarray:
    return np.concatenate([values, np.zeros((by, *values.shape[1:]))])
