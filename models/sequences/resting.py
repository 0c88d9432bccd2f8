"""One hand's fine mesh in its rest pose: where detail is kept from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

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
        self.model = model
        self.subdivisions, self.finer = subdivisions, model.subdivide(subdivisions)
        self.weights = self.finer.carry(model.weights)  # (V', 16)
        self.faces = self.finer.faces
        self._last: _Posed | None = None

    def reference(self, hand: FittedHand) -> Tensor:
        """The parametric hand's fine vertices (V', 3), world units."""
        return self._of(hand).reference

    def rest(self, hand: FittedHand) -> Tensor:
        """The same in the rest pose (V', 3), metres."""
        return self._of(hand).rest

    def offsets(self, hand: FittedHand, verts: Tensor) -> Tensor:
        """Offsets of refined vertices (V', 3), world units, in this hand's pose."""
        return self.unposed(hand, verts) - self.rest(hand)

    def posed(self, hand: FittedHand, offsets: Tensor) -> Tensor:
        """The inverse of `offsets`: vertices (V', 3), world units."""
        own = self._of(hand)
        return hand.model.repose((own.rest + offsets)[None], *own.skinning)[0]

    def unposed(self, hand: FittedHand, verts: Tensor) -> Tensor:
        """Vertices (V', 3), world units, in the rest pose, metres."""
        with torch.no_grad():
            return hand.model.unpose(verts[None], *self._of(hand).skinning)[0]

    def smoothed(self, values: Tensor, smoothness: float) -> Tensor:
        """(I + smoothness L)^-1 values (V', C) float32, L the graph Laplacian: mean and order of
        size stay, what changes within sqrt(smoothness) edges goes."""
        return smoothing_solver(self.faces, len(self.weights), smoothness).solve(values)

    @torch.no_grad()
    def _of(self, hand: FittedHand) -> _Posed:
        """What all that is asked of a hand has in common; of the last one, it is kept."""
        if self._last is None or self._last.hand is not hand:
            corrected = self.finer.carry(hand.model.pose_offsets(hand.pose))
            skinning = hand.pose, hand.shape, hand.trans, hand.scale, self.weights, corrected
            reference = self.finer.carry(hand.verts())
            rest = hand.model.unpose(reference[None], *skinning)[0]
            self._last = _Posed(hand, skinning, reference, rest)
        return self._last


@dataclass(frozen=True)
class _Posed:
    """A hand with how it is skinned, and its fine vertices (V', 3), posed and at rest."""

    hand: FittedHand
    skinning: tuple[Tensor, ...]
    reference: Tensor
    rest: Tensor
