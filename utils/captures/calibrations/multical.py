"""Multical's calibration.json: cameras, and poses that lead from one camera to another.

"camera_poses" holds {R, T}: for the reference camera under its name, for others under
"cam2_to_cam1", which despite its name maps cam1's frame to cam2's (x_cam2 = R x_cam1 + T:
multical/io/export_calib.py writes poses[i] inv(poses[master])). Unit of the board, OpenCV's axes
and distortion; the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.reading import (
    checked,
    entry,
    image_size,
    left_out,
    lens,
    shaped,
)
from utils.errors import UserError
from utils.io.files import load_json

MODELS = ("standard", "rational", "thin_prism", "tilted")  # all OpenCV's, of 4 to 14 numbers
LINK = "_to_"


def read(path: Path) -> Calibration:
    """The cameras that poses tie to the reference camera; others are left out with a note.

    Raises UserError on unknown models and missing entries.
    """
    table = load_json(path, "export it again")
    items = entry(path, "the file", table, "cameras")
    links = table.get("camera_poses") or {}
    if not isinstance(items, dict) or not isinstance(links, dict):
        raise UserError(f"{path}: cameras and camera_poses must be tables; export it again")
    poses = _poses(path, items, links)
    cameras = [_camera(path, name, items[name], poses[name]) for name in items if name in poses]
    loose = [name for name in items if name not in poses]
    notes = left_out(loose, "without a pose in camera_poses")
    return checked(path, Calibration(cameras, [path], notes=notes))


def _poses(path: Path, items: dict[str, Any], links: dict[str, Any]) -> dict[str, np.ndarray]:
    """cam_from_world (4, 4) of the cameras that a chain of links ties to one with its own pose."""
    poses = {name: _rigid(path, name, links[name]) for name in items if name in links}
    waiting = [
        (name, parent, _rigid(path, key, links[key]))
        for name in items
        for parent in items
        if (key := f"{name}{LINK}{parent}") in links
    ]
    for _ in waiting:  # each round ties at least one more, or none is left to tie
        for name, parent, link in waiting:
            if name not in poses and parent in poses:
                poses[name] = link @ poses[parent]
    return poses


def _rigid(path: Path, name: str, item: Any) -> np.ndarray:
    where = f"camera_poses of {name}"
    pose = np.eye(4)
    pose[:3, :3] = shaped(path, f"R in {where}", entry(path, where, item, "R"), 3, 3)
    pose[:3, 3] = shaped(path, f"T in {where}", entry(path, where, item, "T"), 3)
    return pose


def _camera(path: Path, name: str, item: Any, pose: np.ndarray) -> CalibratedCamera:
    where = f"camera {name}"
    K = shaped(path, f"K of {where}", entry(path, where, item, "K"), 3, 3)
    model = item.get("model", MODELS[0])
    if model not in MODELS:
        raise UserError(f"{path}: {where} has the model {model}; known are {', '.join(MODELS)}")
    size = None
    if "image_size" in item:
        sides = shaped(path, f"image_size of {where}", item["image_size"], 2)
        size = image_size(path, where, *sides)
    distorted = lens(path, where, Lens.brown, entry(path, where, item, "dist"))
    return camera(path, name, K, pose[:3, :3], pose[:3, 3], size=size, lens=distorted)


FORMAT = CalibrationFormat(
    "Multical", ("calibration.json", "*/calibration.json", "multical*.json"), read
)
