"""From triangulated keypoints to both hands: the frame before, the names, the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.gcn import HandGCN
from models.gcn_hands import NetworkHand, predict
from models.gcn_prior import correct
from models.hand_fitting import hands_in
from models.hand_model import HandModel
from utils.errors import UserError
from utils.keypoints import KEYPOINTS, SIDES
from utils.multiview import MIN_JOINTS

AMBIGUOUS = 0.8  # mirror evidence above which either name would do
LEAST_MISFIT = 1e-3  # metres of a natural hand: better fits tell nothing


@dataclass(frozen=True)
class Prediction:
    """What the network makes of one frame."""

    hands: list[NetworkHand]  # left first
    points: np.ndarray  # (2, 21, 3) the keypoints that count, under the right names; nan: not seen
    renamed: bool  # left and right were exchanged
    dropped: int  # keypoints that had jumped since the frame before
    lent: int  # keypoints that the frame before filled in
    evidence: float | None  # see `mirror_evidence`; None: the frame before decided the names
    misfits: list[float]  # of each hand, metres of the model, see `misfit`

    def metrics(self) -> dict[str, Any]:
        """What S.json holds of the prediction."""
        return {
            "renamed": self.renamed,
            "keypoints_dropped": self.dropped,
            "keypoints_lent": self.lent,
            "mirror_evidence": self.evidence,
            "misfit_mm": [round(1000 * value, 2) for value in self.misfits],
        }

    def summary_lines(self) -> list[str]:
        """What a user should read."""
        lines = [
            f"{hand.hand.side} hand: predicted, {1000 * value:.1f} mm from its keypoints (mean)"
            for hand, value in zip(self.hands, self.misfits)
        ]
        if self.renamed:
            fits = f"as named, keypoints fit {self.evidence or 0:.1f} times worse"
            why = "as in the frame before" if self.evidence is None else fits
            lines.append(f"left and right exchanged: {why}")
        elif self.evidence is not None and self.evidence > AMBIGUOUS:
            lines.append("left or right: the keypoints fit either; the names are the detector's")
        if self.dropped or self.lent:
            lines.append(f"frame before: {self.dropped} keypoints dropped, {self.lent} filled in")
        return lines


def predict_hands(
    network: HandGCN,
    models: Mapping[str, HandModel],
    points: np.ndarray,
    before: np.ndarray | None,
    options: Mapping[str, Any],
) -> Prediction:
    """Predict the hands of keypoints (2, 21, 3), world units, left then right, nan: not seen.

    models: float64, by side; before: all keypoints of the frame before, or None; options: the
    config's section `multihands`. Raises UserError when no hand has enough keypoints.
    """
    if not hands_in(points):
        raise UserError(
            f"keypoints: no hand has {MIN_JOINTS} of {KEYPOINTS} keypoints in 3D; look at the "
            "overlays in keypoints3d and detect again"
        )
    evidence, renamed, dropped, lent = None, False, 0, 0
    given = observed = points
    if before is not None:
        held = correct(points, before, network.rest, options["prior_radius"])
        given, observed, renamed = held.points, held.observed, held.swapped
        dropped, lent = held.dropped, held.lent
    else:
        evidence = mirror_evidence(network, models, points)
        renamed = evidence > options["mirror_evidence"]
        given = observed = points[::-1].copy() if renamed else points
    sides = hands_in(observed)
    hands = [predict(network, models[side], given[SIDES.index(side)]) for side in sides]
    misfits = [misfit(hand, given[SIDES.index(hand.hand.side)]) for hand in hands]
    return Prediction(hands, observed, renamed, dropped, lent, evidence, misfits)


def misfit(found: NetworkHand, points: np.ndarray) -> float:
    """Mean distance of the network's keypoints to the seen ones (21, 3), metres of the model."""
    apart = np.linalg.norm(found.hand.keypoints().numpy() - points, axis=1)
    return float(np.nanmean(apart) / found.hand.scale)


def mirror_evidence(network: HandGCN, models: Mapping[str, HandModel], points: np.ndarray) -> float:
    """How many times better the hands' keypoints (2, 21, 3) fit the other sides' hands.

    The geometric mean over the hands that were seen: bent fingers tell. About 1: flat hands,
    which tell nothing; below 1: the names are right. points: nan where not seen.
    """
    ratios = []
    for side in hands_in(points):
        seen = points[SIDES.index(side)]
        other = SIDES[1 - SIDES.index(side)]
        own, mirrored = (misfit(predict(network, models[s], seen), seen) for s in (side, other))
        ratios.append(max(own, LEAST_MISFIT) / max(mirrored, LEAST_MISFIT))
    return float(np.exp(np.mean(np.log(ratios))))


def joined_verts(hands: Sequence[NetworkHand]) -> np.ndarray:
    """All hands' meshes one after another (V, 3), world units."""
    return np.concatenate([hand.verts.numpy() for hand in hands])
