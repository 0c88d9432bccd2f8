"""Colours that look as they should after what browsers do to them.

three.js, by which viser draws, darkens and bends the colours of meshes as films do, but not those
of pictures: ACES, in Stephen Hill's fit (three.js, tonemapping_pars_fragment.glsl.js). Meshes are
compared with photos here, so that is undone beforehand.
"""

from __future__ import annotations

import numpy as np

EXPOSURE = 0.6  # by which three.js divides, beside its own exposure of 1
INTO = np.array(
    [[0.59719, 0.35458, 0.04823], [0.07600, 0.90834, 0.01566], [0.02840, 0.13383, 0.83777]]
)
OUT_OF = np.array(
    [[1.60475, -0.53108, -0.07367], [-0.10208, 1.10813, -0.00605], [-0.00327, -0.07276, 1.07602]]
)
A, B, C, D, E = 0.0245786, 0.000090537, 0.983729, 0.4329510, 0.238081


def tone_mapped(linear: np.ndarray) -> np.ndarray:
    """What is shown of linear colours (..., 3): (v (v + A) - B) / (v (C v + D) + E) of v, between
    two changes of primaries.
    """
    v = linear / EXPOSURE @ INTO.T
    return np.clip((v * (v + A) - B) / (v * (C * v + D) + E) @ OUT_OF.T, 0, 1)


def before_tone_mapping(linear: np.ndarray) -> np.ndarray:
    """Linear colours (..., 3), 0 and more, of which these, in [0, 1], are shown; nearly, where
    colours are purer than the curve reaches.
    """
    y = np.clip(linear @ np.linalg.inv(OUT_OF).T, 0, 1)
    half = (A - D * y) / 2  # of the quadratic (1 - C y) v^2 + (A - D y) v - (B + E y) = 0
    v = (-half + np.sqrt(half**2 + (1 - C * y) * (B + E * y))) / (1 - C * y)
    return np.clip(EXPOSURE * v @ np.linalg.inv(INTO).T, 0, None)
