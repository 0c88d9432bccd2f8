"""InterHand2.6M, read in place: a scan is a frame of a sequence, its views the colour cameras.

The world is the data set's, in metres. Masks, and keypoints where those of the annotation are not
wanted, are files that stages make in the results' folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.annotation import Annotation, HandParameters
from utils.captures.calibrations.format import Calibration, camera, pinhole
from utils.captures.capture import Capture, View
from utils.captures.notes import Notes
from utils.captures.photo_forms import is_blank
from utils.captures.readers.interhand_index import (
    JOINTS,
    MILLIMETRES,
    PARAMETERS,
    PARAMETERS_OF_MANO,
    AnnotationKind,
    annotated,
)
from utils.captures.readers.interhand_tree import (
    GREY,
    HandSequence,
    camera_ids,
    find_sequence,
)
from utils.captures.readers.photo_sizes import UnreadablePhotoError, stored_photo
from utils.captures.readers.rig import LEAST_LEFT, LEAST_VIEWS, RigView, rig_capture
from utils.captures.readers.rig_photos import PhotoSource, shown
from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import load_json, save_json
from utils.keypoints import KEYPOINTS, SIDES

BLACK_BYTES = 0.05  # of a JPEG, a pixel: an image that takes more shows something


@dataclass(frozen=True)
class _Frame:
    """One frame of a sequence: its number, the cameras by name, and each one's photo."""

    sequence: HandSequence
    number: int
    cameras: Mapping[str, CalibratedCamera]
    photos: Mapping[str, Path]

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.sequence.capture}/{self.sequence.folder.name}, frame {self.number}"


def read(
    data_path: Path, scan_id: str, config: Mapping[str, Any], made_path: Path | None = None
) -> Capture:
    """Open a frame of the sequence that the config's split, capture_name and data_name say.

    Only headers and annotations are read here. Cameras of `eval_cam` make up the capture's `held`.
    What the annotations say of the frame is kept in made_path/annotation.json. Raises UserError
    where files are missing, too few views are left, and where the frame is not annotated although
    its keypoints are to be the annotation's.
    """
    sequence, notes = find_sequence(data_path, config), Notes()
    frame = _frame(sequence, scan_id, config, notes)
    annotation, path = _annotation(frame, config, made_path)
    held = [name for name in camera_ids(config.get("eval_cam")) if name in frame.photos]
    fitted = [name for name in frame.photos if name not in held]
    least = LEAST_LEFT if len(fitted) >= LEAST_LEFT else LEAST_VIEWS
    views = _views(frame, fitted, config, least, notes)
    opened = partial(_capture, frame, scan_id, config, notes)
    capture = opened(views, made_path or data_path / "made")
    if annotation is not None:
        capture = replace(capture, annotation=annotation)
        if annotation.are_keypoints:
            capture = replace(capture, views=_with_keypoints(capture, views, annotation, path))
    held_views = _views(frame, held, config, 0, notes)
    if held_views:
        folder = (made_path or data_path / "made") / "held"
        capture = replace(capture, held=opened(held_views, folder))
    return capture


def scans(data_path: Path, config: Mapping[str, Any]) -> list[str]:
    """The places of the sequence's frames: 0, 1, ..."""
    frames = find_sequence(data_path, config).frames()
    return [str(k) for k in range(len({number for images in frames.values() for number in images}))]


def out_path(data_path: Path, config: Mapping[str, Any]) -> Path:
    """interhand_out/CAPTURE_SEQUENCE, as the reference implementation has it."""
    sequence = find_sequence(data_path, config)
    return Path("interhand_out") / f"{sequence.capture}_{sequence.folder.name}"


def _frame(sequence: HandSequence, scan_id: str, config: Mapping[str, Any], notes: Notes) -> _Frame:
    calibrated, images = _cameras(sequence), sequence.frames()
    number = sequence.wanted_frame(images, scan_id, config.get("frame"))
    notes.add(f"{sequence.capture}/{sequence.folder.name}: scan {scan_id} is frame {number}")
    names = _used_cameras(sequence, images, config, notes)
    absent = [name for name in calibrated if name not in images]
    without = [name for name in names if name not in calibrated]
    lost = [name for name in names if name in calibrated and number not in images[name]]
    for left_out, why in (
        (absent, "they have no folder"),
        (without, "not in the camera file"),
        (lost, f"no image of frame {number}"),
    ):
        if left_out:
            notes.add(f"cameras {shown(left_out)} are left out: {why}")
    photos = {
        name: sequence.photo(name, images[name][number])
        for name in names
        if name not in without and name not in lost
    }
    return _Frame(sequence, number, calibrated, photos)


def _used_cameras(
    sequence: HandSequence,
    images: Mapping[str, Mapping[int, str]],
    config: Mapping[str, Any],
    notes: Notes,
) -> list[str]:
    """Cameras that are fitted or kept for judging: none dropped, nor grey beside coloured."""
    dropped, kept = camera_ids(config.get("drop_cam")), camera_ids(config.get("eval_cam"))
    used = [name for name in images if name not in dropped or name in kept]
    unknown = [name for name in kept if name not in images]
    if unknown:
        raise UserError(
            f"eval_cam: {sequence.folder} has no camera {shown(unknown)}; it has {shown(used)}"
        )
    grey = [name for name in used if name.startswith(GREY) and name not in kept]
    if not 0 < len(grey) < len(used):
        return used
    notes.add(f"grey cameras are left out: {len(grey)} of {len(used)}")
    return [name for name in used if name not in grey]


