"""Which masks can be believed, and where: held against the hand that all views together support.

A mask and a rendered hand differ in two ways. Thin slivers along the outline say that the hand or
the camera is a little off. A blob that survives shrinking says that the mask lost a finger, has
a hole or includes something else: there, the mask is not believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.errors import UserError
from utils.io.files import load_json

RERUN = "run mano_optim.py on this scan again"
SLIVER = 0.06  # of the square root of the hands' area: thinner differences are misfit, not mask
MOST_BLOBS = 0.05  # of a hand's area: more than this lost or wrongly included and a mask lies
MOST_MISSING = 0.4  # of the hands' area: more lost than this and no part of the mask is used


@dataclass(frozen=True)
class MaskVerdict:
    """What one view's mask is worth.

    believed: it can be compared everywhere. usable: where it differs by no blob, it can be. iou:
    with the rendered hands, forearm left out; missing and extra: area of the blobs that the mask
    lost or wrongly includes, as shares of the hands' area in this view; reason: one line; made:
    the mask was made from the photo, since the given one was not believed.
    """

    view: int
    believed: bool
    usable: bool
    iou: float
    missing: float
    extra: float
    reason: str
    made: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


VERDICT_TYPES = {
    **{"view": int, "believed": bool, "usable": bool, "reason": str, "made": bool},
    **dict.fromkeys(("iou", "missing", "extra"), int | float | None),  # None: nan, in JSON
}


def load_verdicts(path: Path) -> list[MaskVerdict]:
    """The verdicts of S_masks.json, one a view. Raises UserError where the file is something else.

    `made` may be left out.
    """
    verdicts = load_json(path, RERUN)
    if not isinstance(verdicts, list):
        raise UserError(f"{path} holds no list of verdicts on masks; {RERUN}")
    for view, verdict in enumerate(verdicts):
        facts = {"made": False, **verdict} if isinstance(verdict, dict) else {}
        known = facts.keys() == VERDICT_TYPES.keys()
        if not known or not all(isinstance(facts[k], t) for k, t in VERDICT_TYPES.items()):
            raise UserError(
                f"{path}: the verdict on view {view} is none, expected {', '.join(VERDICT_TYPES)}; "
                f"{RERUN}"
            )
    return [MaskVerdict(**verdict) for verdict in verdicts]


def judge_masks(
    masks: Sequence[np.ndarray | None],
    hands: Sequence[np.ndarray],
    ignored: Sequence[np.ndarray],
) -> list[MaskVerdict]:
    """Judge every view's mask (H, W) bool (None: there is none) against the rendered hands.

    hands: covered pixels (H, W) bool; ignored: pixels (H, W) bool that are not compared, the
    wrist's end and where a forearm may be. All three at one size, any size.
    """
    return [
        judge_mask(view, mask, hand, left_out)
        for view, (mask, hand, left_out) in enumerate(zip(masks, hands, ignored))
    ]


def judge_mask(
    view: int, mask: np.ndarray | None, hand: np.ndarray, ignored: np.ndarray
) -> MaskVerdict:
    """Judge one view's mask; see `judge_masks`."""
    if mask is None:
        return MaskVerdict(view, False, False, float("nan"), 1.0, 0.0, "no mask")
    area = int((hand & ~ignored).sum())
    if area == 0:
        return MaskVerdict(view, False, False, float("nan"), 0.0, 0.0, "no hand in this view")
    union = (mask | hand) & ~ignored
    iou = float((mask & hand & ~ignored).sum() / union.sum())
    lost, extra = blobs(mask, hand, ignored)
    missing, added = float(lost.sum() / area), float(extra.sum() / area)
    believed = missing <= MOST_BLOBS and added <= MOST_BLOBS
    reason = "agrees with the hands"
    if missing > MOST_BLOBS:
        reason = f"lacks {100 * missing:.0f} % of the hands"
    elif added > MOST_BLOBS:
        reason = f"includes {100 * added:.0f} % that is no hand"
    return MaskVerdict(view, believed, missing <= MOST_MISSING, iou, missing, added, reason)


def blobs(mask: np.ndarray, hand: np.ndarray, ignored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blobs (H, W) that the mask lost of the hand, and that it includes beyond the hand.

    Differences thinner than `SLIVER` are none.
    """
    kernel = _disc(_sliver(hand))
    lost, extra = (
        cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
        for region in (hand & ~mask & ~ignored, mask & ~hand & ~ignored)
    )
    return lost, extra


def trusted_pixels(
    mask: np.ndarray, hand: np.ndarray, ignored: np.ndarray, verdict: MaskVerdict
) -> np.ndarray:
    """Pixels (H, W) bool where the mask says truly whether there is hand.

    Not at blobs and around them, not where `ignored`, nowhere in an unusable mask.
    """
    if not verdict.usable:
        return np.zeros_like(hand)
    lost, extra = blobs(mask, hand, ignored)
    kernel = _disc(2 * _sliver(hand) + 1)
    doubtful = cv2.dilate((lost | extra).astype(np.uint8), kernel) > 0
    return ~doubtful & ~ignored


def nearest(region: np.ndarray) -> np.ndarray:
    """Flat index (H, W) of the pixel of `region` (H, W) bool, not empty, nearest to each pixel."""
    _, label = cv2.distanceTransformWithLabels(
        (~region).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    at = np.flatnonzero(region)
    table = np.zeros(len(at) + 1, np.int64)
    table[label.ravel()[at]] = at
    return table[label]


def _sliver(hand: np.ndarray) -> int:
    return max(round(SLIVER * float(np.sqrt(hand.sum()))), 1)


def _disc(size: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
