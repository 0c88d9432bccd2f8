"""What a calibration finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.calibration.straightening import Straightening
from utils.calibration.photos import PhotoSet
from utils.cameras.calibrated import CalibratedCamera


@dataclass
class Calibration:
    """Cameras of `photos` in metres or, where unit is None, in a guess of them.

    keypoints: (xy (2, 21, 2), confidence (2, 21)) of photos as stored, by camera; straightening:
    what makes photos of bending fingers photos of one pose, None: they are so; lines: what to
    say at the end of the run; report: the same for programs.
    """

    photos: PhotoSet
    cameras: list[CalibratedCamera]
    unit: str | None
    keypoints: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    straightening: Straightening | None = None
    report: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Keep a line for the end of the run."""
        self.lines.append(line)
