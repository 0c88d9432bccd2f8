"""The world's unit: as the calibration says it, held against the size of the hands."""

from __future__ import annotations

import numpy as np

METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}
HAND = (
    0.17  # metres from wrist to the middle finger's tip along its bones: most adults' within 15 %
)
LIKELY = (0.5, 1.7)  # times HAND: children's hands to large ones
MIDDLE_FINGER = (0, 9, 10, 11, 12)  # rows of keypoints from the wrist to the tip


def hand_length(points: np.ndarray) -> float:
    """Mean length of the hands (2, 21, 3) along the middle finger, world units; nan: none seen."""
    bones = np.diff(points[:, MIDDLE_FINGER], axis=1)
    lengths = np.linalg.norm(bones, axis=-1).sum(1)
    return float(lengths[np.isfinite(lengths)].mean()) if np.isfinite(lengths).any() else np.nan


def unit_line(points: np.ndarray, stated: str | None) -> str | None:
    """What to say of the unit of keypoints (2, 21, 3); None where no hand is seen whole.

    stated: m, cm or mm as the calibration or the config says, or None.
    """
    length = hand_length(points)
    if not np.isfinite(length) or length <= 0:
        return None
    measured = f"the hands are {length:.3g} units long"
    likely = [unit for unit, m in METRES.items() if LIKELY[0] < length * m / HAND < LIKELY[1]]
    if stated is None:
        if likely:
            return f"unit: {likely[0]} ({measured})"
        return f"unit: unknown ({measured}); lengths in mm are those of a hand of natural size"
    if stated in likely:
        return f"unit: {stated}, as the calibration says ({measured})"
    seems = "it is neither m, cm nor mm"
    if likely:
        seems = f"it looks like {likely[0]}: --set unit={likely[0]}"
    return f"warning: the calibration says {stated}, but {measured}; {seems}"
