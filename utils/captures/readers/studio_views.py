"""Captures of a studio's frames: photos that show something, held cameras, given keypoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.annotation import Annotation
from utils.captures.calibrations.format import Calibration
from utils.captures.capture import Capture, View
from utils.captures.notes import Notes
from utils.captures.photo_forms import is_blank
from utils.captures.readers.photo_sizes import StoredPhoto, UnreadablePhotoError, stored_photo
from utils.captures.readers.rig import LEAST_LEFT, LEAST_VIEWS, RigView, rig_capture
from utils.captures.readers.rig_photos import PhotoSource
from utils.captures.readers.studio import StudioFrame
from utils.errors import UserError
from utils.keypoints import KEYPOINTS

BLACK_BYTES = 0.05  # of a JPEG, a pixel: an image that takes more shows something
Stored = Callable[[PhotoSource, CalibratedCamera], StoredPhoto]


@dataclass(frozen=True)
class FrameReading:
    """How the captures of a frame are made.

    files: what the cameras were read from; made_path: folder of masks and detections, those of
    cameras kept for judging in its folder `held`; stored(source, camera): how a camera's photo is
    stored, which raises UnreadablePhotoError for a damaged one, None: in the camera's own K;
    annotation: with its file, if there is one.
    """

    scan_id: str
    config: Mapping[str, Any]
    files: Sequence[Path]
    made_path: Path
    annotation: tuple[Annotation, Path] | None = None
    stored: Stored | None = None


def studio_capture(frame: StudioFrame, reading: FrameReading, notes: Notes) -> Capture:
    """The capture of a frame, world: metres; `held` is that of the cameras kept for judging.

    Raises UserError where too few photos can be read and show something.
    """
    fitted = [name for name in frame.photos if name not in frame.held]
    least = LEAST_LEFT if len(fitted) >= LEAST_LEFT else LEAST_VIEWS
    views = _views(frame, fitted, least, reading, notes)
    capture = _capture(frame, reading, views, reading.made_path, notes)
    if reading.annotation is not None:
        annotation, path = reading.annotation
        capture = replace(capture, annotation=annotation)
        if annotation.are_keypoints:
            capture = replace(capture, views=_with_keypoints(capture, views, annotation, path))
    held = _views(frame, frame.held, 0, reading, notes)
    if not held:
        return capture
    return replace(capture, held=_capture(frame, reading, held, reading.made_path / "held", notes))


def _capture(
    frame: StudioFrame,
    reading: FrameReading,
    views: Sequence[RigView],
    folder: Path,
    notes: Notes,
) -> Capture:
    calibration = Calibration([view.camera for view in views], reading.files, unit="m")
    folders = folder / "mask", folder / "pose"
    return rig_capture(
        frame.name, reading.scan_id, views, folders, reading.config, calibration, notes
    )


def _views(
    frame: StudioFrame, names: Sequence[str], least: int, reading: FrameReading, notes: Notes
) -> list[RigView]:
    """Views of the cameras whose photos show something. Raises UserError where few are left."""
    views, reasons = [], []
    stored = reading.stored or partial(_as_calibrated, reading.config.get("k_scale", 1.0))
    for name in names:
        source, own = PhotoSource(frame.photos[name]), frame.cameras[name]
        try:
            photo = stored(source, own)
        except UnreadablePhotoError as error:
            reasons.append(f"view cam{name} is left out: {error}")
            continue
        if _is_black(source.path, photo.size):
            reasons.append(f"view cam{name} is left out: {source.path} is black")
            continue
        views.append(RigView(f"cam{name}", own, source, photo))
    if len(views) < least:
        why = f" ({'; '.join(reasons)})" if reasons else ""
        raise UserError(f"{frame.name}: {len(views)} views are left, {least} are needed{why}")
    for reason in reasons:
        notes.add(reason)
    return views


def _as_calibrated(k_scale: float, source: PhotoSource, camera: CalibratedCamera) -> StoredPhoto:
    return stored_photo(source, camera, k_scale)[0]


def _is_black(path: Path, size: tuple[int, int]) -> bool:
    """Whether an image of (height, width) shows nothing; only small files are decoded."""
    if path.stat().st_size > BLACK_BYTES * size[0] * size[1]:
        return False
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return image is not None and is_blank(image / np.float32(255))


def _with_keypoints(
    capture: Capture, rig_views: Sequence[RigView], annotation: Annotation, path: Path
) -> tuple[View, ...]:
    """Views whose keypoints are the annotation's, projected into the stored photo."""
    return tuple(
        replace(
            view,
            pose_path=path,
            read_pose=partial(_projected, rig_view, annotation.keypoints),
        )
        for view, rig_view in zip(capture.views, rig_views)
    )


def _projected(
    view: RigView, points: np.ndarray, path: Path, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (2, 21, 2) and confidences (2, 21) of points (2, 21, 3); nan and 0 outside the photo.

    Which of them the data set calls visible is not asked: its 2D list holds just those inside.
    """
    stored = replace(view.camera, K=view.stored.K)
    xy = stored.project(points.reshape(-1, 3)).reshape(2, KEYPOINTS, 2)
    height, width = size
    inside = ((xy > -0.5) & (xy < [width - 0.5, height - 0.5])).all(-1)
    return np.where(inside[..., None], xy, np.nan), inside.astype(float)
