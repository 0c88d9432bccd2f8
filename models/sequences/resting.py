"""One hand's fine mesh in its rest pose: where detail is kept from frame to frame."""

from __future__ import annotations

import torch
from torch import Tensor

from models.ham.preconditioning import smoothing_solver
from models.hand import HandModel
from models.hand.fitted import FittedHand


class RestingMesh:
    """The subdivided mesh of a hand model; what depends on its topology alone is made once.

    Offsets (V', 3), metres, are what a refined hand has beyond the parametric hand of the same
    pose and shape, both un-posed by the same skinning.
    """

    def __init__(self, model: HandModel, subdivisions: int) -> None:
        self.subdivisions, self.finer = subdivisions, model.subdivide(subdivisions)
        self.weights = self.finer.carry(model.weights)  # (V', 16)
        self.faces = self.finer.faces

    def reference(self, hand: FittedHand) -> Tensor:
        """The parametric hand's fine vertices (V', 3), world units."""
        return self.finer.carry(hand.verts())

    def offsets(self, hand: FittedHand, verts: Tensor) -> Tensor:
        """Offsets of refined vertices (V', 3), world units, in this hand's pose."""
        return self.unposed(hand, verts) - self.unposed(hand, self.reference(hand))

    def posed(self, hand: FittedHand, offsets: Tensor) -> Tensor:
        """The inverse of `offsets`: vertices (V', 3), world units."""
        rest = self.unposed(hand, self.reference(hand)) + offsets
        return hand.model.repose(rest[None], *self._skinning(hand))[0]

    def unposed(self, hand: FittedHand, verts: Tensor) -> Tensor:
        """Vertices (V', 3), world units, in the rest pose, metres."""
        with torch.no_grad():
            return hand.model.unpose(verts[None], *self._skinning(hand))[0]

    def smoothed(self, values: Tensor, smoothness: float) -> Tensor:
        """(I + smoothness L)^-1 values (V', C) float32, L the graph Laplacian: mean and order of
        size stay, what changes within sqrt(smoothness) edges goes."""
        return smoothing_solver(self.faces, len(self.weights), smoothness).solve(values)

    def _skinning(self, hand: FittedHand) -> tuple[Tensor, ...]:
        offsets = self.finer.carry(hand.model.pose_offsets(hand.pose))
        return hand.pose, hand.shape, hand.trans, hand.scale, self.weights, offsets
