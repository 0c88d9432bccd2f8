"""Pictures by which a fit is judged: photo beside re-rendering and outlines, and loss curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils import draw
from utils.files import atomic_path

STRIP = 28  # pixels, height of the title


def comparison(
    photo: np.ndarray,
    rendered: np.ndarray,
    covered: np.ndarray,
    covered_at_start: np.ndarray,
    title: str,
) -> np.ndarray:
    """Photo with both outlines (start red, end green) | re-rendering in the photo | difference.

    photo, rendered (H, W, 3) in [0, 1]; covered (H, W) bool. Returns (H + STRIP, 3 W, 3), the
    title in a strip above. The difference is amplified four times and drawn about grey.
    """
    outlined = draw.mask_outline(photo, covered_at_start, draw.BAD)
    outlined = draw.mask_outline(outlined, covered, draw.GOOD)
    inserted = np.where(covered[..., None], rendered, photo)
    difference = np.where(covered[..., None], 0.5 + 4 * (photo - rendered), 0.5)
    row = np.concatenate([outlined, inserted, np.clip(difference, 0, 1)], 1).astype(np.float32)
    strip = np.zeros((STRIP, row.shape[1], 3), np.float32)
    return np.concatenate([draw.caption(strip, title, scale=0.6), row])


def save_loss_curve(
    path: Path, history: Sequence[dict[str, float]], level_starts: Sequence[int]
) -> None:
    """Draw every term of `history` (one dict a step) over the steps; levels are marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 5), constrained_layout=True)
    for name in history[0] if history else ():
        if name != "seconds":
            values = np.array([step[name] for step in history])
            width = 2.5 if name == "total" else 1.2
            axes.plot(np.maximum(values, 1e-8), label=name, linewidth=width)
    for start in level_starts:
        axes.axvline(start, color="0.8", zorder=0)
    axes.set(xlabel="step", ylabel="weighted term", yscale="log")
    if history:
        axes.legend(ncols=4, fontsize="small")
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110)
    plt.close(figure)
