"""The demo layout: D/S/img/%02d.png, mask/%02d.png, pose/%02d.json and camera/param.npz.

What is unambiguous in other names and forms of files is read as it is meant, and said in the
capture's notes; the rest is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.captures.camera_files import check_camera_count, load_cameras
from utils.captures.capture import Capture, View
from utils.captures.mask_forms import ViewMasks
from utils.captures.notes import Notes
from utils.captures.photo_forms import Photos, orientations, turned_size
from utils.captures.readers.photo_sizes import scaled_intrinsics
from utils.captures.view_files import (
    PHOTO_SUFFIXES,
    files_of_views,
    find_photos,
    missing_photo,
    pairing_note,
)
from utils.captures.view_keypoints import ViewKeypoints
from utils.errors import UserError
from utils.io.files import natural_order
from utils.io.images import image_header


def read(
    data_path: Path, scan_id: str, config: Mapping[str, Any], made_path: Path | None = None
) -> Capture:
    """Open D/S. Only image headers and cameras are read here; made_path is not used.

    Photos and files that are named otherwise are paired as `view_files` says. The config's `num`,
    `w` and `h` are checked where they are given. Raises UserError on a missing folder, photos that
    cannot be told from other files, a camera count that differs from the images', bad cameras, and
    sizes that contradict the config.
    """
    scan_dir, notes = data_path / scan_id, Notes()
    if not scan_dir.is_dir():
        raise UserError(f"{scan_dir} is no folder; check --data_path and --scan_id")
    photo_paths = find_photos(scan_dir / "img", config.get("num"))
    headers = [image_header(path) for path in photo_paths]
    camera_path = scan_dir / "camera" / "param.npz"
    K, R, t, world_from_norm = load_cameras(camera_path)
    k_scale = config.get("k_scale", 1.0)
    K = np.stack([scaled_intrinsics(each, (k_scale, k_scale)) for each in K])
    _check_count(camera_path, len(K), photo_paths)
    turns, turn_notes = orientations(headers, K)
    sizes = [turned_size(header, turn) for header, turn in zip(headers, turns)]
    _check_sizes(photo_paths, sizes, config.get("w"), config.get("h"))
    masks, mask_note = files_of_views(scan_dir / "mask", photo_paths, PHOTO_SUFFIXES)
    poses, pose_note = files_of_views(scan_dir / "pose", photo_paths, (".json",))
    for note in (pairing_note(photo_paths), mask_note, pose_note, *turn_notes):
        if note is not None:
            notes.add(note)
    cameras = CameraArrays(K, R, t, np.array(sizes))
    photos = Photos(photo_paths, headers, turns, notes)
    views = _views(photos, masks, poses, cameras, notes)
    return Capture(
        str(scan_dir), scan_id, views, cameras, world_from_norm, (camera_path,), notes=notes
    )


def _views(
    photos: Photos,
    masks: Sequence[Path],
    poses: Sequence[Path],
    cameras: CameraArrays,
    notes: Notes,
) -> tuple[View, ...]:
    """Views whose files are read alike."""
    names = [path.stem for path in photos.paths]
    sizes = [(height, width) for height, width in cameras.sizes.tolist()]
    keypoints = ViewKeypoints(poses, names, cameras, notes)
    turned = [turn != 1 for turn in photos.turns]
    view_masks = ViewMasks(masks, names, sizes, turned, keypoints.all, notes)
    return tuple(
        View(
            name=name,
            size=sizes[view],
            image_path=photos.paths[view],
            mask_path=masks[view],
            pose_path=poses[view],
            read_image=partial(photos.read, view),
            read_mask=partial(view_masks.read, view),
            read_pose=partial(keypoints.read, view),
            is_plain=photos.is_plain(view),
        )
        for view, name in enumerate(names)
    )


def _check_count(camera_path: Path, count: int, photos: Sequence[Path]) -> None:
    missing = missing_photo(photos, count) if count != len(photos) else None
    if missing is not None:
        raise UserError(
            f"{missing} is missing; {len(photos)} images found for the {count} cameras of "
            f"{camera_path}, views are numbered 00.png, 01.png, ... without gaps"
        )
    check_camera_count(camera_path, count, len(photos))


def _check_sizes(
    photos: Sequence[Path], sizes: Sequence[tuple[int, int]], w: int | None, h: int | None
) -> None:
    for path, (height, width) in zip(photos, sizes):
        if (w is not None and w != width) or (h is not None and h != height):
            raise UserError(
                f"{path} is {width}x{height}, but the config says w = {w}, h = {h}; "
                "correct the config or leave w and h out"
            )


def scans(data_path: Path, config: Mapping[str, Any] | None = None) -> list[str]:
    """Names of the folders in D that hold photos, 2 before 10."""
    names = [folder.parent.name for folder in data_path.glob("*/img") if folder.is_dir()]
    return sorted(names, key=natural_order)
