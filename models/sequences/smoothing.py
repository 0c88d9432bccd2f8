"""Poses over time: as smooth as their own noise allows, and as fast as the hand.

Each frame's fit is a measurement with the covariance that its residuals give. What the hand's true
accelerations and the fits' true noise are is found from the sequence itself (expectation
maximisation): accelerations for each part of the hand and each moment of its own, so that a fast
movement is let be where it is fast, and noise for each part. The estimate of a frame uses the
frames before and after it alike, so nothing lags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from models.sequences.chain import ChainSolution, solve_chain

ROUNDS = 15  # of expectation maximisation
REACH = 2.0  # frames: standard deviation of the window in which accelerations are alike
LEAST_ACCELERATION = 1e-3  # of the noise's own: none is taken to be smaller
OUTLIER = 3.0  # squared distances, a number, beyond which a frame's fit weighs less
LEAST_FRAMES = 4


@dataclass(frozen=True)
class Smoothed:
    """values (T, D); standard deviations of the measurements over those that they claim, a part."""

    values: np.ndarray
    noise: np.ndarray  # (parts,)


def smooth(
    values: np.ndarray,
    information: np.ndarray,
    parts: Sequence[slice],
    accelerations: np.ndarray | None = None,
) -> Smoothed:
    """The likely course of T measured vectors.

    values (T, D) at even steps of time; information (T, D, D): inverse covariances, 0 for a frame
    that was not measured (its value is where it starts); parts: slices of D that move alike.
    accelerations (T - 2, D): those of `values` where they are not its second differences (turns).
    Sequences of fewer than LEAST_FRAMES measured frames are left as they are.
    """
    measured = np.abs(information).sum((1, 2)) > 0
    if measured.sum() < LEAST_FRAMES:
        return Smoothed(values, np.ones(len(parts)))
    if accelerations is None:
        accelerations = values[2:] - 2 * values[1:-1] + values[:-2]
    if len(values) % 2:  # the chain takes pairs: one more, of which nothing is known
        information = np.concatenate([information, np.zeros_like(information[:1])])
        accelerations = np.concatenate([accelerations, np.zeros_like(accelerations[:1])])
        measured = np.append(measured, False)
        offsets = _Smoother(information, accelerations, parts, measured).run()
        return Smoothed(values + offsets.mean[:-1], offsets.noise)
    offsets = _Smoother(information, accelerations, parts, measured).run()
    return Smoothed(values + offsets.mean, offsets.noise)


@dataclass(frozen=True)
class _Offsets:
    mean: np.ndarray
    noise: np.ndarray


class _Smoother:
    """Offsets from the measured values, whose own accelerations are `given` (T - 2, D)."""

    def __init__(
        self,
        information: np.ndarray,
        given: np.ndarray,
        parts: Sequence[slice],
        measured: np.ndarray,
    ) -> None:
        self.given, self.parts, self.measured = given, parts, measured
        self.information = information
        self.claimed = np.full(information.shape[:2], np.nan)  # variances (T, D)
        for frame in np.flatnonzero(measured):
            self.claimed[frame] = np.linalg.inv(information[frame]).diagonal()
        self.noise = np.ones(information.shape[1])  # standard deviations over the claimed ones
        self.weight = np.ones(len(information))
        self.variance = self._limited(np.square(given))

    def run(self) -> _Offsets:
        """Alternate between the offsets and what is known of accelerations and noise."""
        for _ in range(ROUNDS):
            solution = self._solve()
            self._learn(solution)
        solution = self._solve()
        return _Offsets(solution.mean, np.array([self.noise[part].mean() for part in self.parts]))

    def _solve(self) -> ChainSolution:
        scaled = self.information / self.noise[:, None] / self.noise * self.weight[:, None, None]
        stiffness = 1 / self.variance
        pull = np.zeros(self.claimed.shape)  # of the smoothness: the given accelerations vanish
        flow = stiffness * self.given
        pull[:-2] -= flow
        pull[1:-1] += 2 * flow
        pull[2:] -= flow
        return solve_chain(scaled, pull, stiffness)

    def _learn(self, solution: ChainSolution) -> None:
        mean, D = solution.mean, self.given.shape[1]
        squared = np.square(self.given + mean[2:] - 2 * mean[1:-1] + mean[:-2])
        spread = np.empty(mean.shape)
        second = np.array([1.0, -2.0, 1.0])
        for frame in range(len(mean)):
            spread[frame] = solution.covariance(frame, 1).diagonal()
            if frame + 2 < len(mean):
                three = solution.covariance(frame, 3).reshape(3, D, 3, D)
                squared[frame] += np.einsum("i,idjd,j->d", second, three, second)
        ratio = (self.weight[:, None] * np.square(mean) + spread) / self.claimed
        for part in self.parts:
            self.noise[part] = np.sqrt(np.nanmean(ratio[self.measured][:, part]))
        self.variance = self._limited(squared)
        own = np.einsum("td,tde,te->t", mean / self.noise, self.information, mean / self.noise) / D
        self.weight = np.where(own > OUTLIER, OUTLIER / np.maximum(own, OUTLIER), 1.0)

    def _limited(self, squared: np.ndarray) -> np.ndarray:
        """Variances (T - 2, D) of accelerations about each moment, alike within each part."""
        variance = np.empty_like(squared)
        of_noise = 6 * np.nanmean(self.claimed, 0) * np.square(self.noise)  # 1 + 4 + 1
        for part in self.parts:
            mean = gaussian_filter1d(squared[:, part].mean(1), REACH, mode="nearest")
            least = LEAST_ACCELERATION * of_noise[part].mean()
            variance[:, part] = np.maximum(mean, least)[:, None]
        return variance
