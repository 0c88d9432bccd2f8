"""From anatomy to a surface: relief along the normal, albedo and roughness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from utils.synthetic.fields import MM, linear_from_srgb, smoothstep
from utils.synthetic.fingers import paint_fingers
from utils.synthetic.palm import paint_back, paint_palm, palm_side
from utils.synthetic.skeleton import FINGER_ROOTS
from utils.synthetic.surface import Layers, Surface

LIGHT_SKIN, DEEP_SKIN = np.log(linear_from_srgb(np.array([[0.90, 0.73, 0.64], [0.36, 0.23, 0.17]])))
BLOOD = np.array([-0.05, -0.30, -0.24])  # what redness 1 adds to log albedo, RGB
SHADE = np.array([-0.34, -0.52, -0.66])  # what darkness 1 adds
VEIN = np.array([-0.22, -0.10, -0.04])
KERATIN = np.array([0.66, 0.42, 0.36])
NAIL_EDGE = np.array([0.54, 0.47, 0.38])
FRECKLES = 70
ALBEDO_RANGE = (0.01, 0.9)


@dataclass(frozen=True)
class Skin:
    """Per vertex of the dense hand."""

    relief: np.ndarray  # (N,) metres along the normal
    albedo: np.ndarray  # (N, 3) linear, ALBEDO_RANGE
    roughness: np.ndarray  # (N,) 0.2 to 0.7


def paint_skin(surface: Surface, melanin: float) -> Skin:
    """Grow skin on `surface`; `melanin` runs from 0 (light) to 1 (deep)."""
    layers = Layers.blank(len(surface.points))
    paint_fingers(surface, layers)
    paint_palm(surface, layers)
    paint_back(surface, layers)
    fine = surface.noise(2.4)
    palmar = _palmar(surface)
    roughness = 0.50 + 0.04 * surface.noise(14) - 0.05 * palmar - 0.14 * layers.nail
    return Skin(
        _relief(surface, layers, fine),
        _albedo(surface, layers, fine, palmar, melanin),
        np.clip(roughness, 0.2, 0.7),
    )


def _relief(surface: Surface, layers: Layers, fine: np.ndarray) -> np.ndarray:
    pores = 0.045 * fine + 0.06 * surface.noise(5)
    bare = (1 - layers.nail) * (-0.8 * layers.groove + 0.30 * layers.ridge + pores)
    cords = 0.8 * layers.tendon + 0.45 * layers.vein + 0.12 * layers.nail
    return layers.swelling + MM * (cords + bare)


def _palmar(surface: Surface) -> np.ndarray:
    """1 on palm and finger pads, where skin is paler, redder and has no freckles; (N,)."""
    palmar = palm_side(surface)
    for finger, root in enumerate(FINGER_ROOTS):
        inside = smoothstep(0.1, -0.5, surface.normals @ -surface.bones.palmar[root + 2])
        palmar = palmar + inside * smoothstep(0.4, 0.8, surface.finger_weights[:, finger])
    return np.clip(palmar, 0, 1)


def _freckles(surface: Surface) -> np.ndarray:
    rng, points = surface.rng, surface.points
    strength = rng.uniform(0.1, 0.5, FRECKLES) * (rng.random(FRECKLES) < 0.8)
    radius = rng.uniform(0.6 * MM, 1.5 * MM, FRECKLES)
    distance, nearest = cKDTree(points[rng.choice(len(points), FRECKLES)]).query(points)
    return strength[nearest] * smoothstep(1.15, 0.6, distance / radius[nearest])


def _albedo(
    surface: Surface, layers: Layers, fine: np.ndarray, palmar: np.ndarray, melanin: float
) -> np.ndarray:
    noise = surface.noise
    mottling = (0.32 + 0.14 * noise(3)) * palmar
    redness = layers.redness + 0.20 * noise(17) + 0.12 * noise(5) + mottling
    uneven = 0.07 * noise(24) + 0.05 * fine
    marks = 0.7 * layers.groove - 0.14 * layers.ridge + _freckles(surface) * (1 - palmar)
    darkness = layers.darkness + uneven + marks - (0.20 + 0.8 * melanin) * palmar
    log_skin = LIGHT_SKIN + melanin * (DEEP_SKIN - LIGHT_SKIN)
    log_skin = log_skin + redness[:, None] * BLOOD + darkness[:, None] * SHADE
    log_skin += layers.vein[:, None] * VEIN + 0.06 * layers.tendon[:, None]
    nail = layers.nail[:, None]
    return np.clip(np.exp(log_skin) * (1 - nail) + nail * _plate(layers, melanin), *ALBEDO_RANGE)


def _plate(layers: Layers, melanin: float) -> np.ndarray:
    """Linear colour of the nail plate (N, 3): keratin over the skin below it."""
    below = LIGHT_SKIN + 0.8 * melanin * (DEEP_SKIN - LIGHT_SKIN)
    plate = np.exp(0.65 * below + 0.35 * np.log(KERATIN)) * [1.06, 0.96, 0.97]
    plate = plate + 0.07 * np.minimum(layers.lunula, 1)[:, None]
    return plate + np.minimum(layers.free_edge, 1)[:, None] * (NAIL_EDGE - plate)
