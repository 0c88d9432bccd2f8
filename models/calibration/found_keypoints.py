"""Keypoints in photos that have no cameras yet: from files, or by the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.calibration.request import Request
from models.calibration.sightings import empty_sightings
from utils.calibration.photos import PhotoSet, collect_photos, plain_name
from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import pixels_of
from utils.captures.pose_files import load_pose
from utils.detection.detector import Detector, environment
from utils.detection.windows import whole_photo
from utils.errors import UserError
from utils.keypoints import SIDES
from utils.progress_bar import progress

CROWD = 0.2  # of the photos that show more than two hands


@dataclass(frozen=True)
class PhotoKeypoints:
    """xy (N, 2, 21, 2) pixels of the photos as stored, confidence (N, 2, 21), by file name."""

    names: list[str]
    xy: np.ndarray
    confidence: np.ndarray

    def by_name(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Keypoints and confidences by the photos' names without endings; {} if nobody looked."""
        if not np.isfinite(self.xy).any():
            return {}
        stems = [Path(name).stem for name in self.names]
        return dict(zip(stems, zip(self.xy, self.confidence)))

    def straight(self, cameras: Sequence[CalibratedCamera]) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints (V, 2, 21, 2) as the cameras would show them without their lenses, and
        confidences (V, 2, 21)."""
        row = _rows(self.names)
        rows = [row[camera.name] for camera in cameras]
        xy = self.xy[rows].copy()
        for view, camera in enumerate(cameras):
            xy[view] = pixels_of(camera.K, camera.rays(xy[view]))
        return xy, self.confidence[rows]

    def without(self, cameras: Sequence[CalibratedCamera], slots: np.ndarray) -> PhotoKeypoints:
        """The same but for detection slots[v] (0 left, 1 right; -1: none) in camera v's photo."""
        row = _rows(self.names)
        xy, confidence = self.xy.copy(), self.confidence.copy()
        for camera, slot in zip(cameras, slots):
            if slot >= 0:
                xy[row[camera.name], slot] = np.nan
                confidence[row[camera.name], slot] = 0
        return PhotoKeypoints(self.names, xy, confidence)


def keypoints_of(request: Request, photos: PhotoSet, config: Mapping[str, Any]) -> PhotoKeypoints:
    """Keypoints of the photos: of --keypoints, else detected where the detector is installed.

    Nothing is detected where nothing needs it. Raises UserError for files that cannot be read, and
    where hands are the only way and there is no detector.
    """
    if request.keypoints is not None:
        return _from_files(request.keypoints, photos)
    scaled = request.board is not None or request.marks is not None
    nothing = PhotoKeypoints(photos.names, *empty_sightings(len(photos.names)))
    if request.way == "background" and scaled:
        return nothing
    options = dict(config["detect_hands"])
    try:
        environment(options["environment"])
    except UserError:
        if request.way == "hands":
            raise
        return nothing
    return _detected(photos, options)


def keypoints_at(
    folder: Path, scratch: Path, photos: PhotoSet, config: Mapping[str, Any]
) -> PhotoKeypoints:
    """Keypoints of what the photos' cameras saw at another moment.

    folder: pose files, or photos in which hands are detected (linked into `scratch`), named as
    `photos` are. Raises UserError where no name is the same, or a photo has another size.
    """
    if next(folder.glob("*.json"), None) is not None or not folder.is_dir():
        return _from_files(folder, photos, "--moments")
    taken = collect_photos(folder, scratch, keep_shaken=True)
    row = _rows(photos.names)
    known = [(k, row[Path(n).stem]) for k, n in enumerate(taken.names) if Path(n).stem in row]
    if not known:
        raise UserError(
            f"--moments {folder} holds no photo named like one of --photos, such as "
            f"{photos.names[0]}"
        )
    for k, view in known:
        if taken.sizes[k] != photos.sizes[view]:
            raise UserError(
                f"{folder}: {taken.names[k]} has {_words(taken.sizes[k])} pixels, in --photos "
                f"{_words(photos.sizes[view])}; --moments are photos of the same cameras"
            )
    found = _detected(taken, dict(config["detect_hands"]))
    photos.notes.extend(f"{folder}: {note}" for note in taken.notes)
    xy, confidence = empty_sightings(len(photos.names))
    for k, view in known:
        xy[view], confidence[view] = found.xy[k], found.confidence[k]
    return PhotoKeypoints(photos.names, xy, confidence)


def _rows(names: Sequence[str]) -> dict[str, int]:
    """Where each photo stands, by its name without its ending."""
    return {Path(name).stem: k for k, name in enumerate(names)}


def _words(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"


def _from_files(folder: Path, photos: PhotoSet, option: str = "--keypoints") -> PhotoKeypoints:
    if not folder.is_dir():
        raise UserError(f"{option} {folder} is no folder of pose files")
    xy, confidence = empty_sightings(len(photos.names))
    files, found = {plain_name(path.stem): path for path in folder.glob("*.json")}, 0
    for k, name in enumerate(photos.names):
        path = files.get(Path(name).stem)
        if path is not None:
            xy[k], confidence[k] = load_pose(path, photos.sizes[k])
            found += 1
    if not found:
        raise UserError(
            f"{option} {folder} holds no file named like a photo, such as "
            f"{Path(photos.names[0]).stem}.json"
        )
    return PhotoKeypoints(photos.names, xy, confidence)


def _detected(photos: PhotoSet, options: dict[str, Any]) -> PhotoKeypoints:
    """The likeliest hand of each side in each whole photo."""
    xy, confidence = empty_sightings(len(photos.names))
    crowded = 0
    paths = [photos.path(k) for k in range(len(photos.names))]
    with Detector(paths, options) as detector:
        for k in progress(range(len(paths)), "detecting hands", "photo"):
            candidates = detector(whole_photo(k, photos.sizes[k]))
            crowded += len(candidates) > len(SIDES)
            for candidate in candidates:
                side = SIDES.index("left" if candidate.left > 0.5 else "right")
                if not np.isfinite(xy[k, side]).any():
                    xy[k, side], confidence[k, side] = candidate.xy, 1.0
    if crowded > CROWD * len(paths):
        photos.notes.append(
            f"more than two hands are seen in {crowded} of {len(paths)} photos: a second person, "
            "or a mirror? Film one person's hands alone, or cover the mirror"
        )
    if not np.isfinite(xy).any():
        raise UserError(
            f"no hand was found in any of the {len(paths)} photos; is it the right video? (hands "
            "of another detector: --keypoints)"
        )
    return PhotoKeypoints(photos.names, xy, confidence)
