"""What a data set says of the hands of a scan, beside its photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class HandParameters:
    """One hand as MANO's parameters: pose (48) relative to hands_mean, shape (10), trans (3), world
    units; metres of the model are units of the world."""

    pose: np.ndarray
    shape: np.ndarray
    trans: np.ndarray


@dataclass(frozen=True)
class Annotation:
    """A scan's annotation.

    source: where it is from, for messages; keypoints: (2, 21, 3) world units, left then right, nan
    where not known; hands: by side, those that have parameters; are_keypoints: whether the views'
    keypoints are these, projected, so that none have to be detected.
    """

    source: str
    keypoints: np.ndarray
    hands: Mapping[str, HandParameters] = field(default_factory=dict)
    are_keypoints: bool = True
