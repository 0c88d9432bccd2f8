"""Which pixels of an image are the mask: white ones, labels above 0, or opaque ones."""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np

FEW_LABELS = 3  # different values, the background's included, of a label image
SMALL_LABELS = 16  # up to this value, labels may be more


class MaskForm(Enum):
    """How an image file holds a mask; the value says it in a note."""

    WHITE = "white where the hand is"
    LABELS = "of small values: any but the smallest is the hand"
    ALPHA = "in the alpha channel"
    DARK = "of grey values below half only: empty"


def mask_of(pixels: np.ndarray) -> tuple[np.ndarray, MaskForm]:
    """Mask (H, W) bool of decoded pixels (H, W) or (H, W, 1 to 4, BGR and alpha), and its form.

    Alpha is the mask where it varies and the colours are all the same or those of a photo; else
    the grey value is: at least half of what the type holds is the hand. Where nothing is that
    bright and there are two or three values, or none above 16 (label images, masks of 0 and 1),
    all values but the smallest are the hand.
    """
    alpha = pixels[..., -1] if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else None
    colors = pixels[..., :-1] if alpha is not None else pixels
    grey = _grey(colors)
    if alpha is not None and _varies(alpha) and not _is_two_valued(grey):
        return alpha > _half(alpha), MaskForm.ALPHA
    mask = grey > _half(grey)
    if mask.any() or not grey.any():
        return mask, MaskForm.WHITE
    values = np.unique(grey)
    if len(values) == 1:
        return mask, MaskForm.DARK
    if len(values) <= FEW_LABELS or values[-1] <= SMALL_LABELS:
        return grey > values[0], MaskForm.LABELS
    return mask, MaskForm.DARK


def _grey(colors: np.ndarray) -> np.ndarray:
    if colors.ndim == 2:
        return colors
    if colors.shape[2] == 1:
        return colors[..., 0]
    if (colors == colors[..., :1]).all():
        return colors[..., 0]
    return cv2.cvtColor(np.ascontiguousarray(colors), cv2.COLOR_BGR2GRAY)


def _half(channel: np.ndarray) -> float:
    """What is brighter belongs to the mask; of floats, 1 is white."""
    return 0.5 if channel.dtype.kind == "f" else np.iinfo(channel.dtype).max // 2


def _varies(channel: np.ndarray) -> bool:
    return bool(channel.min() < channel.max())


def _is_two_valued(grey: np.ndarray) -> bool:
    """Whether nearly all pixels are as dark as the darkest or as bright as the brightest, both."""
    low, high = float(grey.min()), float(grey.max())
    if low == high:
        return False
    ends = (grey <= low + 0.1 * (high - low)) | (grey >= high - 0.1 * (high - low))
    return bool(ends.mean() > 0.97)
