"""A calibration from beginning to end: photos, cameras, scale, and what to say about them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.calibration.following import follow_hand
from models.calibration.found_keypoints import PhotoKeypoints, keypoints_at, keypoints_of
from models.calibration.gaps import believable, gap_warnings, what_failed
from models.calibration.hands_way import cameras_by_hands
from models.calibration.outcome import Calibration
from models.calibration.request import Request
from models.calibration.scale import find_scale
from models.calibration.seen_hands import SeenHands
from utils.calibration.exposure import exposure_note, exposures
from utils.calibration.frames import frames_of_video
from utils.calibration.photos import PhotoSet, collect_photos
from utils.calibration.placing import (
    camera_sigmas,
    middle_of_view,
    moved_cameras,
)
from utils.calibration.structure import Structure, find_structure
from utils.calibration.writing import PHOTOS
from utils.errors import UserError

FOCAL_DIFFERS = 0.15  # of the logarithm: EXIF rounds to a twentieth, zooms and crops do as much


def calibrate(
    request: Request, folder: Path, config: Mapping[str, Any], seed: int = 0
) -> Calibration:
    """Find the cameras; work is kept in `folder`. Raises UserError where they cannot be found."""
    start = time.perf_counter()
    photos = gather_photos(request, folder / PHOTOS)
    shared = _one_lens(request, photos)
    if request.focal:
        photos = replace(photos, focal=request.focal)
    keypoints = keypoints_of(request, photos, config)
    structure = None
    if request.way != "hands":
        structure = find_structure(photos, folder, shared, seed)
    if structure is not None and believable(structure, photos):
        for line in gap_warnings(structure, photos):  # at once: what follows may lack those photos
            print(line)
        calibration = _by_background(request, photos, structure, keypoints, config, seed)
        if request.moments:
            calibration.say("note: the background told the cameras; --moments were not looked at")
    elif request.way == "background":
        raise UserError(what_failed(structure, photos))
    else:
        if request.way == "auto":
            print(f"note: {what_failed(structure, photos)}")
        moments = [
            keypoints_at(moment, folder / "moments" / str(number), photos, config)
            for number, moment in enumerate(request.moments, 1)
        ]
        calibration = cameras_by_hands(photos, [keypoints, *moments], shared, config)
    for note in photos.notes:
        calibration.say(f"note: {note}")
    if photos.left_out:
        calibration.say(f"left out as shaken: {', '.join(photos.left_out)}")
    if request.keypoints is None:  # detect_hands.py finds better ones, once there are cameras
        calibration.keypoints = {}
    calibration.report["shared_lens"] = shared
    calibration.report["left_out"] = photos.left_out
    calibration.report["seconds"] = round(time.perf_counter() - start, 1)
    return calibration


def _one_lens(request: Request, photos: PhotoSet) -> bool:
    """Whether one camera took all photos, one after the other."""
    return request.lens == "shared" or (request.lens == "auto" and photos.one_camera)


def gather_photos(request: Request, folder: Path) -> PhotoSet:
    """The photos of a folder, or of a video."""
    if request.photos.is_file():
        return frames_of_video(request.photos, folder, request.count)
    if not request.photos.exists():
        raise UserError(f"{request.photos} is missing; check --photos")
    return collect_photos(request.photos, folder, request.keep_shaken)


def focal_note(found: float, stated: float | None) -> str | None:
    """What to say where a focal length is not the one that EXIF or the user states (pixels)."""
    if stated is None or abs(np.log(found / stated)) < FOCAL_DIFFERS:
        return None
    return (
        f"EXIF or --focal says a focal length of {stated:.0f} px, the photos say {found:.0f}: few "
        "of them, or such that are far apart, tell it badly, and depths with it; more photos, a "
        "step apart, show which is right"
    )


def _by_background(
    request: Request,
    photos: PhotoSet,
    structure: Structure,
    keypoints: PhotoKeypoints,
    config: Mapping[str, Any],
    seed: int,
) -> Calibration:
    hands = SeenHands.of(structure, keypoints, config, seed)
    scale = find_scale(request, photos, structure, hands and hands.points, config)
    cameras = moved_cameras(structure.cameras, scale.matrix)
    sigmas = camera_sigmas(structure, middle_of_view(structure.cameras))
    named = (hands.keypoints if hands else keypoints).by_name()
    calibration = Calibration(photos, cameras, scale.unit, named)
    residual = float(np.median(structure.residuals()))
    count, total = len(cameras), len(photos.names)
    calibration.say(
        f"way: background; {count} of {total} photos registered, {len(structure.points)} points, "
        f"median residual {residual:.2f} px; cameras known to {np.nanmedian(sigmas):.2f} px at the "
        f"middle of view (worst {np.nanmax(sigmas):.2f})"
    )
    K, lens = cameras[0].K, cameras[0].lens
    calibration.say(f"focal length {K[0, 0]:.1f} px, lens {_lens_words(lens.numbers)}")
    stated = focal_note(float(K[0, 0]), photos.focal)
    if stated:
        calibration.say(f"note: {stated}")
    calibration.say(scale.line)
    if hands is not None:
        for line in hands.lines():
            calibration.say(line)
        if hands.reflection is not None:
            calibration.report["reflection"] = hands.reflection.as_dict()
        if _one_lens(request, photos):  # several take their photos at one moment
            follow_hand(calibration, structure, hands, scale, config, not request.as_taken)
    gains = exposures(photos, structure)
    note = exposure_note(gains)
    if note:
        calibration.say(f"note: {note}")
    calibration.report |= {
        "way": "background",
        "registered": count,
        "photos": total,
        "not_registered": structure.left_out,
        "pieces": structure.pieces,
        "residual_px": residual,
        "sigma_px": {c.name: round(float(s), 3) for c, s in zip(cameras, sigmas)},
        "exposure": {c.name: round(float(g), 3) for c, g in zip(cameras, gains)},
        "scale": scale.facts,
    }
    return calibration


def _lens_words(numbers: tuple[float, ...]) -> str:
    if not numbers:
        return "without distortion"
    return "k1 {:.4f}, k2 {:.4f}".format(*numbers[:2])
