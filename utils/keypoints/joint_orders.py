"""Orders in which other tools write a hand's 21 keypoints, and how to tell them by bone lengths."""

from __future__ import annotations

import numpy as np

from utils.keypoints.order import FINGER_NAMES, KEYPOINT_NAMES, MANO_FINGERS, bone_lengths

OWN_ORDER = "mediapipe"  # and OpenPose's, FreiHAND's, COCO-WholeBody's
TIPS = tuple(f"{finger}_tip" for finger in FINGER_NAMES)


def _names(fingers: tuple[str, ...], parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{finger}{part}" for finger in fingers for part in parts)


JOINT_ORDERS = {
    OWN_ORDER: KEYPOINT_NAMES,
    "interhand": (*_names(FINGER_NAMES, ("_tip", "3", "2", "1")), "wrist"),
    "rhd": ("wrist", *_names(FINGER_NAMES, ("_tip", "3", "2", "1"))),
    "mano": ("wrist", *_names(MANO_FINGERS, ("1", "2", "3")), *TIPS),
    "mano, tips in its own order": (
        "wrist",
        *_names(MANO_FINGERS, ("1", "2", "3")),
        *_names(MANO_FINGERS, ("_tip",)),
    ),
    "mano, finger by finger": ("wrist", *_names(MANO_FINGERS, ("1", "2", "3", "_tip"))),
}  # by the name that files and messages use: the keypoint that stands in each row
DESCRIPTIONS = {
    "interhand": "InterHand2.6M's order (thumb tip to root, ..., pinky, wrist last)",
    "rhd": "RHD's order (wrist, then each finger tip to root)",
    "mano": "MANO's or SMPL-X's order (wrist, index, middle, pinky, ring, thumb, then five tips)",
    "mano, tips in its own order": "MANO's order (fingers and tips: index, middle, pinky, ring, "
    "thumb)",
    "mano, finger by finger": "MANO's order of fingers (index, middle, pinky, ring, thumb, each "
    "with its tip)",
}

# Bones of a human hand over the mean of the four long bones of the palm, in `BONES`' order: means
# of the shipped hand and of a real pair of hands; people differ by some 10 %.
PROPORTIONS = np.ravel(
    [
        [0.45, 0.45, 0.40, 0.31],  # thumb, from the wrist
        [1.06, 0.56, 0.34, 0.29],
        [1.03, 0.62, 0.39, 0.30],
        [0.98, 0.57, 0.36, 0.28],
        [0.93, 0.47, 0.27, 0.25],
    ]
)
MOST_OFF = 1.0  # log ratio that counts for a bone at most
FEWEST_BONES = 12
CLEARLY_BETTER = 2.0  # times: an order whose bones are so much more plausible than ours is meant
PLAUSIBLE = 0.3  # mean log ratio of a hand's bones in the right order at most


def own_rows(order: str) -> np.ndarray:
    """Rows (21,) int of a list in `order` that hold the suite's keypoints 0 to 20."""
    names = JOINT_ORDERS[order]
    return np.array([names.index(name) for name in KEYPOINT_NAMES])


def implausibility(points: np.ndarray) -> float:
    """Mean |log| of bones over a human hand's, of points (..., 21, 3) up to scale; nan: too few."""
    off = []
    for hand in points.reshape(-1, *points.shape[-2:]):
        ratio = np.log(np.maximum(bone_lengths(hand), 1e-12) / PROPORTIONS)
        known = ratio[np.isfinite(ratio)]
        if len(known) >= FEWEST_BONES:
            off.append(np.fmin(np.abs(known - np.median(known)), MOST_OFF).mean())
    return float(np.mean(off)) if off else np.nan


def order_of(points: np.ndarray) -> tuple[str, dict[str, float]]:
    """The order in which points (2, 21, 3) come, and each order's implausibility.

    The suite's own unless another is clearly more plausible.
    """
    scores = {order: implausibility(points[:, own_rows(order)]) for order in JOINT_ORDERS}
    best = min(scores, key=lambda order: np.nan_to_num(scores[order], nan=np.inf))
    clear = scores[best] * CLEARLY_BETTER < scores[OWN_ORDER] and scores[best] < PLAUSIBLE
    return (best if clear else OWN_ORDER), scores
