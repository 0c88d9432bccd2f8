"""Refined hands in other poses: un-posed by their skinning, and posed again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.ham.reconstruction import Reconstruction
from models.hand.fitted import FittedHand, hand_slices
from utils.errors import UserError
from utils.io.checks import FileCheck, described
from utils.io.files import load_torch
from utils.keypoints import SIDES

Hands = list[dict[str, Any]]  # one dict a hand, as in mano_out/S.pt
POSE_SIZE = 48  # axis-angle: 3 global and 45
FORMS = (
    "read are .pt files of a list of hands as mano_out/S.pt is, and of a list of such lists, one a "
    "frame"
)


def load_poses(path: Path) -> list[Hands]:
    """Frames of an animation: a .pt of one list of hands as in mano_out/S.pt, or a list of those.

    A hand needs `type` and `pose` (48 numbers); `trans` (3) is optional. Raises UserError on
    anything else.
    """
    data = load_torch(path, FORMS)
    single = isinstance(data, list) and data and all(isinstance(x, dict) for x in data)
    frames = [data] if single else data
    if not isinstance(frames, list) or not frames:
        raise UserError(f"{path} holds no list of hands, but {described(data)}; {FORMS}")
    checked = []
    for number, hands in enumerate(frames):
        try:
            checked.append(_checked_hands(FileCheck(path, FORMS), hands))
        except UserError as error:
            raise UserError(
                f"{path}, frame {number}: expected a list of dicts with 'type' (left or right) and "
                f"a finite 'pose' of {POSE_SIZE} numbers, found: {error}"
            ) from error
    return checked


def _checked_hands(check: FileCheck, hands: Any) -> Hands:
    if not isinstance(hands, list) or not hands:
        raise check.error(f"the frame is {described(hands)}")
    checked = []
    for number, hand in enumerate(hands, 1):
        name = f"hand {number}"
        check.mapping(hand, name, ("type", "pose"))
        check.choice(hand["type"], f"{name}, type", SIDES)
        check.choice(hand.get("flat_hand_mean", False), f"{name}, flat_hand_mean", (False, True))
        tensors = {"pose": check.tensor(hand["pose"], f"{name}, pose", (POSE_SIZE,))}
        if "trans" in hand:
            tensors["trans"] = check.tensor(hand["trans"], f"{name}, trans", (3,))
        checked.append({**hand, **tensors})
    return checked


def repose(
    reconstruction: Reconstruction, target: Hands, verts: np.ndarray | None = None
) -> np.ndarray:
    """Vertices (V, 3), world units, of the refined hands in the poses of `target`.

    verts (V, 3) are the reconstruction's own unless given. Every hand keeps its shape and scale;
    one that `target` lacks stays where it is, and one without `trans` turns about its own wrist.
    Raises UserError where `target` names only hands that the reconstruction lacks.
    """
    wanted = _wanted(reconstruction, target)
    verts = reconstruction.verts if verts is None else verts
    moved, hands = torch.from_numpy(verts).clone().double(), reconstruction.hands
    for hand, hand_slice in zip(hands, hand_slices(len(moved), len(hands))):
        if hand["type"] in wanted:
            moved[hand_slice] = _repose_hand(
                moved[hand_slice], hand, wanted[hand["type"]], reconstruction.subdivisions
            )
    return moved.numpy()


def _wanted(reconstruction: Reconstruction, target: Hands) -> dict[str, dict[str, Any]]:
    """The hands of `target` by side."""
    wanted = {hand["type"]: hand for hand in target}
    if not set(wanted) & set(reconstruction.sides):
        raise UserError(
            f"the poses are of the {' and '.join(wanted)} hand, the reconstruction has the "
            f"{' and '.join(reconstruction.sides)} one"
        )
    return wanted


def posed_hands(reconstruction: Reconstruction, target: Hands) -> dict[str, FittedHand]:
    """The fitted hands by side, each in the pose of `target`, or as it is where that lacks it.

    Raises UserError as `repose`.
    """
    wanted, hands = _wanted(reconstruction, target), {}
    for hand in reconstruction.hands:
        fitted, side = FittedHand.of_dict(hand), hand["type"]
        hands[side] = posed_as(fitted, wanted[side]) if side in wanted else fitted
    return hands


def _repose_hand(verts: Tensor, hand: dict, target: dict, subdivisions: int) -> Tensor:
    fitted = FittedHand.of_dict(hand)
    rest = fitted.unposed(verts, subdivisions)
    return posed_as(fitted, target).reposed(rest, subdivisions)


def posed_as(fitted: FittedHand, target: dict[str, Any]) -> FittedHand:
    """The hand in the pose of `target`, and at its place where it names one."""
    pose = target["pose"].double().reshape(1, POSE_SIZE)
    if target.get("flat_hand_mean", False):
        pose = torch.cat([pose[:, :3], pose[:, 3:] - fitted.model.hands_mean], 1)
    trans = target.get("trans", fitted.trans).double().reshape(1, 3)
    return replace(fitted, pose=pose, trans=trans)
