"""The hands that a structure's photos show: named, triangulated, without a mirror's image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.calibration.found_keypoints import PhotoKeypoints
from models.calibration.scale import hands_of
from utils.calibration.reflection import Reflection, find_reflection
from utils.calibration.structure import Structure
from utils.captures.diagnosis.diagnose import sides_exchanged


@dataclass(frozen=True)
class SeenHands:
    """points (2, 21, 3): left and right hand in the structure's world, nan where not seen.

    xy (V, 2, 21, 2): what shows them, as the cameras would see it without their lenses, nan where
    nothing does; keypoints: of the photos as stored, without a mirror's image; exchanged: most
    photos call left hands right and right ones left.
    """

    points: np.ndarray
    xy: np.ndarray
    keypoints: PhotoKeypoints
    reflection: Reflection | None
    exchanged: bool

    @staticmethod
    def of(
        structure: Structure, keypoints: PhotoKeypoints, config: Mapping[str, Any], seed: int
    ) -> SeenHands | None:
        """None where no two photos agree about a hand."""
        hands = hands_of(structure, keypoints, config, seed)
        if hands is None:
            return None
        points, xy = hands.points.copy(), hands.xy.copy()
        reflection = find_reflection(points, structure.cameras)
        if reflection is not None:
            image = reflection.image
            keypoints = keypoints.without(structure.cameras, hands.assigned[:, image])
            points[image] = xy[:, image] = np.nan
        exchanged = sides_exchanged(points)
        if exchanged:
            points, xy = points[::-1], xy[:, ::-1]
        return SeenHands(points, xy, keypoints, reflection, exchanged)

    @property
    def confidence(self) -> np.ndarray:
        """Confidences (V, 2, 21): 1 of all that is seen."""
        return np.isfinite(self.xy).all(-1).astype(float)

    def lines(self) -> list[str]:
        """What to say of them."""
        lines = [] if self.reflection is None else [self.reflection.line()]
        if self.exchanged:
            lines.append(
                "note: left and right are named the wrong way round in most photos (the fingers "
                "bend backwards): read the other way round"
            )
        return lines
