"""Noise and colour curves."""

import numpy as np
import pytest

from utils.synthetic.fields import bump, linear_from_srgb, noise, smoothstep, srgb_from_linear, unit


def test_noise_has_unit_variance_and_its_wavelength():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (4000, 3))
    values = noise(points, 0.05, rng)
    # 32 waves over 20 wavelengths: sampling error of mean and sd is about 2 %.
    assert abs(values.mean()) < 0.1
    assert values.std() == pytest.approx(1, abs=0.1)
    line = np.array([[0, 0, 0], [0.0005, 0, 0]])
    assert abs(np.diff(noise(line, 0.05, rng))[0]) < 0.3  # a hundredth of a wavelength apart


def test_noise_repeats_for_a_seed():
    points = np.random.default_rng(0).normal(size=(10, 3))
    first, second = (noise(points, 0.1, np.random.default_rng(7)) for _ in range(2))
    assert (first == second).all()


def test_srgb_curve():
    x = np.linspace(0, 1, 101)
    assert np.allclose(linear_from_srgb(srgb_from_linear(x)), x, atol=1e-6)  # the curve's 5 digits
    assert srgb_from_linear(np.array(0.214)) == pytest.approx(0.5, abs=1e-3)  # mid grey


def test_shapes():
    assert smoothstep(0, 2, np.array([-1, 0, 1, 2, 3])).tolist() == [0, 0, 0.5, 1, 1]
    assert smoothstep(2, 0, np.array([0, 2])).tolist() == [1, 0]
    assert bump(np.array([0.0, 2.0]), 2.0) == pytest.approx([1, np.exp(-0.5)])
    assert np.linalg.norm(unit(np.array([[3.0, 4, 0]]))) == pytest.approx(1)
