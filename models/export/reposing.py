"""Refined hands in other poses: un-posed by their skinning, and posed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from models.ham.reconstruction import Reconstruction
from models.hand.fitted import FittedHand, hand_slices
from utils.errors import UserError
from utils.motion.track import POSE_SIZE, Hands


class Reposer:
    """A reconstruction's hands at rest, which take one pose after another.

    verts (V, 3), world units, are the reconstruction's own unless given. Un-posing and the finer
    meshes' skinning weights are worked out once; a pose of both hands of 52,000 vertices then
    takes some tens of milliseconds.
    """

    def __init__(self, reconstruction: Reconstruction, verts: np.ndarray | None = None) -> None:
        self.sides = reconstruction.sides
        verts = reconstruction.verts if verts is None else verts
        self._captured = torch.from_numpy(verts).double()
        slices = hand_slices(len(verts), len(self.sides))
        self._hands = {
            hand["type"]: _RestHand(
                FittedHand.of_dict(hand), self._captured[own], reconstruction.subdivisions
            )
            for hand, own in zip(reconstruction.hands, slices)
        }
        self._slices = dict(zip(self.sides, slices))

    def verts(self, target: Hands) -> np.ndarray:
        """Vertices (V, 3), world units, in the poses of `target`.

        Every hand keeps its shape and scale; one that `target` lacks stays where it is, and one
        without `trans` turns about its own wrist. Raises UserError where `target` names only hands
        that the reconstruction lacks.
        """
        wanted, moved = self._wanted(target), self._captured.clone()
        for side in set(wanted) & set(self.sides):
            moved[self._slices[side]] = self._hands[side].posed(wanted[side])
        return moved.numpy()

    def hands(self, target: Hands) -> dict[str, FittedHand]:
        """The fitted hands by side, each in the pose of `target`, or as it is where that lacks it.

        Raises UserError as `verts`.
        """
        wanted = self._wanted(target)
        return {
            side: posed_as(rest.fitted, wanted[side]) if side in wanted else rest.fitted
            for side, rest in self._hands.items()
        }

    def check(self, frames: Sequence[Hands]) -> None:
        """Raise UserError where one of the frames names only hands that are not here."""
        for target in frames:
            self._wanted(target)

    def _wanted(self, target: Hands) -> dict[str, dict[str, Any]]:
        """The hands of `target` by side."""
        wanted = {hand["type"]: hand for hand in target}
        if not set(wanted) & set(self.sides):
            raise UserError(
                f"the poses are of the {' and '.join(wanted)} hand, the reconstruction has the "
                f"{' and '.join(self.sides)} one"
            )
        return wanted


class _RestHand:
    """One hand at rest: its subdivided mesh (V', 3), metres, and what skins it."""

    def __init__(self, fitted: FittedHand, verts: Tensor, subdivisions: int) -> None:
        self.fitted, finer = fitted, fitted.model.subdivide(subdivisions)
        self.carry, self.weights = finer.carry, finer.carry(fitted.model.weights)
        self.rest = fitted.unposed(verts, subdivisions)

    def posed(self, target: dict[str, Any]) -> Tensor:
        """Vertices (V', 3), world units, in the pose of `target`."""
        hand = posed_as(self.fitted, target)
        offsets = self.carry(hand.model.pose_offsets(hand.pose))
        place = hand.pose, hand.shape, hand.trans, hand.scale
        return hand.model.repose(self.rest[None], *place, self.weights, offsets)[0]


def repose(
    reconstruction: Reconstruction, target: Hands, verts: np.ndarray | None = None
) -> np.ndarray:
    """Vertices (V, 3), world units, of the refined hands in one pose: `Reposer`, for one frame."""
    return Reposer(reconstruction, verts).verts(target)


def posed_as(fitted: FittedHand, target: dict[str, Any]) -> FittedHand:
    """The hand in the pose of `target`, and at its place where it names one.

    `flat_hand_mean`: its fingers are whole rotations; `wrist_from_captured`: its first three
    numbers are a turn about the captured wrist's own axes, not a rotation in the world.
    """
    pose = target["pose"].double().reshape(1, POSE_SIZE)
    wrist, fingers = pose[:, :3], pose[:, 3:]
    if target.get("flat_hand_mean", False):
        fingers = fingers - fitted.model.hands_mean
    if target.get("wrist_from_captured", False):
        captured = Rotation.from_rotvec(fitted.pose[:, :3].numpy())
        turned = captured * Rotation.from_rotvec(wrist.numpy())
        wrist = torch.from_numpy(turned.as_rotvec())
    trans = target.get("trans", fitted.trans).double().reshape(1, 3)
    return replace(fitted, pose=torch.cat([wrist, fingers], 1), trans=trans)
