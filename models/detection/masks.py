"""Masks of views that have none: their photos are segmented about fitted hands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.fitting.fit import Fit
from models.fitting.masks import MADE_SIZE, segment_hands
from models.fitting.observations import Observations
from models.fitting.silhouettes import HandOutlines
from utils.captures import Capture
from utils.photos.masks import judge_mask


@dataclass(frozen=True)
class MadeMasks:
    """Masks that were made, and why others were not."""

    masks: dict[int, np.ndarray]  # (H, W) bool by view
    refused: dict[int, str]  # reason by view


def make_masks(fit: Fit, observations: Observations) -> MadeMasks:
    """Masks of the views that have none, from their photos.

    observations: what `models.fitting.fit.fit_hands` was given for `fit`. One fit to all views
    makes the masks consistent; each photo is segmented about its hands. Masks end at the wrist,
    and those that contradict the fit are not made.
    """
    verts, models = [hand.verts() for hand in fit.hands], [hand.model for hand in fit.hands]
    drawing = HandOutlines(models, observations.masks, fit.cameras, verts, MADE_SIZE)
    drawn, _ = drawing.draw(fit.cameras, verts)
    made, refused = {}, {}
    for view, each in enumerate(drawn):
        if observations.masks[view] is not None:
            continue
        if not (each.hand & ~each.ignored).any():
            refused[view] = "no hand in this view"
            continue
        image = drawing.shrunk(observations.photo(view), view)
        mask = segment_hands(image, each.hand, each.ignored)
        if mask is None:
            refused[view] = "the photo's colours do not tell the hands from what is around them"
            continue
        mask &= each.hand | ~each.ignored  # the forearm is cut off at the wrist
        verdict = judge_mask(view, mask, each.hand, each.ignored)
        if verdict.believed:
            made[view] = drawing.enlarged(mask, view)
        else:
            refused[view] = f"what the photo shows {verdict.reason}"
    return MadeMasks(made, refused)


def make_held_masks(fit: Fit, observations: Observations, held: Capture) -> MadeMasks:
    """Masks of views that had no part in the fit, as `make_masks` makes them."""
    seen = replace(observations, cameras=held.cameras, masks=[None] * len(held), photo=held.image)
    return make_masks(replace(fit, cameras=held.cameras), seen)
