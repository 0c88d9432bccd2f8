"""The stages of a fit as the config lists them, and the weights of a stage's terms."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.hand.kinematics import LAYOUT
from utils.errors import UserError

FREE = (*LAYOUT, "cameras")  # what a stage may move
TERMS = ("keypoints_3d", "keypoints_2d", "outlines")
KEY = "mano_optim.stages"


@dataclass(frozen=True)
class Weights:
    """Standard deviations (metres of the model unless said otherwise) and weights of the terms."""

    keypoints_3d: float = 0.0  # weight; 0: not used
    keypoints_2d: float = 0.0  # weight; 0: not used
    outlines: float = 0.0  # weight of a view's outline against that of its keypoints
    keypoint_sigma: float = 0.004
    outline_sigma: float = 0.0015
    pose_prior: float = 1.0  # weight
    limit_sigma: float = 0.05  # radians beyond a joint's limit
    shape_sigma: float = 1.0  # of each shape component; the model's own is 1
    shared_shape_sigma: float = 0.3  # difference of the two hands' components
    scale_sigma: float = 0.05  # relative
    shared_scale_sigma: float = 0.01  # relative difference of the two hands
    camera_shift_sigma: float = 0.003  # of a camera's shift at the hands, as a share of the depth
    camera_turn_sigma: float = 0.005  # radians, of a camera's rotation about the hands


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
