"""Chains against a dense solution, and courses that are smooth and do not lag."""

import numpy as np
import pytest
import torch

from models.sequences.chain import solve_chain
from models.sequences.smoothing import Measured, second_differences, smooth

PARTS = [slice(0, 3), slice(3, 6)]
NOISE = np.array([1.0, 1.0, 1.0, 0.02, 0.02, 0.02])  # of the measurements
CLAIMED = 2 * NOISE  # what they say of themselves


def test_a_chain_is_the_dense_solution():
    rng, T, D = np.random.default_rng(0), 6, 2
    roots = rng.normal(size=(T, D, D))
    information = roots @ roots.swapaxes(1, 2)
    information[2] = 0  # a frame that was not measured
    pull, stiffness = rng.normal(size=(T, D)), rng.uniform(1, 3, (T - 2, D))
    dense = np.zeros((T * D, T * D))
    for t in range(T):
        dense[t * D : (t + 1) * D, t * D : (t + 1) * D] = information[t]
    differences = np.kron(np.diff(np.eye(T), 2, axis=0), np.eye(D))
    dense += differences.T @ np.diag(stiffness.ravel()) @ differences
    covariance = np.linalg.inv(dense)
    found = solve_chain(*map(torch.from_numpy, (information, pull, stiffness)))
    assert np.allclose(found.mean.numpy().ravel(), covariance @ pull.ravel())
    for t in range(T):
        block = covariance[t * D : (t + 1) * D, t * D : (t + 1) * D]
        assert np.allclose(found.covariances[t], block)
    variances = (differences @ covariance @ differences.T).diagonal()
    assert np.allclose(found.accelerations.numpy().ravel(), variances)


def movement(frames: int) -> np.ndarray:
    """(T, 6): a slow swing that is six times as fast for some ten frames in the middle."""
    times = np.arange(frames)
    speed = 1 + 5 * np.exp(-(((times - frames / 2) / 2.5) ** 2) / 2)
    phase = np.cumsum(speed) / 80
    amplitude = np.array([50.0, 30.0, 20.0, 0.4, 0.3, 0.5])
    return amplitude * np.sin(2 * np.pi * phase[:, None] + np.arange(6))


def measured(values: np.ndarray, seen: np.ndarray | None = None) -> Measured:
    information = np.repeat(np.diag(CLAIMED**-2.0)[None], len(values), 0)
    counts = np.full(len(values), 6.0)
    if seen is not None:
        information[~seen], counts[~seen] = 0, 0
    return Measured(values, information, counts, second_differences(values))


@pytest.mark.parametrize("frames", [60, 61])
def test_a_movement_is_smooth_where_it_is_slow_and_does_not_lag_where_it_is_fast(frames):
    true = movement(frames)
    noisy = true + NOISE * np.random.default_rng(0).normal(size=true.shape)
    course, noise = smooth(measured(noisy), PARTS)
    # The truth is 0.5; some noise is taken for movement.
    assert 0.3 < noise < 0.6
    jitter = [np.abs(second_differences(x - true)).mean(0) / NOISE for x in (course, noisy)]
    assert (jitter[0] < 0.5 * jitter[1]).all()
    errors = [(np.abs(x - true) / NOISE).mean() for x in (course, noisy)]
    assert errors[0] < errors[1]
    velocity = np.gradient(true, axis=0)
    fast = np.abs(velocity[:, 0]) > 0.5 * np.abs(velocity[:, 0]).max()
    lag = -((course - true) * velocity)[fast].sum(0) / (velocity**2)[fast].sum(0)
    assert (np.abs(lag) < 0.15).all()  # frames; noise alone gives some 0.05


def test_a_frame_that_was_not_measured_is_bridged():
    true = movement(40)
    seen = np.ones(40, bool)
    seen[8:11] = False
    given = true + 0.1 * NOISE * np.random.default_rng(1).normal(size=true.shape)
    for column in range(6):
        given[~seen, column] = np.interp([8, 9, 10], [7, 11], given[[7, 11], column])
    course, _ = smooth(measured(given, seen), PARTS)
    # Even lines are off by the bend between; a smooth course by much less.
    straight, bent = ((np.abs(x - true)[~seen] / NOISE).mean() for x in (given, course))
    assert bent < 0.5 * straight


def test_few_frames_stay_as_they_are():
    true = movement(3)
    assert smooth(measured(true), PARTS)[0] is true
