"""The stages of a fit as the config lists them, checked before anything runs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from models.hand_kinematics import LAYOUT
from utils.errors import UserError

FREE = (*LAYOUT, "cameras")  # what a stage may move
TERMS = ("keypoints_3d", "keypoints_2d", "outlines")
KEY = "mano_optim.stages"


def check_stages(stages: Sequence[Mapping[str, Any]]) -> None:
    """Raise UserError, naming the key, where a stage cannot run."""
    if not stages:
        raise UserError(f"{KEY} is empty; expected sections like {{name = place, ...}}")
    for stage in stages:
        where = f"{KEY}, stage '{stage.get('name', '?')}'"
        needed = ["name", "free", "steps"]
        if stage.get("outlines", 0) > 0:
            needed.append("reach")
        for key in needed:
            if key not in stage:
                raise UserError(f"{where}: key '{key}' is missing")
        for name in stage["free"]:
            if name not in FREE:
                near = difflib.get_close_matches(str(name), FREE, n=1, cutoff=0.0)[0]
                raise UserError(f"{where}: '{name}' cannot be free; did you mean '{near}'?")
        if not any(stage.get(term, 0) > 0 for term in TERMS):
            raise UserError(f"{where}: no term has a weight; give one of {', '.join(TERMS)}")
