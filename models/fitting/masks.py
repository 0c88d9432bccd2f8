"""Masks made from the photos where the given ones contradict the fitted hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from models.fitting.observations import Photo
from models.fitting.silhouettes import Drawn, HandOutlines
from utils.parallel import mapped, threads_for
from utils.photos.masks import MaskVerdict, judge_mask

MADE_SIZE = 640  # pixels of the longer side at which masks are made
SURE = 0.035  # of the square root of the hands' area: this far inside of the fit there is hand
REACH = 0.07  # likewise: farther outside of the fit there is none, except along a forearm
ROUNDS = 4  # of GrabCut; it settles in three


class MaskMaker:
    """Keeps which masks were made and why. `masks` (None: there is none) are replaced in place."""

    def __init__(self, masks: list[np.ndarray | None], photo: Photo | None):
        self.masks, self.photo = masks, photo
        self.made: dict[int, MaskVerdict] = {}  # what was said of the mask that was given

    def make(self, outlines: HandOutlines, drawn: Sequence[Drawn]) -> None:
        """Make the masks that are not believed from the photos, and keep those that then are."""
        doubted = [
            verdict
            for verdict in outlines.judge(drawn)
            if not verdict.believed and _shows(drawn[verdict.view])
        ]

        def attempt(verdict: MaskVerdict) -> np.ndarray | None:
            view, each = verdict.view, drawn[verdict.view]
            photo = self.photo(view)
            if photo is None:
                return None
            mask = segment_hands(outlines.shrunk(photo, view), each.hand, each.ignored)
            believed = judge_mask(view, mask, each.hand, each.ignored).believed
            return outlines.enlarged(mask, view) if believed else None

        threads = threads_for(outlines.pixels())
        for verdict, mask in zip(doubted, mapped(attempt, doubted, threads)):
            if mask is not None:
                self.masks[verdict.view] = mask
                self.made.setdefault(verdict.view, verdict)

    def explained(self, verdicts: Sequence[MaskVerdict]) -> list[MaskVerdict]:
        """The final verdicts, which say which masks were made and what was wrong with the given."""
        return [self._explained(v) if v.view in self.made else v for v in verdicts]

    def _explained(self, verdict: MaskVerdict) -> MaskVerdict:
        given = self.made[verdict.view].reason
        return replace(verdict, made=True, reason=f"made ({verdict.reason}); given: {given}")


def _shows(drawn: Drawn) -> bool:
    """Whether there are hands in the view of which the fit says something."""
    return bool((drawn.hand & ~drawn.ignored).any())


def segment_hands(image: np.ndarray, hand: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Mask (H, W) bool of the hands in image (H, W, 3) in [0, 1]; forearms may be part of it.

    hand (H, W) bool: pixels that fitted hands cover, at least one; ignored (H, W) bool: the
    wrist's end and where a forearm may be, about which the fit says nothing. GrabCut (Rother et
    al. 2004) from colours inside and outside of the fit. Deterministic.
    """
    size = float(np.sqrt(hand.sum()))
    inner = cv2.erode(hand.astype(np.uint8), _disc(SURE * size)) > 0
    outer = cv2.dilate(hand.astype(np.uint8), _disc(REACH * size)) > 0
    labels = np.full(hand.shape, cv2.GC_BGD, np.uint8)
    labels[outer | ignored] = cv2.GC_PR_BGD
    labels[hand] = cv2.GC_PR_FGD
    labels[inner & ~ignored] = cv2.GC_FGD
    if not (labels == cv2.GC_FGD).any() or (labels & 1).all():
        return hand.copy()  # nothing to learn one of the colours from
    bgr = np.ascontiguousarray(np.round(image[..., ::-1] * 255).astype(np.uint8))
    cv2.setRNGSeed(0)
    inside, outside = np.zeros((1, 65)), np.zeros((1, 65))  # GrabCut's models of the colours
    cv2.grabCut(bgr, labels, None, outside, inside, ROUNDS, cv2.GC_INIT_WITH_MASK)
    return (labels & 1).astype(bool)  # GC_FGD and GC_PR_FGD are odd


def _disc(radius: float) -> np.ndarray:
    diameter = 2 * max(int(radius), 1) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
