"""Cameras of views that see nothing but hands: the hands are the calibration object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.calibration.attempt import LEAST_VIEWS, Attempt, HandCalibration
from models.calibration.sightings import HandSightings
from models.fitting.least_squares import one_thread
from models.hand import HandModel
from utils.errors import UserError
from utils.progress_bar import ProgressBar

FOCAL_GUESSES = (0.8, 1.4, 2.4, 4.0)  # of the longer side, tried where nothing is known


def calibrate_by_hands(
    models: Mapping[str, HandModel],
    sightings: HandSightings,
    focal: float | None,
    shared: bool,
    options: Mapping[str, Any],
) -> HandCalibration:
    """Cameras, focal lengths and hands from keypoints alone.

    models: float64, by side; focal: pixels where EXIF states it; shared: one focal length for all
    views; options: the config's section pose_optim, to triangulate further frames by. Principal
    points are the photos' middles. Raises UserError where fewer than LEAST_VIEWS views see a hand.
    """
    seen = sightings.seen().any((1, 2))
    if seen.sum() < LEAST_VIEWS:
        raise UserError(
            f"hands are seen in {int(seen.sum())} views, at least {LEAST_VIEWS} are needed to "
            "calibrate by them; look at the photos, or give keypoints: --keypoints"
        )
    longest = float(sightings.sizes.max())
    guesses = [focal] if focal else [share * longest for share in FOCAL_GUESSES]
    best = None
    with one_thread(), ProgressBar(len(guesses) + 1, "calibrating by hands", "step") as bar:
        for guess in guesses:
            attempt = Attempt(models, sightings, guess, shared, focal is not None, options)
            if attempt.begin() and (best is None or attempt.cost < best.cost):
                best = attempt
            bar.advance()
        if best is not None:
            best.finish()
    if best is None:
        raise UserError(
            "no hand could be placed before the cameras; are the keypoints those of one person's "
            "hands, taken at one moment?"
        )
    with one_thread():
        return best.result()
