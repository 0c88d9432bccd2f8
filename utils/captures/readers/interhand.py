"""InterHand2.6M, read in place: a scan is a frame of a sequence, its views the colour cameras.

The world is the data set's, in metres. Masks, and keypoints where those of the annotation are not
wanted, are files that stages make in the results' folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.annotation import Annotation, HandParameters
from utils.captures.calibrations.format import camera, pinhole
from utils.captures.capture import Capture
from utils.captures.notes import Notes
from utils.captures.readers.interhand_index import (
    JOINTS,
    MILLIMETRES,
    PARAMETERS,
    PARAMETERS_OF_MANO,
    AnnotationKind,
    annotated,
)
from utils.captures.readers.interhand_tree import HandSequence, find_sequence
from utils.captures.readers.rig_photos import shown
from utils.captures.readers.studio import StudioFrame, studio_frame
from utils.captures.readers.studio_views import FrameReading, studio_capture
from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.files import load_json, save_json
from utils.keypoints import KEYPOINTS, SIDES


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
    name = f"{sequence.capture}/{sequence.folder.name}"
    frame = studio_frame(sequence, name, _cameras(sequence), scan_id, config, notes)
    annotation, path = _annotation(sequence, frame, config, made_path)
    files = sequence.annotation_files("camera")[:1]
    made = made_path or data_path / "made"
    kept = None if annotation is None else (annotation, path)
    return studio_capture(frame, FrameReading(scan_id, config, files, made, kept), notes)


def scans(data_path: Path, config: Mapping[str, Any]) -> list[str]:
    """The places of the sequence's frames: 0, 1, ..."""
    return find_sequence(data_path, config).scans()


def out_path(data_path: Path, config: Mapping[str, Any]) -> Path:
    """interhand_out/CAPTURE_SEQUENCE, as the reference implementation has it."""
    sequence = find_sequence(data_path, config)
    return Path("interhand_out") / f"{sequence.capture}_{sequence.folder.name}"


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


def _annotation(
    sequence: HandSequence, frame: StudioFrame, config: Mapping[str, Any], made_path: Path | None
) -> tuple[Annotation | None, Path]:
    """What the annotations say of the frame, and the file that holds it."""
    are_keypoints = config.get("keypoints", "annotation") == "annotation"
    points, path = _numbers(sequence, frame, JOINTS)
    if points is None and are_keypoints:
        where = path if path else f"no annotation: {sequence.expected('joint_3d')}"
        what = "has no joints of" if path else "is missing for"
        raise UserError(
            f"{where} {what} {frame.name}; keypoints can be detected: --set keypoints=detected, "
            "and run detect_hands.py"
        )
    parameters, _ = _numbers(sequence, frame, PARAMETERS_OF_MANO)
    if points is None and parameters is None:
        return None, Path()
    points = np.full((2, KEYPOINTS, 3), np.nan) if points is None else points
    hands = {} if parameters is None else _hands(parameters)
    annotation = Annotation(frame.name, points, hands, are_keypoints)
    return annotation, _kept(annotation, made_path) if made_path else path


def _numbers(
    sequence: HandSequence, frame: StudioFrame, kind: AnnotationKind
) -> tuple[np.ndarray | None, Path | None]:
    """A frame's numbers from the first file that has it; else None and the last file, if any."""
    numbers, path = None, None
    for path in sequence.annotation_files(kind.name):
        numbers = annotated(path, kind, sequence.capture_key, frame.number)
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
