"""Errors of 3D keypoints, and the unit of the world told from the size of hands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from utils.keypoints import SIDES

UNITS_MM = {"metre": 1000.0, "centimetre": 10.0, "millimetre": 1.0}
NATURAL = (0.6, 1.6)  # scale of a hand against the model's: children's to large ones


@dataclass(frozen=True)
class WorldUnit:
    """name ('metre', ..., or 'unknown') and millimetres in one unit of the world.

    Where the unit is unknown, a hand of the model's size is assumed.
    """

    name: str
    mm: float

    @property
    def note(self) -> str:
        """One line that says where millimetres come from."""
        if self.name == "unknown":
            return (
                f"the world's unit is unknown: millimetres are those of a hand of natural size "
                f"({self.mm:.4g} mm a unit)"
            )
        return f"the world's unit is the {self.name}, as the hands' size says"


def world_unit(scale: float) -> WorldUnit:
    """The unit in which hands are `scale` times as large as the hand model is in metres."""
    for name, mm in UNITS_MM.items():
        if NATURAL[0] <= scale * mm / 1000 <= NATURAL[1]:
            return WorldUnit(name, mm)
    return WorldUnit("unknown", 1000 / scale)


def present(points: np.ndarray) -> np.ndarray:
    """points (2, 21, 3) with nan in rows of zeros, as some files mark hands that are absent."""
    return np.where((points == 0).all(-1, keepdims=True), np.nan, points)


def keypoint_scores(
    own: np.ndarray, truth: np.ndarray, mm_per_unit: float
) -> dict[str, dict[str, Any]]:
    """Distances of keypoints (2, 21, 3), world units, in mm: of all hands and of each.

    Rows of nan on either side are not compared. A hand without any is not in the result; the
    result is empty without any at all.
    """
    error = mm_per_unit * np.linalg.norm(own - truth, axis=-1)
    errors = {"all": error} | dict(zip(SIDES, error))
    return {name: _summary(some) for name, some in errors.items() if np.isfinite(some).any()}


def _summary(error: np.ndarray) -> dict[str, Any]:
    known = error[np.isfinite(error)]
    return {
        "mean_mm": float(known.mean()),
        "median_mm": float(np.median(known)),
        "max_mm": float(known.max()),
        "count": len(known),
    }