def _cameras(sequence: HandSequence) -> dict[str, CalibratedCamera]:
    """All cameras of the capture by name, in metres. Raises UserError where there is no file."""
    paths = sequence.annotation_files("camera")
    if not paths:
        raise UserError(f"no cameras: {sequence.expected('camera')} is missing")
    path, facts = paths[0], load_json(paths[0], "copy or download it again")
    with decoding(path, "no camera file of InterHand2.6M", "copy or download it again"):
        if sequence.capture_key not in facts:
            raise UserError(
                f"{path} has no cameras of {sequence.capture}; it has {shown([*facts])}"
            )
        rig, cameras = facts[sequence.capture_key], {}
        for name, position in rig["campos"].items():
            R = np.asarray(rig["camrot"][name], float)
            t = -R @ np.asarray(position, float) / MILLIMETRES
            K = pinhole(*map(float, (*rig["focal"][name], *rig["princpt"][name])))
            cameras[name] = camera(path, name, K, R, t)
    return cameras


def _views(
    frame: _Frame, names: Sequence[str], config: Mapping[str, Any], least: int, notes: Notes
) -> list[RigView]:
    """Views of the cameras whose photos show something. Raises UserError where few are left."""
    views, reasons = [], []
    for name in names:
        source, own = PhotoSource(frame.photos[name]), frame.cameras[name]
        try:
            stored, _ = stored_photo(source, own, config.get("k_scale", 1.0))
        except UnreadablePhotoError as error:
            reasons.append(f"view cam{name} is left out: {error}")
            continue
        if _is_black(source.path, stored.size):
            reasons.append(f"view cam{name} is left out: {source.path} is black")
            continue
        views.append(RigView(f"cam{name}", own, source, stored))
    if len(views) < least:
        why = f" ({'; '.join(reasons)})" if reasons else ""
        raise UserError(f"{frame.name}: {len(views)} views are left, {least} are needed{why}")
    for reason in reasons:
        notes.add(reason)
    return views


def _is_black(path: Path, size: tuple[int, int]) -> bool:
    """Whether an image of (height, width) shows nothing; only small files are decoded."""
    if path.stat().st_size > BLACK_BYTES * size[0] * size[1]:
        return False
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return image is not None and is_blank(image / np.float32(255))


def _capture(
    frame: _Frame,
    scan_id: str,
    config: Mapping[str, Any],
    notes: Notes,
    views: Sequence[RigView],
    folder: Path,
) -> Capture:
    cameras = [view.camera for view in views]
    files = frame.sequence.annotation_files("camera")[:1]
    calibration = Calibration(cameras, files, unit="m")
    return rig_capture(
        frame.name, scan_id, views, (folder / "mask", folder / "pose"), config, calibration, notes
    )


def _annotation(
    frame: _Frame, config: Mapping[str, Any], made_path: Path | None
) -> tuple[Annotation | None, Path]:
    """What the annotations say of the frame, and the file that holds it."""
    are_keypoints = config.get("keypoints", "annotation") == "annotation"
    points, path = _numbers(frame, JOINTS)
    if points is None and are_keypoints:
        where = path if path else f"no annotation: {frame.sequence.expected('joint_3d')}"
        what = "has no joints of" if path else "is missing for"
        raise UserError(
            f"{where} {what} {frame.name}; keypoints can be detected: --set keypoints=detected, "
            "and run detect_hands.py"
        )
    parameters, _ = _numbers(frame, PARAMETERS_OF_MANO)
    if points is None and parameters is None:
        return None, Path()
    points = np.full((2, KEYPOINTS, 3), np.nan) if points is None else points
    hands = {} if parameters is None else _hands(parameters)
    annotation = Annotation(frame.name, points, hands, are_keypoints)
    return annotation, _kept(annotation, made_path) if made_path else path


def _numbers(frame: _Frame, kind: AnnotationKind) -> tuple[np.ndarray | None, Path | None]:
    """A frame's numbers from the first file that has it; else None and the last file, if any."""
    numbers, path = None, None
    for path in frame.sequence.annotation_files(kind.name):
        numbers = annotated(path, kind, frame.sequence.capture_key, frame.number)
        if numbers is not None:
            break
    return numbers, path


def _hands(parameters: np.ndarray) -> dict[str, HandParameters]:
    ends = np.cumsum([size for _, size in PARAMETERS])[:-1]
    return {
        side: HandParameters(*np.split(row, ends))
        for side, row in zip(SIDES, parameters)
        if np.isfinite(row).all()
    }


def _kept(annotation: Annotation, made_path: Path) -> Path:
    """A small file of what is said of this frame, whose content records can compare."""
    path = made_path / "annotation.json"
    hands = {side: vars(hand) for side, hand in annotation.hands.items()}
    save_json(path, {"of": annotation.source, "keypoints": annotation.keypoints, "hands": hands})
    return path


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
