"""Lines of the palm and wrist, tendons and veins of the back of the hand.

Curves are drawn in hand coordinates: (0, .) at the wrist to (1, .) at the row of knuckles, and
(., 0) at the little finger to (., 1) at the index finger.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from utils.synthetic.fields import MM, bump, smoothstep
from utils.synthetic.skeleton import DORSAL, INDEX, MIDDLE, PINKY, RING
from utils.synthetic.surface import Layers, Surface

PALM_LINES = (  # depth, width mm, points: heart, head and life line
    (1.0, 1.0, ((0.74, -0.22), (0.79, 0.12), (0.85, 0.45), (0.97, 0.74))),
    (0.9, 0.9, ((0.83, 1.12), (0.72, 0.74), (0.62, 0.40), (0.47, 0.06))),
    (1.2, 1.1, ((0.83, 1.14), (0.68, 0.82), (0.47, 0.64), (0.24, 0.58), (0.06, 0.62))),
)
MINOR_LINES, VEINS, SAMPLES = 14, 6, 300
WRIST_CREASES = (-0.02, -0.11)


def palm_side(surface: Surface) -> np.ndarray:
    """1 on the inside of the metacarpus, 0 elsewhere, (N,)."""
    return surface.on_palm_and_back() * smoothstep(-0.25, 0.25, -surface.normals @ DORSAL)


def paint_palm(surface: Surface, layers: Layers) -> None:
    """Add the lines of palm and wrist to `layers`."""
    rng, inside = surface.rng, palm_side(surface)
    lines = [(depth, width, points, 0.03) for depth, width, points in PALM_LINES]
    for _ in range(MINOR_LINES):
        a, c, angle, half = rng.uniform([0.15, -0.1, 0, 0.08], [0.95, 1, np.pi, 0.2])
        step = half * np.array([np.sin(angle), np.cos(angle)])
        lines.append((0.4, 0.7, [(a, c) + s * step for s in (-1, -0.3, 0.3, 1)], 0.015))
    for depth, width, points, jitter in lines:
        distance, fade = _curve(surface, points, jitter)
        layers.cut(depth, distance, surface.width(width), fade * inside)
    wrist, knuckles = _wrist_and_knuckles(surface)
    for a in WRIST_CREASES:
        along = surface.points[:, 0] - wrist - a * (knuckles - wrist)
        layers.cut(0.6, along + 0.8 * MM * surface.noise(12), surface.width(0.8), inside)


def paint_back(surface: Surface, layers: Layers) -> None:
    """Add the tendons to the four fingers and the veins to `layers`."""
    rng, joints = surface.rng, surface.joints
    outside = surface.on_palm_and_back() * smoothstep(0.15, 0.6, surface.normals @ DORSAL)
    for rank, root in enumerate((PINKY, RING, MIDDLE, INDEX)):
        c = (joints[root, 2] - joints[PINKY, 2]) / (joints[INDEX, 2] - joints[PINKY, 2])
        start = 0.42 + 0.08 * rank
        middle = 0.5 * c + 0.22 + 0.05 * rank
        points = [(-0.05, start), (0.35, middle), (0.7, 0.9 * c + 0.05), (0.98, c)]
        distance, fade = _curve(surface, points, 0.02)
        cord = bump(distance, surface.width(2.1)) * fade * outside * rng.uniform(0.6, 1)
        np.maximum(layers.tendon, cord, out=layers.tendon)
    for branch in range(VEINS):
        from_wrist = branch < 4
        a, c = (-0.15, rng.uniform(-0.1, 1)) if from_wrist else rng.uniform([0.2, 0], [0.5, 0.8])
        steps = (0, 0.25, 0.5, 0.75, 1)
        points = [(a + s * (0.95 - a), c + s * rng.normal(0, 0.25)) for s in steps]
        distance, fade = _curve(surface, points, 0.04)
        cord = bump(distance, surface.width(1.2)) * fade * outside * rng.uniform(0.5, 1)
        np.maximum(layers.vein, cord, out=layers.vein)


def _wrist_and_knuckles(surface: Surface) -> tuple[float, float]:
    """x of the wrist and of the row of knuckles, metres."""
    return surface.joints[0, 0], surface.joints[[INDEX, MIDDLE, PINKY, RING], 0].mean()


def _curve(surface: Surface, points: list, jitter: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance (N,) in the palm's plane to a jittered spline (metres), and a fade at its ends."""
    wrist, knuckles = _wrist_and_knuckles(surface)
    pinky, index = surface.joints[PINKY, 2], surface.joints[INDEX, 2]
    anchors = np.asarray(points) + surface.rng.normal(0, jitter, np.shape(points))
    spline = CubicSpline(np.linspace(0, 1, len(anchors)), anchors)
    a, c = spline(np.linspace(0, 1, SAMPLES)).T
    drawn = np.stack([wrist + a * (knuckles - wrist), pinky + c * (index - pinky)], 1)
    wobble = 0.5 * MM * np.stack([surface.noise(11), surface.noise(11)], 1)
    distance, nearest = cKDTree(drawn).query(surface.points[:, [0, 2]] + wobble)
    from_middle = np.abs(nearest / (SAMPLES - 1) - 0.5)
    return distance, np.minimum(1, 8 * (0.5 - from_middle) + 0.15)
