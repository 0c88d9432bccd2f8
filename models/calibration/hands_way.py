"""The way by hands: keypoints, then outlines, then cameras to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.calibration.attempt import HandCalibration
from models.calibration.by_hands import calibrate_by_hands
from models.calibration.found_keypoints import PhotoKeypoints
from models.calibration.outcome import Calibration
from models.calibration.outlines import refine_by_outlines
from models.calibration.sightings import HandSightings
from models.hand import load_hand_models
from utils.calibration.photos import PhotoSet
from utils.calibration.placing import moved_cameras, upright
from utils.calibration.reflection import Reflection, find_reflection
from utils.cameras import Cameras
from utils.cameras.calibrated import CalibratedCamera
from utils.errors import UserError
from utils.io.images import load_image
from utils.keypoints import KEYPOINTS, SIDES


def cameras_by_hands(
    photos: PhotoSet, moments: Sequence[PhotoKeypoints], shared: bool, config: Mapping[str, Any]
) -> Calibration:
    """Calibrate by the hands in the photos alone. Raises UserError where they show too little.

    moments: keypoints of the photos, and of what the same cameras saw at other moments.
    """
    keypoints = moments[0]
    if not np.isfinite(keypoints.xy).any():
        raise UserError(
            "no hand was found in the photos, and the background tells no cameras; build the "
            "detector (make detect), or give keypoints: --keypoints FOLDER"
        )
    sightings = HandSightings(
        np.stack([each.xy for each in moments], 1),
        np.stack([each.confidence for each in moments], 1),
        np.asarray(photos.sizes),
    )
    models = load_hand_models(SIDES, config["hand_model"], torch.float64)
    found = calibrate_by_hands(models, sightings, photos.focal, shared, config["pose_optim"])
    if all(frame for frame, _ in found.which):
        raise UserError("the photos' own hands fit no cameras; give another moment as --photos")
    sides = sorted(side for frame, side in found.which if frame == 0)
    views = np.flatnonzero(np.isfinite(found.cameras.R.numpy()).all((1, 2)))
    placed = _only(found, views)
    fit = refine_by_outlines(
        placed,
        {SIDES[side]: models[SIDES[side]] for side in sides},
        keypoints.xy[views],
        keypoints.confidence[views],
        [None] * len(views),
        lambda view: load_image(photos.path(int(views[view]))),
        config["mano_optim"],
    )
    cameras = _calibrated(fit.cameras, [photos.names[view] for view in views])
    calibration = Calibration(
        photos,
        moved_cameras(cameras, upright(cameras, 1.0)),
        None,
        _named(keypoints, placed, views),
    )
    _tell(calibration, placed, fit.metrics["stages"], [photos.names[v] for v in views])
    points = np.full((len(SIDES), KEYPOINTS, 3), np.nan)
    for hand in fit.hands:
        points[SIDES.index(hand.side)] = hand.keypoints().numpy()
    reflection = find_reflection(points, cameras)
    if reflection is not None:  # it served as well as a hand, but is none
        _leave_out(calibration, reflection)
    return calibration


def _leave_out(calibration: Calibration, reflection: Reflection) -> None:
    """Say that a hand is a mirror's image, and take it out of the keypoints."""
    calibration.say(reflection.line())
    calibration.report["reflection"] = reflection.as_dict()
    for xy, confidence in calibration.keypoints.values():
        xy[reflection.image], confidence[reflection.image] = np.nan, 0


def _only(found: HandCalibration, views: np.ndarray) -> HandCalibration:
    return replace(
        found,
        cameras=found.cameras[views.tolist()],
        swaps=found.swaps[views],
        sigma_px=found.sigma_px[views],
    )


def _calibrated(cameras: Cameras, names: list[str]) -> list[CalibratedCamera]:
    return [
        CalibratedCamera(
            Path(name).stem,
            cameras.K[k].numpy(),
            cameras.R[k].numpy(),
            cameras.t[k].numpy(),
            tuple(cameras.sizes[k].tolist()),
            photo=name,
        )
        for k, name in enumerate(names)
    ]


def _named(
    keypoints: PhotoKeypoints, placed: HandCalibration, views: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Keypoints under the names that the calibration found to be meant."""
    named = {}
    for row, view in enumerate(views):
        order = [1, 0] if placed.swaps[row, 0] else [0, 1]
        stem = Path(keypoints.names[view]).stem
        named[stem] = keypoints.xy[view][order], keypoints.confidence[view][order]
    return named


def _tell(
    calibration: Calibration, placed: HandCalibration, stages: list[dict], names: list[str]
) -> None:
    total = len(calibration.photos.names)
    by = f" by {placed.moments} moments" if placed.moments > 1 else ""
    sigma, worst = np.nanmedian(placed.sigma_px), int(np.nanargmax(placed.sigma_px))
    calibration.say(
        f"way: hands; {len(names)} of {total} views placed{by}, keypoints fit to "
        f"{placed.residual_px:.1f} px (median), {stages[-1]['keypoint_px']:.1f} px after outlines; "
        f"by keypoints, cameras are known to {sigma:.1f} px at the hands (worst: {names[worst]}, "
        f"{placed.sigma_px[worst]:.1f} px), focal lengths to {100 * placed.focal_sigma:.0f} %"
    )
    missing = sorted(set(calibration.photos.names) - set(names))
    if missing:
        calibration.say(f"warning: not placed: {', '.join(missing)}")
    calibration.say(
        "scale: a hand of natural size (a guess: adults' hands differ by 8 %); lenses are taken to "
        "be without distortion, principal points to be in the middle"
    )
    calibration.report |= {
        "way": "hands",
        "moments": placed.moments,
        "registered": len(names),
        "photos": total,
        "not_registered": missing,
        "residual_px": placed.residual_px,
        "sigma_px": {name: round(float(s), 3) for name, s in zip(names, placed.sigma_px)},
        "focal_relative_error": placed.focal_sigma,
        "focal_px": [round(float(f), 1) for f in placed.cameras.K[:, 0, 0]],
        "scale": {"by": "hand"},
    }
