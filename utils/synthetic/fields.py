"""Scalar fields and colour curves that hands are made of."""

from __future__ import annotations

import numpy as np

MM = 1e-3  # metres


def unit(x: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length 1."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def bump(x: np.ndarray, width: float) -> np.ndarray:
    """A Gaussian of height 1 and standard deviation `width` (the unit of `x`)."""
    return np.exp(-0.5 * (x / width) ** 2)


def smoothstep(start: float | np.ndarray, end: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    """0 before `start`, 1 after `end`, a cubic between them; `start` may exceed `end`."""
    t = np.clip((x - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def noise(
    points: np.ndarray, wavelength: float, rng: np.random.Generator, waves: int = 32
) -> np.ndarray:
    """Band-limited isotropic noise (N,) of zero mean and unit variance at `points` (N, 3).

    A sum of plane waves whose wavelengths are within 35 % of `wavelength` (the points' unit).
    """
    frequency = 2 * np.pi / wavelength * rng.uniform(0.7, 1.35, (waves, 1))
    directions = unit(rng.normal(size=(waves, 3))) * frequency
    phases = rng.uniform(0, 2 * np.pi, waves)
    return np.cos(points @ directions.T + phases).sum(1) * np.sqrt(2 / waves)


def srgb_from_linear(x: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1 encoding of linear values in [0, 1]."""
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)


def linear_from_srgb(x: np.ndarray) -> np.ndarray:
    """Inverse of `srgb_from_linear`."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
