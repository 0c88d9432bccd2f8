"""The suite's own .pt files of poses: hands as mano_out/S.pt has them, or a list of such lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from utils.errors import UserError
from utils.io.checks import FileCheck
from utils.io.described import described
from utils.io.files import load_torch
from utils.keypoints import SIDES
from utils.motion.track import POSE_SIZE, Hands

FORMS = (
    "read are .pt files of a list of hands as mano_out/S.pt is, and of a list of such lists, one a "
    "frame"
)


def torch_frames(path: Path, wrists: str | None) -> list[Hands]:
    """The frames of a .pt file; wrists 'captured': wrists stay where they are captured.

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
    if wrists == "captured":
        return [[_without_wrist(hand) for hand in hands] for hands in checked]
    return checked


def _checked_hands(check: FileCheck, hands: Any) -> Hands:
    if not isinstance(hands, list) or not hands:
        raise check.error(f"the frame is {described(hands)}")
    checked = []
    for number, hand in enumerate(hands, 1):
        name = f"hand {number}"
        check.mapping(hand, name, ("type", "pose"))
        check.choice(hand["type"], f"{name}, type", SIDES)
        for key in ("flat_hand_mean", "wrist_from_captured"):
            check.choice(hand.get(key, False), f"{name}, {key}", (False, True))
        tensors = {"pose": check.tensor(hand["pose"], f"{name}, pose", (POSE_SIZE,))}
        if "trans" in hand:
            tensors["trans"] = check.tensor(hand["trans"], f"{name}, trans", (3,))
        checked.append({**hand, **tensors})
    return checked


def _without_wrist(hand: dict[str, Any]) -> dict[str, Any]:
    pose = torch.cat([torch.zeros(3).to(hand["pose"]), hand["pose"][3:]])
    own = {key: value for key, value in hand.items() if key != "trans"}
    return {**own, "pose": pose, "wrist_from_captured": True}
