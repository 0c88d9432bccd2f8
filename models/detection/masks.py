"""Masks of views that have none: their photos are segmented about fitted hands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.fitting.fit import Fit
from models.fitting.masks import MADE_SIZE, Photo, segment_hands
from models.fitting.silhouettes import HandOutlines
from utils.photos.masks import judge_mask


@dataclass(frozen=True)
class MadeMasks:
    """Masks that were made, and why others were not."""

    masks: dict[int, np.ndarray]  # (H, W) bool by view
    refused: dict[int, str]  # reason by view


def make_masks(fit: Fit, masks: Sequence[np.ndarray | None], photo: Photo) -> MadeMasks:
    """Masks of the views where `masks` is None, as `models.fitting.fit.fit_hands` was given them.

    One fit to all views makes them consistent; each photo is segmented about its hands. Masks end
    at the wrist, and those that contradict the fit are not made.
    """
    verts, models = [hand.verts() for hand in fit.hands], [hand.model for hand in fit.hands]
    drawing = HandOutlines(models, masks, fit.cameras, verts, MADE_SIZE)
    drawn, _ = drawing.draw(fit.cameras, verts)
    made, refused = {}, {}
    for view, each in enumerate(drawn):
        if masks[view] is not None:
            continue
        if not (each.hand & ~each.ignored).any():
            refused[view] = "no hand in this view"
            continue
        found = segment_hands(drawing.shrunk(photo(view), view), each.hand, each.ignored)
        found &= each.hand | ~each.ignored  # the forearm is cut off at the wrist
        verdict = judge_mask(view, found, each.hand, each.ignored)
        if verdict.believed:
            made[view] = drawing.enlarged(found, view)
        else:
            refused[view] = f"what GrabCut finds {verdict.reason}"
    return MadeMasks(made, refused)
