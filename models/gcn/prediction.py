"""From triangulated keypoints to both hands: what the frame before says, the names, the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.gcn.batch_poser import scale_and_origin
from models.gcn.frame import PalmFrame
from models.gcn.network import Canonical, HandGCN
from models.gcn.weights import MIRROR, MIRROR_TURN
from models.hand import HandModel
from models.hand.fitted import FittedHand
from utils.errors import UserError
from utils.geometry.rotations import rotation_matrices
from utils.keypoints import KEYPOINTS, SIDES
from utils.keypoints.views import MIN_JOINTS, hands_in

AMBIGUOUS = 0.8  # mirror evidence above which either name would do
LEAST_MISFIT = 1e-3  # metres of a natural hand: better fits tell nothing
SWAPPED = 0.5  # hands trade names where that brings them this much nearer to the frame before


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

    @property
    def fitted_hands(self) -> list[FittedHand]:
        """The hands' parameters, left first."""
        return [hand.hand for hand in self.hands]

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


def misfit(predicted: NetworkHand, points: np.ndarray) -> float:
    """Mean distance of the network's keypoints to the seen ones (21, 3), metres of the model."""
    apart = np.linalg.norm(predicted.hand.keypoints().numpy() - points, axis=1)
    return float(np.nanmean(apart) / predicted.hand.scale)


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


@dataclass(frozen=True)
class NetworkHand:
    """What the network makes of one hand's keypoints, in world coordinates."""

    hand: FittedHand  # parameters; scale and place are those that fit the mesh best
    verts: Tensor  # (V, 3) float64: the network's own mesh


def predict(network: HandGCN, model: HandModel, points: np.ndarray) -> NetworkHand:
    """One hand from its keypoints (21, 3), world units, nan where not seen.

    `model` (float64) says the side; whether enough keypoints were seen is the caller's to know.
    """
    with torch.inference_mode():
        tensors = _predicted(network, model, points)
    verts, pose, shape, trans, scale = (x.clone() for x in tensors)  # ordinary tensors again
    return NetworkHand(FittedHand(model, pose, shape, trans, scale), verts)


def _predicted(network: HandGCN, model: HandModel, points: np.ndarray) -> tuple[Tensor, ...]:
    """Vertices (V, 3), pose (1, 48), shape (1, 10), trans (1, 3) and scale (1,), float64."""
    given = as_right(torch.from_numpy(np.nan_to_num(points)).double(), model)
    seen = torch.from_numpy(np.isfinite(points).all(1))
    # Worlds may be large and far off; float32 is enough beside the hand itself.
    centre, size = given[seen].mean(0), given[seen].std().clamp(min=1e-12)
    near = torch.where(seen[:, None], (given - centre) / size, 0.0).float()
    canonical, frame = network(near.reshape(1, KEYPOINTS, 3), seen[None])
    verts = frame.to_world(canonical.verts)[0].double() * size + centre
    verts = as_right(verts, model)  # the mirror is its own inverse
    pose, shape = _world_pose(canonical, frame), canonical.shape.double()
    if model.side == "left":
        pose = (pose.unflatten(1, (16, 3)) * torch.tensor(MIRROR_TURN)).flatten(1)
    posed, _ = model(pose, shape, torch.zeros(1, 3).double(), torch.ones(1).double())
    scale, trans = scale_and_origin(posed, verts[None])
    return verts, pose, shape, trans, scale


def as_right(points: Tensor, model: HandModel) -> Tensor:
    """Points (..., 3) of the model's side as a right hand's: mirrored if it is the left."""
    return points * points.new_tensor(MIRROR) if model.side == "left" else points


def _world_pose(canonical: Canonical, frame: PalmFrame) -> Tensor:
    """(B, 48) with the global rotation in the world."""
    from scipy.spatial.transform import Rotation

    turned = frame.rotation.double() @ rotation_matrices(canonical.pose[:, :3].double())
    turns = torch.from_numpy(Rotation.from_matrix(turned.numpy()).as_rotvec())
    return torch.cat([turns, canonical.pose[:, 3:].double()], 1)


@dataclass(frozen=True)
class Corrected:
    """Keypoints (2, 21, 3) of one frame after a look at the one before, and what was done."""

    points: np.ndarray  # nan where neither frame knows; for the network
    observed: np.ndarray  # the same without what the frame before lent
    swapped: bool
    dropped: int  # keypoints that had jumped
    lent: int  # keypoints taken from the frame before, moved along with the hand


def correct(points: np.ndarray, before: np.ndarray, rest: torch.Tensor, radius: float) -> Corrected:
    """Hold keypoints (2, 21, 3) against those of the frame before, world units, nan: unknown.

    rest (21, 3) are the mean right hand's (`network.mean_hand`), metres. The frame before is
    moved onto each hand's palm; keypoints farther than `radius` (metres of a natural hand) from
    there have jumped and are replaced. A hand that was hardly seen (fewer than MIN_JOINTS
    keypoints) stays unseen: nothing is made up.
    """
    swapped = _names_swapped(points, before)
    observed = points[::-1].copy() if swapped else points.copy()
    lent = observed.copy()
    dropped, rests = 0, (rest * rest.new_tensor([-1.0, 1.0, 1.0]), rest)
    for hand in range(len(SIDES)):
        seen = np.isfinite(observed[hand]).all(1)
        if seen.sum() < MIN_JOINTS or not np.isfinite(before[hand]).all():
            continue
        expected, unit = _moved_along(observed[hand], seen, before[hand], rests[hand])
        jumped = seen & (np.linalg.norm(observed[hand] - expected, axis=1) > radius * unit)
        if (seen & ~jumped).sum() >= MIN_JOINTS:
            dropped += int(jumped.sum())
            observed[hand][jumped] = np.nan
        unknown = ~np.isfinite(observed[hand]).all(1)
        lent[hand] = np.where(unknown[:, None], expected, observed[hand])
    count = int(np.isfinite(lent).all(2).sum() - np.isfinite(observed).all(2).sum())
    return Corrected(lent, observed, swapped, dropped, count)


def _moved_along(
    points: np.ndarray, seen: np.ndarray, before: np.ndarray, rest: torch.Tensor
) -> tuple[np.ndarray, float]:
    """The hand before (21, 3) on this frame's palm, and world units per metre."""
    rest = rest.double()
    known = torch.ones(1, len(before), dtype=torch.bool)
    earlier, now = (torch.from_numpy(np.nan_to_num(x))[None] for x in (before, points))
    shape = PalmFrame.of(earlier, known, rest).to_canonical(earlier)
    frame = PalmFrame.of(now, torch.from_numpy(seen)[None], shape[0])
    return frame.to_world(shape)[0].numpy(), float(frame.scale)


def _names_swapped(points: np.ndarray, before: np.ndarray) -> bool:
    """Whether both hands come nearer to the frame before, by SWAPPED, when they trade names."""
    straight, crossed = (
        [np.linalg.norm(a - b, axis=1) for a, b in zip(order, before)]
        for order in (points, points[::-1])
    )
    straight, crossed = (np.concatenate(x) for x in (straight, crossed))
    if not (np.isfinite(straight).any() or np.isfinite(crossed).any()):
        return False
    near, far = (np.nanmedian(x) if np.isfinite(x).any() else np.inf for x in (crossed, straight))
    return bool(near < SWAPPED * far)
