"""Rigs of one's own: a calibration in one of many formats, and photos that are found by it.

D/S holds the photos of scan S (or a folder or a video a camera), D/S or D the calibration. Where
there is no folder D/S, D holds a sequence: a folder or a video a camera, and S is the place of a
frame in it. Files of masks and keypoints belong to the photos as stored; distortion is undone when
they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.cameras.calibrated import CalibratedCamera
from utils.captures.calibrations.format import Calibration, CalibrationFormat
from utils.captures.capture import Capture, View
from utils.captures.mask_forms import ViewMasks
from utils.captures.notes import Notes
from utils.captures.photo_forms import Photos
from utils.captures.readers.photo_sizes import (
    StoredPhoto,
    UnreadablePhotoError,
    stored_photo,
    used_size,
)
from utils.captures.readers.rig_photos import (
    PHOTO_FOLDERS,
    PhotoSource,
    Place,
    find_rig_photos,
    frames_in,
)
from utils.captures.resampling import Resampling
from utils.captures.view_files import PHOTO_SUFFIXES, files_of_views
from utils.captures.view_keypoints import ViewKeypoints
from utils.errors import UserError
from utils.io.files import natural_order
from utils.io.videos import video_frame

LEAST_VIEWS = 2
LEAST_LEFT = 3  # views that must be there for an unreadable one to be left out


@dataclass(frozen=True)
class RigView:
    """A camera, its photo's place, and how the stored photo is turned, sized and undistorted."""

    name: str
    camera: CalibratedCamera
    source: PhotoSource
    stored: StoredPhoto


def read(
    form: CalibrationFormat,
    data_path: Path,
    scan_id: str,
    config: Mapping[str, Any],
    made_path: Path | None = None,
) -> Capture:
    """Open a scan of a rig whose calibration is of the format `form`.

    Only headers and the calibration are read here. Raises UserError where there is no calibration,
    none of its cameras has a photo, sizes contradict each other, or too few views are left.
    """
    notes, place = Notes(), _place(data_path, scan_id, config)
    path = _calibration_path(form, place.folder, data_path, config)
    calibration = form.read(path)
    for note in calibration.notes:
        notes.add(note)
    sources, photo_notes = find_rig_photos(place, calibration.cameras, path)
    for note in photo_notes:
        notes.add(note)
    views = _rig_views(calibration, sources, config, notes)
    if len(views) < LEAST_VIEWS:
        raise UserError(
            f"{place.folder}: {len(views)} of the calibration's {len(calibration.cameras)} cameras "
            f"have a photo that can be used; at least {LEAST_VIEWS} are needed"
        )
    return rig_capture(
        f"{data_path}/{scan_id}",
        scan_id,
        views,
        _file_folders(place, made_path),
        config,
        replace(calibration, unit=_unit(config, calibration)),
        notes,
    )


def rig_capture(
    name: str,
    scan_id: str,
    rig_views: Sequence[RigView],
    file_folders: tuple[Path, Path],
    config: Mapping[str, Any],
    calibration: Calibration,
    notes: Notes,
) -> Capture:
    """A capture of photos with their cameras; file_folders: of masks and of keypoints."""
    resamplings = [
        Resampling(
            view.stored.K,
            view.stored.size,
            used_size(view.stored.size, config),
            view.camera.lens,
        )
        for view in rig_views
    ]
    R, t = (np.stack([getattr(v.camera, key) for v in rig_views]) for key in ("R", "t"))
    stored_sizes = np.array([view.stored.size for view in rig_views])
    stored = CameraArrays(np.stack([view.stored.K for view in rig_views]), R, t, stored_sizes)
    K = np.stack([resampling.K for resampling in resamplings])
    sizes = np.array([resampling.size for resampling in resamplings])
    views = _views(rig_views, resamplings, stored, file_folders, notes)
    return Capture(
        name,
        scan_id,
        views,
        CameraArrays(K, R, t, sizes),
        calibration.world_from_norm,
        tuple(calibration.files),
        unit=calibration.unit,
        notes=notes,
    )


def _views(
    rig_views: Sequence[RigView],
    resamplings: Sequence[Resampling],
    stored: CameraArrays,
    file_folders: tuple[Path, Path],
    notes: Notes,
) -> tuple[View, ...]:
    names = [view.name for view in rig_views]
    as_files = [Path(f"{name}.png") for name in names]
    masks, mask_note = files_of_views(file_folders[0], as_files, PHOTO_SUFFIXES)
    poses, pose_note = files_of_views(file_folders[1], as_files, (".json",))
    for note in (mask_note, pose_note):
        if note is not None:
            notes.add(note)
    keypoints = ViewKeypoints(poses, names, stored, notes)
    turns = [view.stored.turn for view in rig_views]
    sizes = [view.stored.size for view in rig_views]
    turned = [turn != 1 for turn in turns]
    view_masks = ViewMasks(masks, names, sizes, turned, keypoints.all, notes)
    paths = [view.source.path for view in rig_views]
    photos = Photos(paths, [view.stored.header for view in rig_views], turns, notes)
    views = []
    for k, view in enumerate(rig_views):
        frame, same = view.source.frame, resamplings[k].is_none
        views.append(
            View(
                name=view.name,
                size=resamplings[k].size,
                image_path=view.source.path,
                mask_path=masks[k],
                pose_path=poses[k],
                read_image=partial(photos.read, k)
                if frame is None
                else partial(video_frame, frame=frame),
                read_mask=partial(view_masks.read, k),
                read_pose=partial(keypoints.read, k),
                is_plain=frame is None and same and photos.is_plain(k),
                resampling=None if same else resamplings[k],
            )
        )
    return tuple(views)


