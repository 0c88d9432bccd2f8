"""Masks of views that have none, from keypoints and photos: a hand is fitted and segmented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.fitted_hand import FittedHand
from models.hand_fitting import MADE_SIZE, Fit, fit_hands
from models.hand_model import HandModel
from models.hand_outlines import HandOutlines
from models.mask_making import Photo
from utils.cameras import Cameras
from utils.masks import judge_mask
from utils.segmentation import segment_hands


@dataclass(frozen=True)
class MadeMasks:
    """Masks that were made, and why others were not."""

    masks: dict[int, np.ndarray]  # (H, W) bool by view
    refused: dict[int, str]  # reason by view


def make_masks(
    models: Sequence[HandModel],
    points: np.ndarray,
    cameras: Cameras,
    xy: np.ndarray,
    confidence: np.ndarray,
    masks: Sequence[np.ndarray | None],
    options: Mapping[str, Any],
    photo: Photo,
    start: Sequence[FittedHand] | None = None,
) -> MadeMasks:
    """Masks of the views where `masks` is None; arguments as for `models.hand_fitting.fit_hands`.

    One fit to all views makes them consistent: mano_optim.py's, which makes masks of its own on
    the way and corrects cameras. From where it ends, each photo is segmented once more. Masks
    end at the wrist, and those that contradict the fit are not made.
    """
    fit = fit_hands(models, points, cameras, xy, confidence, masks, options, start, photo)
    return masks_of_fit(fit, masks, photo)


def masks_of_fit(fit: Fit, masks: Sequence[np.ndarray | None], photo: Photo) -> MadeMasks:
    """Segment the photos where `masks` is None about the fitted hands."""
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
