"""How sharp photos of one scene are, and which of them were shaken."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

MEASURED_SIDE = 960  # pixels of the longer side at which sharpness is measured
DIRECTIONS = 8
TYPICAL = 7  # neighbours on either side that a photo is held against
SHAKEN_BELOW = 0.6  # of its neighbours' sharpness


@dataclass(frozen=True)
class Look:
    """What a photo looks like: `sharpness` in [0, 1], mean `brightness` in [0, 255]."""

    sharpness: float
    brightness: float


def look_at(grey: np.ndarray) -> Look:
    """Measure a grey photo (H, W) uint8.

    Sharpness is the share of gradients that averaging over two pixels takes away, in the direction
    in which that is least: shaking wipes out the finest detail along its way, whatever the scene.
    """
    factor = MEASURED_SIDE / max(grey.shape)
    small = grey
    if factor < 1:
        small = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    image = small.astype(np.float32)
    fine, coarse = _gradients(image), _gradients(cv2.GaussianBlur(image, (0, 0), 1.5))
    angles = np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    along = np.stack([np.cos(angles), np.sin(angles)], 1)
    energies = [np.einsum("da,ab,db->d", along, tensor, along) for tensor in (fine, coarse)]
    lost = 1 - energies[1] / np.maximum(energies[0], 1e-9)
    return Look(float(lost.min().clip(0, 1)), float(grey.mean()))


def _gradients(image: np.ndarray) -> np.ndarray:
    """The structure tensor (2, 2) of a whole image."""
    x, y = cv2.Sobel(image, cv2.CV_32F, 1, 0), cv2.Sobel(image, cv2.CV_32F, 0, 1)
    return np.array([[(x * x).mean(), (x * y).mean()], [(x * y).mean(), (y * y).mean()]])


def shaken(looks: list[Look]) -> np.ndarray:
    """Which photos (N,) bool are much less sharp than those taken before and after them."""
    fine = np.array([_odds(look.sharpness) for look in looks])
    spoilt = np.zeros(len(fine), bool)
    for photo in range(len(fine)):
        near = fine[max(photo - TYPICAL, 0) : photo + TYPICAL + 1]
        spoilt[photo] = fine[photo] < SHAKEN_BELOW * np.median(near)
    return spoilt


def _odds(sharpness: float) -> float:
    return sharpness / max(1 - sharpness, 1e-3)
