"""What is done about a hand that did not keep still while it was filmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from models.calibration.bending import HandBending, find_bending
from models.calibration.motion import HandMotion, find_motion
from models.calibration.natural_size import fit_to_points
from models.calibration.outcome import Calibration
from models.calibration.scale import Scale
from models.calibration.seen_hands import SeenHands
from models.calibration.straightening import Straightening
from models.hand import load_hand_models
from utils.calibration.placing import moved_cameras, similarity_scale
from utils.calibration.structure import Structure
from utils.cameras import Cameras
from utils.cameras.calibrated import without_lenses
from utils.errors import UserError
from utils.keypoints.views import hands_in

LEAST_PHOTOS = 8  # in which a movement can be told from errors
FITS = 0.04  # of the hand's length: the model fits real detections to 2 %, a wrong side's to 6 %


def follow_hand(
    calibration: Calibration,
    structure: Structure,
    hands: SeenHands,
    scale: Scale,
    config: Mapping[str, Any],
    straighten: bool,
) -> None:
    """Put cameras into the hand's frame where keypoints say that it moved, and say it.

    straighten: photos in which fingers bent are drawn as if they had not.
    """
    if len(structure.cameras) < LEAST_PHOTOS:
        return
    xy, confidence, points = hands.xy, hands.confidence, hands.points
    cameras = Cameras.of_arrays(without_lenses(structure.cameras))
    unit = similarity_scale(scale.matrix)
    motion = find_motion(cameras, xy, confidence, points, 1 / unit)
    moves, bending = motion.asked_for, None
    try:
        models = load_hand_models(hands_in(points), config["hand_model"], torch.float64)
        fit = fit_to_points(models, points)
        if fit.miss() < FITS:
            bending = find_bending(cameras, xy, confidence, points, fit, moves)
    except UserError:  # no hand is seen well enough to tell
        pass
    if bending is not None:
        calibration.report["hand_bending"] = {
            "support": bending.support,
            "degrees": bending.degrees,
            "straightened": bending.asked_for and straighten,
        }
        if bending.asked_for and straighten:
            motion, moves = bending.motion, bending.moves
            names = [camera.name for camera in structure.cameras]
            calibration.straightening = Straightening.of(bending, names, scale.matrix)
    calibration.report["hand_motion"] = {"support": motion.support, "mm": motion.reach_mm}
    if moves:
        calibration.cameras = moved_cameras(motion.cameras(structure.cameras), scale.matrix)
        calibration.say(_moved(motion))
    if bending is not None and bending.asked_for:
        calibration.say(_bent(bending, straighten))


def _moved(motion: HandMotion) -> str:
    return (
        f"note: the hand moved by up to {motion.reach_mm:.1f} mm while it was filmed: that takes "
        f"{100 * motion.support:.0f} % of the keypoints' misses, so each photo's camera is put "
        "where the hand saw it (report.json: hand_motion)"
    )


def _bent(bending: HandBending, straighten: bool) -> str:
    done = (
        "so img/ shows the photos as if fingers had kept their mean pose; --as-taken leaves them "
        "(report.json: hand_bending)"
        if straighten
        else "and --as-taken leaves the photos as they are"
    )
    return (
        f"note: fingers bent by up to {bending.degrees:.1f} degrees while they were filmed: that "
        f"takes {100 * bending.support:.0f} % of the keypoints' misses, {done}"
    )
