"""The frame in which the graph network sees a hand: the palm as the mean hand holds it.

The palm (wrist, thumb's and fingers' roots) is rigid in every pose. Keypoints are moved onto the
mean hand's by the similarity that fits the palm best, so that the network never meets rotation,
place and size, and its answers turn and grow exactly with its input. Joints beyond the palm have
a little weight, which settles the rest where much of the palm was not seen; joints that disagree
with the others lose theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from utils.keypoints import KEYPOINTS
from utils.keypoints.order import PALM

BEYOND_PALM = 0.02  # weight of the other joints
DISAGREEMENT = 0.015  # metres of a mean-sized hand at which a joint loses half its weight
ROUNDS = 3  # of reweighting; the first counts all joints that were seen
LEAST_SPREAD = 1e-12  # of keypoints that all coincide


@dataclass(frozen=True)
class PalmFrame:
    """Similarities world <- canonical of B hands: X = scale * rotation x + origin."""

    rotation: Tensor  # (B, 3, 3)
    scale: Tensor  # (B,) world units a metre of a hand whose palm is as large as the mean one
    origin: Tensor  # (B, 3) world units

    @staticmethod
    def of(points: Tensor, seen: Tensor, rest: Tensor) -> PalmFrame:
        """From keypoints (B, 21, 3), what was seen of them (B, 21) bool, and rest (21, 3), metres.

        Keypoints that were not seen may hold any finite number.
        """
        base = points.new_full((KEYPOINTS,), BEYOND_PALM)
        base[PALM] = 1.0
        base = base * seen
        weight = base
        for _ in range(ROUNDS):
            frame = _similarity(points, rest, weight)
            apart = frame.to_canonical(points) - rest
            weight = base / (1 + apart.square().sum(-1) / DISAGREEMENT**2)
        return frame

    def to_canonical(self, points: Tensor) -> Tensor:
        """World (B, N, 3) -> canonical (B, N, 3), metres."""
        return ((points - self.origin[:, None]) @ self.rotation) / self.scale[:, None, None]

    def to_world(self, points: Tensor) -> Tensor:
        """Canonical (B, N, 3), metres -> world (B, N, 3)."""
        turned = points @ self.rotation.transpose(1, 2)
        return self.scale[:, None, None] * turned + self.origin[:, None]


def _similarity(points: Tensor, rest: Tensor, weight: Tensor) -> PalmFrame:
    """Weighted least squares fit of points (B, N, 3) by rest (N, 3) (Umeyama 1991)."""
    share = (weight / weight.sum(1, keepdim=True).clamp(min=LEAST_SPREAD))[..., None]
    centre, rest_centre = (share * points).sum(1), (share * rest).sum(1)
    a, b = points - centre[:, None], rest - rest_centre[:, None]
    U, S, Vt = torch.linalg.svd((share * a).transpose(1, 2) @ b)
    sign = torch.ones_like(S)
    sign[:, 2] = torch.linalg.det(U @ Vt).sign()
    rotation = (U * sign[:, None]) @ Vt
    spread = (share * b.square()).sum((1, 2)).clamp(min=LEAST_SPREAD)
    scale = ((S * sign).sum(1) / spread).clamp(min=LEAST_SPREAD)
    origin = centre - scale[:, None] * (rotation @ rest_centre[..., None])[..., 0]
    return PalmFrame(rotation, scale, origin)