def _place(data_path: Path, scan_id: str, config: Mapping[str, Any]) -> Place:
    if not data_path.is_dir():
        raise UserError(f"{data_path} is no folder; check --data_path")
    images, frame = config.get("images") or None, config.get("frame")
    if (data_path / scan_id).is_dir():
        return Place(data_path / scan_id, scan_id, images, frame)
    if not scan_id.isdigit():
        raise UserError(
            f"{data_path / scan_id} is no folder; check --data_path and --scan_id (a number is the "
            f"place of a frame in the sequence that {data_path} holds)"
        )
    return Place(data_path, scan_id, images, frame, int(scan_id))


def _calibration_path(
    form: CalibrationFormat, folder: Path, data_path: Path, config: Mapping[str, Any]
) -> Path:
    named = config.get("cameras")
    if not named:
        return form.find([folder, data_path])
    for path in (folder / named, data_path / named, Path(named)):
        if path.exists():
            return path
    raise UserError(
        f"cameras = {named}: there is no such file or folder in {folder} or {data_path}"
    )


def _unit(config: Mapping[str, Any], calibration: Calibration) -> str | None:
    unit = config.get("unit", "auto")
    return calibration.unit if unit == "auto" else unit


def _file_folders(place: Place, made_path: Path | None) -> tuple[Path, Path]:
    """The folders of masks and keypoints: the user's own, else where stages make them."""
    folders = []
    for names in (("mask", "masks"), ("pose", "keypoints")):
        own = [place.folder / name for name in names]
        if place.index is not None:
            own = [folder / place.scan_id for folder in own]
        fallback = own[0] if place.index is None or made_path is None else made_path / names[0]
        folders.append(next((folder for folder in own if folder.is_dir()), fallback))
    return folders[0], folders[1]


def _rig_views(
    calibration: Calibration,
    sources: Mapping[int, PhotoSource],
    config: Mapping[str, Any],
    notes: Notes,
) -> list[RigView]:
    names = _view_names(calibration, sources)
    views, broken, scaled = [], [], []
    order = sorted(sources, key=lambda k: natural_order(names[k]))  # whatever the file's is
    for k in order if calibration.names_photos else sources:
        source, camera = sources[k], calibration.cameras[k]
        try:
            stored, factor = stored_photo(source, camera, config.get("k_scale", 1.0))
        except UnreadablePhotoError as error:
            broken.append((names[k], error))
            continue
        scaled += [factor] if factor else []
        views.append(RigView(names[k], camera, source, stored))
    if broken and len(views) < LEAST_LEFT:
        raise broken[0][1]
    for name, error in broken:
        notes.add(f"view {name} is left out: {error}")
    if scaled:
        notes.add(
            f"the calibration is of photos of another size: K of {len(scaled)} cameras is scaled "
            f"by {np.median(scaled):.4g} to these"
        )
    lenses = sum(not view.camera.lens.is_none for view in views)
    if lenses:
        notes.add(f"lens distortion of {lenses} of {len(views)} views is undone when they are read")
    return views


def _view_names(calibration: Calibration, sources: Mapping[int, PhotoSource]) -> dict[int, str]:
    """What views are called: the photo where cameras are one a photo, else the camera."""
    stems = {k: source.path.stem for k, source in sources.items()}
    if calibration.names_photos and len(set(stems.values())) == len(stems):
        return stems
    names = {k: calibration.cameras[k].name.strip("./\\") for k in sources}
    return {k: name.replace("/", "_").replace("\\", "_") or str(k) for k, name in names.items()}


def scans(data_path: Path, config: Mapping[str, Any] | None = None) -> list[str]:
    """Folders in D that hold photos; where there are none, the frames of the sequence in D."""
    folders = [path for path in data_path.iterdir() if path.is_dir()] if data_path.is_dir() else []
    named = [f.name for f in folders if any((f / name).is_dir() for name in PHOTO_FOLDERS if name)]
    loose = [f.name for f in folders if any(p.suffix in PHOTO_SUFFIXES for p in f.iterdir())]
    found = sorted({*named, *loose} - set(PHOTO_FOLDERS), key=natural_order)
    if found and not any((data_path / name).is_dir() for name in PHOTO_FOLDERS if name):
        return found
    frames = {
        number
        for name in PHOTO_FOLDERS
        if name and (data_path / name).is_dir()
        for folder in (data_path / name).iterdir()
        if folder.is_dir()
        for number in frames_in(folder)
    }
    return [str(index) for index in range(len(frames))] or found
