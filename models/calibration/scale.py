"""Which of the ways to a structure's scale there is, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from models.calibration.found_keypoints import PhotoKeypoints
from models.calibration.natural_size import NaturalSize, natural_size
from models.calibration.request import Request
from models.hand import load_hand_models
from utils.calibration.board_scale import board_scale, check_markers, find_board
from utils.calibration.marks import marks_scale
from utils.calibration.photos import PhotoSet
from utils.calibration.placing import similarity_scale, upright
from utils.calibration.structure import Structure
from utils.cameras.calibrated import without_lenses
from utils.errors import UserError
from utils.keypoints.triangulation import HandKeypoints, triangulate_hands
from utils.keypoints.views import hands_in

UNLIKELY = 3.0  # standard deviations of hands' sizes beyond which a board is doubted


@dataclass(frozen=True)
class Scale:
    """matrix (4, 4) takes the structure's world to that of the capture, whose unit is `unit`."""

    matrix: np.ndarray
    unit: str | None
    line: str
    facts: dict[str, Any] = field(default_factory=dict)


def find_scale(
    request: Request,
    photos: PhotoSet,
    structure: Structure,
    points: np.ndarray | None,
    config: Mapping[str, Any],
) -> Scale:
    """The scale by the board, the marks, or the hands' size; none where nothing tells it.

    points: the hands' keypoints (2, 21, 3) in the structure's world, as `hands_of` gives them.
    """
    if request.board is not None:
        scale = _by_board(request, photos, structure)
        size = _size_of_hands(points, config)
        return scale if size is None else _held_against(scale, size)
    if request.marks is not None:
        scale, error = marks_scale(structure.cameras, request.marks, request.distance)
        line = f"scale: by the marked distance, to {100 * error:.2f} %"
        facts = {"by": "distance", "relative_error": error}
        return Scale(upright(structure.cameras, scale), "m", line, facts)
    return _by_hands(structure, points, config)


def _by_board(request: Request, photos: PhotoSet, structure: Structure) -> Scale:
    board = request.board
    by_name = dict(zip(photos.names, find_board(photos, board)))
    sightings = [by_name[camera.photo] for camera in structure.cameras]
    seen = [k for k, name in enumerate(photos.names) if len(by_name[name][0])]
    check_markers(photos, board, seen[:: max(len(seen) // 6, 1)])
    found = board_scale(structure.cameras, sightings, board)
    line = (
        f"scale: by the board {board.text}, {found.corners} corners in {found.photos} photos, "
        f"which lie {found.misfit_mm:.2f} mm off it; to {100 * found.relative_error:.2f} %"
    )
    facts = {"by": "board", "board": board.text, "relative_error": found.relative_error}
    facts |= {"misfit_mm": found.misfit_mm, "photos": found.photos, "corners": found.corners}
    return Scale(found.world_from_structure, "m", line, facts)


def _by_hands(structure: Structure, points: np.ndarray | None, config: Mapping[str, Any]) -> Scale:
    """The scale of a hand of natural size; the unit stays open, for it is a guess."""
    nothing = Scale(
        upright(structure.cameras, 1.0),
        None,
        "warning: scale: nothing tells it (no --board, no --distance, no keypoints); units are "
        "arbitrary",
        {"by": "nothing"},
    )
    size = _size_of_hands(points, config)
    if size is None:
        return nothing
    line = (
        f"scale: guessed by the hand's natural size, to {100 * size.relative_error:.0f} % (one "
        "standard deviation over the hand model's shapes); a board would tell it"
    )
    facts = {"by": "hand", "relative_error": size.relative_error}
    return Scale(upright(structure.cameras, size.metres_per_unit), None, line, facts)


def _size_of_hands(points: np.ndarray | None, config: Mapping[str, Any]) -> NaturalSize | None:
    """What the hands' size makes of the structure's unit; None where no hand is seen."""
    if points is None or not hands_in(points):
        return None
    models = load_hand_models(hands_in(points), config["hand_model"], torch.float64)
    return natural_size(models, points)


def _held_against(scale: Scale, size: NaturalSize) -> Scale:
    """The board's scale, with a warning where the hand would be of no human size by it."""
    ratio = similarity_scale(scale.matrix) / size.metres_per_unit
    facts = {**scale.facts, "hand_over_natural_size": ratio}
    if abs(np.log(ratio)) < UNLIKELY * size.relative_error:
        return replace(scale, facts=facts)
    warning = (
        f"{scale.line}\nwarning: by this board the hand is {ratio:.2f} times as large as hands "
        "are; is a square as large as --board says? (measure it: printers like to fit to the page)"
    )
    return replace(scale, line=warning, facts=facts)


def hands_of(
    structure: Structure, keypoints: PhotoKeypoints, config: Mapping[str, Any], seed: int
) -> HandKeypoints | None:
    """The hands in the structure's world, by its photos' keypoints; None where there are none."""
    cameras = structure.cameras
    xy, confidence = keypoints.straight(cameras)
    if not np.isfinite(xy).any():
        return None
    try:
        return triangulate_hands(
            without_lenses(cameras), xy, confidence, config["pose_optim"], seed
        )
    except UserError:
        return None
