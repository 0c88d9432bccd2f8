"""Masks made anew where the given ones contradict the fitted hands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from models.hand_outlines import Drawn, HandOutlines
from utils.masks import MaskVerdict, judge_mask
from utils.segmentation import segment_hands

Photo = Callable[[int], np.ndarray]  # view -> (H, W, 3) RGB in [0, 1]


class MaskMaker:
    """Keeps which masks were made and why. `masks` (None: there is none) are replaced in place."""

    def __init__(self, masks: list[np.ndarray | None], photo: Photo | None):
        self.masks, self.photo = masks, photo
        self.made: dict[int, MaskVerdict] = {}  # what was said of the mask that was given

    def make(self, outlines: HandOutlines, drawn: Sequence[Drawn]) -> None:
        """Make the masks that are not believed from the photos, and keep those that then are."""
        for verdict in outlines.judge(drawn):
            view, each = verdict.view, drawn[verdict.view]
            if verdict.believed or not (each.hand & ~each.ignored).any():
                continue
            image = outlines.shrunk(self.photo(view), view)
            mask = segment_hands(image, each.hand, each.ignored)
            if judge_mask(view, mask, each.hand, each.ignored).believed:
                self.masks[view] = outlines.enlarged(mask, view)
                self.made.setdefault(view, verdict)

    def explained(self, verdicts: Sequence[MaskVerdict]) -> list[MaskVerdict]:
        """The final verdicts, which say which masks were made and what was wrong with the given."""
        return [self._explained(v) if v.view in self.made else v for v in verdicts]

    def _explained(self, verdict: MaskVerdict) -> MaskVerdict:
        given = self.made[verdict.view].reason
        return replace(verdict, made=True, reason=f"made ({verdict.reason}); given: {given}")
