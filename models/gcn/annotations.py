"""Hands of people to train on: InterHand2.6M's MANO annotations (Moon et al. 2020 and 2022).

A file *_MANO_NeuralAnnot.json holds {capture: {frame: {"right": hand, "left": hand}}}; a hand is
{"pose": 48 numbers, "shape": 10, "trans": 3} or null; pose is axis-angle, 3 global and 45 relative
to MANO's mean pose.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.gcn.weights import MIRROR_TURN
from models.hand import HandModel
from utils.errors import UserError
from utils.io.files import load_json
from utils.keypoints import SIDES

PATTERN = "*MANO_NeuralAnnot.json"
POSE, SHAPE = 48, 10


def load_annotations(folder: Path, model: HandModel) -> Tensor:
    """All hands of the annotation files under `folder` as right hands: (N, 45 + 10) pose, shape.

    Left hands are mirrored; the global rotation is left out. Raises UserError where `model` is not
    MANO, where there are no files, and where one is of another structure.
    """
    if model.kind != "mano":
        raise UserError(
            f"--annotations are MANO's poses, which mean nothing to the '{model.kind}' hand; put "
            "MANO_RIGHT.pkl into mano/ and --set hand_model=mano"
        )
    paths = sorted(folder.rglob(PATTERN))
    if not paths:
        raise UserError(f"--annotations {folder}: holds no {PATTERN}; get them from InterHand2.6M")
    hands = [hand for path in paths for hand in _hands_of(path)]
    if not hands:
        raise UserError(f"--annotations {folder}: the files hold no hands")
    return torch.from_numpy(np.stack(hands)).float()


def _hands_of(path: Path) -> Iterator[np.ndarray]:
    for capture, frames in _items(path, load_json(path), "captures"):
        for frame, hands in _items(path, frames, f"frames of capture {capture}"):
            for side, hand in _items(path, hands, f"hands of frame {capture}/{frame}"):
                if hand is not None:
                    yield _numbers(hand, side, f"{path}: {capture}/{frame}/{side}")


def _items(path: Path, value: Any, what: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a table of {what}, found {type(value).__name__}")
    return list(value.items())


def _numbers(hand: Any, side: str, where: str) -> np.ndarray:
    try:
        pose, shape = (np.asarray(hand[name], float).ravel() for name in ("pose", "shape"))
    except (KeyError, TypeError, ValueError):
        pose = shape = np.empty(0)
    right = pose.shape == (POSE,) and shape.shape == (SHAPE,) and side in SIDES
    if not right or not np.isfinite([*pose, *shape]).all():
        raise UserError(f"{where} is no hand; expected pose of {POSE} and shape of {SHAPE} numbers")
    turns = pose[3:].reshape(-1, 3) * (MIRROR_TURN if side == "left" else 1.0)
    return np.concatenate([turns.ravel(), shape])
