"""KRT text files, as Meta's studios write them (DeepHandMesh's KRT_512, Ava-256's KRT).

Nine lines a camera: its name, three rows of K, one row of distortion, three rows of [R|t], and an
empty line. x_cam = R x + t, millimetres, OpenCV's axes, the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from pathlib import Path

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.reading import checked, lens, read_text, shaped
from utils.errors import UserError

LINES = 8  # of a camera: name, K, distortion, [R|t]


def read(path: Path) -> Calibration:
    """The cameras of a KRT file; distortion numbers are taken as OpenCV's k1 k2 p1 p2 k3.

    size is None: the file does not say which. Raises UserError on lines that are not there.
    """
    lines = [line.strip() for line in read_text(path, "a KRT file").split("\n")]
    lines = [line for line in lines if line]
    if len(lines) % LINES:
        raise UserError(
            f"{path} has {len(lines)} lines with text, expected {LINES} for each camera (name, K, "
            "distortion, [R|t]); copy the file again"
        )
    cameras = [_camera(path, lines[at : at + LINES]) for at in range(0, len(lines), LINES)]
    notes = []
    if not all(camera.lens.is_none for camera in cameras):
        notes = ["distortion numbers are taken as OpenCV's k1 k2 p1 p2 k3"]
    return checked(path, Calibration(cameras, [path], unit="mm", notes=notes))


def _camera(path: Path, lines: list[str]) -> CalibratedCamera:
    name, *rows = lines
    values = [row.split() for row in rows]
    K = shaped(path, f"K of camera {name}", values[:3], 3, 3)
    pose = shaped(path, f"[R|t] of camera {name}", values[4:], 3, 4)
    distortion = lens(path, f"camera {name}", Lens.brown, values[3])
    return camera(path, name, K, pose[:, :3], pose[:, 3], lens=distortion)


FORMAT = CalibrationFormat("KRT text", ("KRT", "KRT_*", "KRT.txt", "*/KRT", "*/KRT_*"), read)
