"""What explains a capture: a cause, its remedy, and how much of the residual it takes away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from utils.captures.diagnosis.sightings import Fit

MOST_AGREE = 0.7  # share of the detections that fit: below, pixels of the rest say little
HARDLY = 0.7  # of the median residual: then it is few views that agree better


@dataclass(frozen=True)
class Explanation:
    """One cause, what to do about it, how the views agree once it is undone, and numbers."""

    kind: str  # scale, crop, convention, order of cameras, ...
    cause: str
    change: str  # how the text goes on before the numbers: "scaled by 0.8"
    remedy: str
    fit: Fit
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def said(self, before: Fit) -> str:
        """The cause, and how the views agree before and after."""
        return f"{self.cause}: {self.change} {effect(before, self.fit)}"


def effect(before: Fit, after: Fit) -> str:
    """How the views agree before and after, in words."""
    if before.fitting < MOST_AGREE:
        return (
            f"{100 * after.fitting:.0f} % of the detected hands agree instead of "
            f"{100 * before.fitting:.0f} %, with a median residual of {after.pixels:.1f} px"
        )
    if after.pixels > HARDLY * before.pixels:
        return (
            f"detections lie {100 * after.mean:.1f} % of a hand's size off instead of "
            f"{100 * before.mean:.0f} % (the mean)"
        )
    return f"the median residual falls from {before.pixels:.1f} px to {after.pixels:.1f} px"
