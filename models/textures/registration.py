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
class RegisteredView:
    """image (H, W, 3): the photo laid over the rendering; misalignment: median pixels of shift
    that was found where there is contrast."""

    image: np.ndarray
    misalignment: float


def register(photo: np.ndarray, rendered: np.ndarray, covered: np.ndarray) -> RegisteredView:
    """Lay a photo (H, W, 3) over its rendering where that covers (H, W) bool.

    Dense optical flow (DIS, Kroeger et al. 2016) between pictures of equal local contrast,
    smoothed by the contrast that it rests on.
    """
    box = _box(covered)
    if box is None:
        return RegisteredView(photo, 0.0)
    y0, y1, x0, x1 = box
    inner, own = covered[y0:y1, x0:x1], photo[y0:y1, x0:x1]
    a, energy = _contrast(rendered[y0:y1, x0:x1], inner)
    b, _ = _contrast(own, inner)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow.setFinestScale(1)
    shift = flow.calc(a, b, None)
    weight = np.where(np.linalg.norm(shift, axis=-1) < LARGEST, energy, 0) * inner
    smooth = _smoothed(shift, weight.astype(np.float32))
    y, x = np.indices(inner.shape, np.float32)
    image = photo.copy()
    image[y0:y1, x0:x1] = cv2.remap(
        own, x + smooth[..., 0], y + smooth[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    clear = inner & (energy > np.median(energy[inner]))
    return RegisteredView(
        image.clip(0, 1), float(np.median(np.linalg.norm(smooth[clear], axis=-1)))
    )


def _box(covered: np.ndarray, margin: int = 16) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    if not len(rows):
        return None
    height, width = covered.shape
    return (
        max(rows[0] - margin, 0), min(rows[-1] + margin + 1, height),
        max(columns[0] - margin, 0), min(columns[-1] + margin + 1, width),
    )  # fmt: skip


def _contrast(image: np.ndarray, inner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grey bytes (H, W) of equal local mean and contrast, and that contrast, 0 outside."""
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
