"""Photos laid over renderings by small smooth shifts, so that details of several views agree."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SMOOTH = 12.0  # pixels over which shifts vary
LARGEST = 12.0  # pixels; larger shifts are mistakes
CONTRAST = 15.0  # pixels over which contrast is made alike
LEAST_CONTRAST = 0.004  # below which there is nothing to register


@dataclass(frozen=True)
class LaidOver:
    """The photo image (h, w, 3) and its trust (h, w) laid over the rendering; misalignment: median
    pixels of the shift where there is contrast."""

    image: np.ndarray
    trust: np.ndarray
    misalignment: float


def register(
    photo: np.ndarray, rendered: np.ndarray, covered: np.ndarray, trust: np.ndarray
) -> LaidOver:
    """Lay a photo (h, w, 3) and its trust (h, w) over the rendering, which covers (h, w) bool.

    Dense optical flow (DIS, Kroeger et al. 2016) between pictures of equal local contrast,
    smoothed by the contrast that it rests on.
    """
    common = covered & (trust > 0)
    if not common.any() or min(common.shape) < 32:
        return LaidOver(photo, trust, 0.0)
    smooth, energy = shift_between(photo, rendered, common)
    y, x = np.indices(covered.shape, np.float32)
    where = x + smooth[..., 0], y + smooth[..., 1]
    image = cv2.remap(photo, *where, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT).clip(0, 1)
    laid_trust = cv2.remap(trust.astype(np.float32), *where, cv2.INTER_LINEAR)
    clear = common & (energy > np.median(energy[common]))
    lengths = np.linalg.norm(smooth[clear], axis=-1)
    return LaidOver(image, laid_trust, float(np.median(lengths)) if clear.any() else 0.0)


def shift_between(
    photo: np.ndarray, rendered: np.ndarray, common: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Smooth shifts (h, w, 2), pixels x and y, from what is rendered to where the photo shows it,
    and the contrast (h, w) that they rest on; common (h, w) bool: pixels that both show."""
    a, energy = _contrast(rendered, common)
    b, _ = _contrast(photo, common)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    shift = flow.calc(a, b, None)
    likely = np.linalg.norm(shift, axis=-1) < LARGEST
    return _smoothed(shift, (energy * likely).astype(np.float32)), energy


def _contrast(image: np.ndarray, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey bytes (h, w) of equal local mean and contrast, and that contrast, 0 outside."""
    grey = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2GRAY)
    weight = inner.astype(np.float32)
    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), CONTRAST), 1e-3)
    mean = cv2.GaussianBlur(grey * weight, (0, 0), CONTRAST) / total
    off = (grey - mean) * weight
    spread = np.sqrt(cv2.GaussianBlur(off**2, (0, 0), CONTRAST) / total)
    even = off / np.maximum(spread, LEAST_CONTRAST)
    return np.clip(128 + 40 * even, 0, 255).astype(np.uint8), (spread * weight).astype(np.float32)


def _smoothed(shift: np.ndarray, weight: np.ndarray) -> np.ndarray:
    total = cv2.GaussianBlur(weight, (0, 0), SMOOTH)
    summed = cv2.GaussianBlur(shift * weight[..., None], (0, 0), SMOOTH)
    return summed / np.maximum(total, 1e-6)[..., None]
