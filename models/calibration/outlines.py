"""Cameras and hands that keypoints found, moved until outlines are where photos show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from models.calibration.attempt import HandCalibration
from models.calibration.sightings import HandSightings
from models.fitting.fit import Fit, fit_hands
from models.fitting.observations import Observations, Photo
from models.hand import HandModel
from models.hand.fitted import FittedHand
from utils.cameras import Similarity
from utils.keypoints import KEYPOINTS, SIDES

ALWAYS = -1.0  # of camera_support: cameras may move
SHIFT_SIGMA, TURN_SIGMA = 0.012, 0.02  # as mano_optim's, of cameras that keypoints alone placed
MOVING = ("trans", "rotation", "pose", "shape", "cameras")
STAGES = (
    {
        "name": "outlines",
        "free": MOVING,
        "steps": 2,
        "keypoints_2d": 0.3,
        "outlines": 5.0,
        "make_masks": True,
        "reach": [0.03, 0.025, 0.02, 0.015],
    },
    {
        "name": "closer",
        "free": MOVING,
        "steps": 2,
        "keypoints_2d": 0.1,
        "outlines": 5.0,
        "make_masks": True,
        "reach": [0.015, 0.012, 0.01, 0.01, 0.008, 0.008],
    },
)


def refine_by_outlines(
    found: HandCalibration,
    models: Mapping[str, HandModel],
    xy: np.ndarray,
    confidence: np.ndarray,
    masks: Sequence[np.ndarray | None],
    photo: Photo | None,
    options: Mapping[str, Any],
) -> Fit:
    """Fit the first frame's hands and cameras to outlines; all views of `found` are placed.

    xy (V, 2, 21, 2), confidence (V, 2, 21): as named by the detector; masks (V) of (H, W) bool or
    None, which are then made from the photos; options: the config's section mano_optim.
    """
    named = HandSightings.of_views(xy, confidence, found.cameras.sizes.numpy())
    named = named.exchanged(found.swaps[:, :1])
    xy, confidence = named.xy[:, 0], named.confidence[:, 0]
    same = Similarity(1.0, torch.zeros(3, dtype=torch.float64))
    hands, points = [], np.full((len(SIDES), KEYPOINTS, 3), np.nan)
    for (frame, side), x in sorted(zip(found.which, found.hands), key=lambda each: each[0]):
        if frame == 0:
            hands.append(FittedHand.of(models[SIDES[side]], x, same))
            points[side] = hands[-1].keypoints().numpy()
    known = found.moments**-0.5  # the outlines are those of one moment
    own = {
        **options,
        "stages": STAGES,
        "camera_support": ALWAYS,
        "camera_shift_sigma": known * SHIFT_SIGMA,
        "camera_turn_sigma": known * TURN_SIGMA,
    }
    observations = Observations(points, found.cameras, xy, confidence, masks, photo)
    return fit_hands(list(models.values()), observations, own, hands)
