"""From light to files: exact masks, the backdrop, exposure and gains, 8-bit pictures."""

from __future__ import annotations

import numpy as np

from utils.synthetic.fields import smoothstep, srgb_from_linear, unit

BACKDROP = np.array([0.9, 1.0, 1.12]) * 0.0045  # linear
BACKDROP_RISE = 0.9  # how much brighter it is overhead
BRIGHT_SKIN = 0.58  # linear value that the brightest 5 % of the skin starts at


def covered_pixels(px: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Mask (H, W): pixels whose centre lies inside or on a projected triangle.

    px (V, 2) pixels of a closed mesh in front of the camera, faces (F, 3), size (H, W).
    """
    height, width = size
    corners = px[faces]
    low = np.maximum(np.ceil(corners.min(1)), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(1)), [width - 1, height - 1]).astype(np.int64)
    spans = np.maximum(high - low + 1, 0)
    counts = spans.prod(1)
    face = np.repeat(np.arange(len(faces)), counts)
    within = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    x = low[face, 0] + within % spans[face, 0]
    y = low[face, 1] + within // spans[face, 0]
    sides = []
    for k in range(3):
        a, b = corners[face, k], corners[face, (k + 1) % 3]
        sides.append((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0]))
    inside = np.all(np.stack(sides) >= 0, 0) | np.all(np.stack(sides) <= 0, 0)
    mask = np.zeros(size, bool)
    mask[y[inside], x[inside]] = True
    return mask


def backdrop(K: np.ndarray, R: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Linear RGB (H, W, 3) of a dark room that brightens a little upwards. No noise in it."""
    y, x = np.mgrid[: size[0], : size[1]]
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones(size)], -1)
    upward = unit(rays) @ R[:, 2]  # z of the rays in the world
    return (1 + BACKDROP_RISE * smoothstep(-0.8, 0.6, upward))[..., None] * BACKDROP


def exposure_of(radiance: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """One factor for all views that brings bright skin to BRIGHT_SKIN."""
    skin = np.concatenate([rgb[mask].max(1) for rgb, mask in zip(radiance, masks)])
    return float(BRIGHT_SKIN / np.percentile(skin, 95))


def sample_gains(count: int, rng: np.random.Generator) -> np.ndarray:
    """Exposure and white balance of `count` views (count, 3): a third of them differ from 1."""
    gains = np.ones((count, 3))
    for view in rng.permutation(count)[: round(count / 3)]:
        gains[view] = rng.uniform(0.9, 1.1) * rng.uniform([0.9, 1, 0.9], [1.1, 1, 1.1])
    return gains


def develop(
    radiance: np.ndarray, alpha: np.ndarray, behind: np.ndarray, gain: np.ndarray
) -> np.ndarray:
    """8-bit sRGB (H, W, 3): premultiplied radiance times gain (3,), over `behind`, clipped."""
    linear = radiance * gain + (1 - alpha[..., None]) * behind
    return np.round(255 * srgb_from_linear(linear.clip(0, 1))).astype(np.uint8)
