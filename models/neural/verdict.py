"""What the training of a renderer says of itself: whether views held out gain by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from utils.verdict import Limit, Verdict, assess

LIMITS = (
    Limit(
        "gain",
        doubtful=0.0,
        failed=None,
        says="views held out of training lose {value:.2f} dB by the network; the mesh's own "
        "shading is better there",
        below=True,
    ),
)


def judge_renderer(report: Mapping[str, Any]) -> Verdict:
    """The verdict on a fit's report, by the mean gain (dB) in views held out; good without any."""
    tried = report["tried"]
    if not tried:
        return assess({}, LIMITS)
    return assess({"gain": float(np.mean(tried["neural"]) - np.mean(tried["mesh"]))}, LIMITS)
