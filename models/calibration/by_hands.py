"""Cameras of views that see nothing but hands: the hands are the calibration object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from models.calibration.attempt import LEAST_VIEWS, Attempt, HandCalibration
from models.calibration.pose_of_view import CLEARLY
from models.calibration.sightings import HandSightings
from models.hand import HandModel
from utils.errors import UserError
from utils.progress_bar import ProgressBar
from utils.render.cpu.threads import one_thread

FOCAL_GUESSES = (0.8, 1.4, 2.4, 4.0)  # of the longer side, tried where nothing is known


def calibrate_by_hands(
    models: Mapping[str, HandModel],
    sightings: HandSightings,
    focal: float | None,
    shared: bool,
    options: Mapping[str, Any],
) -> HandCalibration:
    """Cameras, focal lengths and hands from keypoints alone.

    models: float64, by side: of both where one side alone is seen, for it may be the other; focal:
    pixels where EXIF states it; shared: one focal length for all views; options: the config's
    section pose_optim, to triangulate further frames by. Principal points are the photos' middles.
    Raises UserError where fewer than LEAST_VIEWS views see a hand.
    """
    seen = sightings.seen().any((1, 2))
    if seen.sum() < LEAST_VIEWS:
        raise UserError(
            f"hands are seen in {int(seen.sum())} views, at least {LEAST_VIEWS} are needed to "
            "calibrate by them; look at the photos, or give keypoints: --keypoints"
        )
    longest = float(sightings.sizes.max())
    guesses = [focal] if focal else [share * longest for share in FOCAL_GUESSES]
    attempts = [
        Attempt(models, named, guess, shared, focal is not None, options)
        for named in _namings(sightings)
        for guess in guesses
    ]
    with one_thread():
        best = _best(attempts)
        if best is None:
            raise UserError(
                "no hand could be placed before the cameras; are the keypoints those of one "
                "person's hands, taken at one moment?"
            )
        found = best.result()
    return found if best.sightings is sightings else replace(found, swaps=~found.swaps)


def _best(attempts: Sequence[Attempt]) -> Attempt | None:
    """The cheapest one that leads anywhere, finished; with other names, it must be clearly so."""
    best, least = None, np.inf
    with ProgressBar(len(attempts) + 1, "calibrating by hands", "step") as bar:
        for attempt in attempts:
            if attempt.begin():
                cost = attempt.cost
                cost /= 1.0 if attempt.sightings is attempts[0].sightings else CLEARLY
                if cost < least:
                    best, least = attempt, cost
            bar.advance()
        if best is not None:
            best.finish()
    return best


def _namings(sightings: HandSightings) -> list[HandSightings]:
    """The detector's names; and, where it only ever saw one side, the other one."""
    if sightings.seen().any((0, 1)).all():
        return [sightings]
    return [sightings, sightings.exchanged(np.ones(sightings.xy.shape[:2], bool))]
