"""Cameras as IDR, VolSDF and NeuS keep them: one projection matrix a view, and the frame.

`world_mat_i` projects world points to pixels whose top-left centre is (0, 0), `scale_mat_i` places
the unit sphere about the subject in the world; cameras.npz and cameras_sphere.npz of one scan
differ in it alone.
"""

from __future__ import annotations

from pathlib import Path

from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.camera_files import load_cameras

PLACES = ("cameras_sphere.npz", "cameras.npz", "camera/param.npz")


def read(path: Path) -> Calibration:
    """The cameras of an .npz file, named 0, 1, ... as the views are in the order of the photos."""
    K, R, t, world_from_norm = load_cameras(path)
    cameras = [camera(path, str(view), K[view], R[view], t[view]) for view in range(len(K))]
    return Calibration(cameras, [path], world_from_norm=world_from_norm)


FORMAT = CalibrationFormat("IDR and NeuS", PLACES, read)
