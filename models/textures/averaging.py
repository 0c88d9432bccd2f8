"""What photos said of a texture's texels, averaged; and how much of that is the surface's."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from models.textures import kernels
from models.textures.layout import Texels
from utils.render.cpu.threads import run, split, thread_count

OUTLIER = 0.03  # of albedo: differences from the average that count half
NEIGHBOURS = 6.0  # texels over which signal and noise are compared


def averaged(
    said: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], center: np.ndarray, robust: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means (N, 3) of what photos said of the texels, and summed weights (N,).

    said: texels (n,), values and trust (n, 4), weights (n,) of every view; weights fall with the
    distance from `center` (N, 3) over OUTLIER where `robust`.
    """
    sums, totals = np.zeros_like(center), np.zeros(len(center), np.float32)
    outlier = np.float32(OUTLIER if robust else 0)

    def add_some(first: int, last: int) -> None:
        for view in said:
            kernels.add_said(first, last, *view, center, outlier, sums, totals)

    run(add_some, split(0, len(center), thread_count()))
    return sums / np.maximum(totals, 1e-12)[:, None], totals


def agreement(
    texels: Texels,
    detail: np.ndarray,
    total: np.ndarray,
    said: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    center: np.ndarray,
) -> np.ndarray:
    """The share (N,) of the detail that is the surface's and not one view's (Wiener's filter).

    Signal and noise are compared over NEIGHBOURS texels: the average's power, and that power's
    part which comes from what the views' values differ by. Texels of one view have no such
    measure: they get the hands' median share. said and center are `averaged`'s.
    """
    count = len(detail)
    squares, spread = np.zeros((2, count), np.float32)

    def add_some(first: int, last: int) -> None:
        for view in said:
            kernels.add_spread(
                first, last, *view, center, detail, np.float32(OUTLIER), squares, spread
            )

    run(add_some, split(0, count, thread_count()))
    spread /= np.maximum(total, 1e-12)
    views = total**2 / np.maximum(squares, 1e-20)  # as many of equal weight
    several = views > 1.5
    noise = spread / np.maximum(views - 1, 0.5)
    power = (detail**2).sum(1)
    picture = np.zeros((*texels.shape, 3), np.float32)
    picture[texels.y, texels.x] = np.column_stack([power, noise, np.ones(count)]) * several[:, None]
    near = cv2.GaussianBlur(picture, (0, 0), NEIGHBOURS)[texels.y, texels.x]
    share = np.clip(1 - near[:, 1] / np.maximum(near[:, 0], 1e-12), 0, 1)
    usual = float(np.median(share[several])) if several.any() else 0.0
    known = np.clip(near[:, 2], 0, 1)
    return (known * share + (1 - known) * usual).astype(np.float32)
