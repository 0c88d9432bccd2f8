"""Which of two hands is the left one: the detector's votes, and how the fingers bend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.gcn.network import HandGCN
from models.gcn.prediction import LEAST_MISFIT, misfit, predict
from models.hand import HandModel
from utils.keypoints import SIDES
from utils.keypoints.views import hands_in

TWICE = np.log(2.0)  # a fit twice as good counts as much as the votes of all views


@dataclass(frozen=True)
class Sides:
    """What speaks for the hands' names."""

    exchange: bool  # the first hand is the right one
    evidence: np.ndarray  # (2,) of each hand as it came; above 0: left; nan: no such hand
    clearness: float  # how clearly the names are as they are; near 0: not at all

    def notes(self, clear: float) -> list[str]:
        """What a user should know; `clear` as the config's key clear_side."""
        both = np.isfinite(self.evidence).all()
        if both and min(abs(self.evidence)) > clear and np.prod(np.sign(self.evidence)) > 0:
            side = SIDES[0] if self.evidence[0] > 0 else SIDES[1]
            return [
                f"both hands look like {side} hands (two people?): the one that looks more like it "
                "got that name; look at the overlays"
            ]
        if self.clearness < clear:
            return [
                f"left or right is ambiguous (evidence {self.clearness:.2f} of 1): the detector's "
                "names and the fingers' bend say about as much for either; look at the overlays"
            ]
        return []


def name_hands(
    network: HandGCN,
    models: Mapping[str, HandModel],
    points: np.ndarray,
    votes: Sequence[Sequence[float]],
) -> Sides:
    """Name hands points (2, 21, 3), nan: not seen, whose names are unknown.

    votes: for each hand, how likely (0 to 1) each view takes it for a left one. A single view is
    often wrong; bent fingers tell a hand from its mirror image for certain.
    """
    evidence = np.full(2, np.nan)
    for hand in (0, 1):
        seen = np.full(points.shape, np.nan)
        seen[0] = points[hand]
        if hands_in(seen):
            voted = float(np.mean(2 * np.array(votes[hand]) - 1)) if len(votes[hand]) else 0.0
            evidence[hand] = voted + bend_evidence(network, models, points[hand])
    signed = np.nansum([evidence[0], -evidence[1]])
    clearness = abs(signed) / max(np.isfinite(evidence).sum(), 1)
    return Sides(bool(signed < 0), evidence, float(clearness))


def bend_evidence(network: HandGCN, models: Mapping[str, HandModel], points: np.ndarray) -> float:
    """How much better points (21, 3) fit a left hand than a right one: log ratio, 1 is twice."""
    fits = [max(misfit(predict(network, models[s], points), points), LEAST_MISFIT) for s in SIDES]
    return float(np.log(fits[1] / fits[0]) / TWICE)
