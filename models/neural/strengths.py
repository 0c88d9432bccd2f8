"""How much a neural renderer may add to the mesh's shading: what views held out of training say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from models.neural.known import KnownPixels
from models.neural.training import Trained
from utils.metrics.image import align_colors, psnr

# Strengths of the static colour and of the network, the weakest first.
STATIC, NETWORK = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 0.5, 0.75, 1.0)
CAUTION = 0.5  # standard deviations of the views' gains
STRENGTHS = sorted(((s, n) for s in STATIC for n in NETWORK), key=sum)


@torch.no_grad()
def try_strengths(trained: Trained, held_out: KnownPixels) -> np.ndarray:
    """PSNR (views, STRENGTHS) in the views of pixels that the renderer was not trained on.

    It isn't told their exposure: colours are aligned.
    """
    return np.array(
        [
            [_aligned_psnr(base + s * static + r * residual, photo) for s, r in STRENGTHS]
            for base, static, residual, photo in _color_parts(trained, held_out)
        ]
    )


@torch.no_grad()
def view_psnr(trained: Trained, held_out: KnownPixels) -> float:
    """The views' mean PSNR with the strengths that the renderer has; colours are aligned."""
    static_strength, strength = trained.model.strengths
    scores = [
        _aligned_psnr(base + static_strength * static + strength * residual, photo)
        for base, static, residual, photo in _color_parts(trained, held_out)
    ]
    return float(np.mean(scores))


def best_strengths(scores: np.ndarray) -> int:
    """The place in STRENGTHS that is best by PSNR (views, STRENGTHS).

    That which gains most over the mesh's own shading, by the mean less CAUTION standard deviations:
    a setting that helps most views and spoils a few is passed over.
    """
    gains = scores - scores[:, :1]
    return int(np.argmax(gains.mean(0) - CAUTION * gains.std(0)))


def strengths_report(scores: np.ndarray, views: Sequence[int]) -> dict[str, Any]:
    """What was tried in which views, as plain data; the mesh's own shading first."""
    best = best_strengths(scores)
    settings = [
        {"static": s, "network": r, "psnr": float(column.mean())}
        for (s, r), column in zip(STRENGTHS, scores.T)
    ]
    return {
        "views": [int(view) for view in views],
        "mesh": [float(x) for x in scores[:, 0]],
        "neural": [float(x) for x in scores[:, best]],
        "settings": settings,
        "chosen": list(STRENGTHS[best]),
    }


def _color_parts(trained: Trained, known: KnownPixels) -> Iterator[tuple[torch.Tensor, ...]]:
    """Shading, static colour, the network's part and the photo (N, 3) of one view after another."""
    for view in known.pixels.view.unique().tolist():
        in_view = known.part(known.pixels.view == view)
        yield *in_view.parts(trained.model), in_view.pixels.color


def _aligned_psnr(colors: torch.Tensor, photo: torch.Tensor) -> float:
    drawn, seen = (x.clamp(0, 1).cpu().numpy()[None] for x in (colors, photo))
    region = np.ones((1, len(colors)), bool)
    return psnr(align_colors(drawn, seen, region).apply(drawn), seen, region)
