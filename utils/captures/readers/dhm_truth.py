"""What DeepHandMesh knows of subject 4 beside photos: keypoints, depth maps and scans.

Files are in millimetres, in the frame of KRT_512; what is returned is in metres.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.cameras.calibrated import CalibratedCamera
from utils.captures.calibrations.format import Calibration
from utils.captures.truth import CaptureTruth, DepthMap
from utils.errors import UserError
from utils.io.array_pickle import load_array
from utils.io.decoding import decoding
from utils.keypoints import KEYPOINTS
from utils.keypoints.joint_orders import own_rows

METRES = 1e-3  # of a millimetre
K_SIZE = (512, 334)  # height, width of the images that KRT_512 is of
COPY_AGAIN = "copy it again from the data set"
DEPTH_NAME = re.compile(r"depthmap(\d+)\.pkl")
DEEPEST = 1e5  # millimetres
BAD_SCANS = {  # frames of subject 4 that FreqHand leaves out: bad scans, or fits to them
    *(36, 700, 718, 888, 894, 3048, 3162, 4134, 4200),
    *(10048, 10474, 10534, 10540, 11062, 11098, 11615, 11675),
}


def scaled_K(K: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """KRT_512's K (3, 3) for a picture of `size` (height, width): diag(w / 334, h / 512) K.

    That is the data set's own rule, for photos and depth maps. K of a camera that lies (its
    principal point is nearer to the middle of a picture 512 wide) is of 512x334.
    """
    reference = min((K_SIZE, K_SIZE[::-1]), key=lambda each: _off_centre(K, each))
    if (size[0] < size[1]) != (reference[0] < reference[1]):
        reference = K_SIZE
    return np.diag([size[1] / reference[1], size[0] / reference[0], 1.0]) @ K


def _off_centre(K: np.ndarray, size: tuple[int, int]) -> float:
    return max(abs(K[0, 2] / size[1] - 0.5), abs(K[1, 2] / size[0] - 0.5))


def keypoints_path(data_path: Path, subject: str, number: int) -> Path:
    """Where the keypoints of a frame are, or would be."""
    folder = data_path / "annotations" / "keypoints" / subject
    return _numbered(folder, f"keypoints{number:04d}.pts", number)


def annotated_keypoints(path: Path) -> np.ndarray:
    """Keypoints (2, 21, 3) of a .pts file, left then right, the suite's order, metres.

    Lines are `index x y z score views`, millimetres; right 0..20, left 21..41, each finger tip to
    root and the wrist last, as in InterHand2.6M. nan where a line is missing. Raises UserError on
    lines that are none of these.
    """
    points = np.full((2 * KEYPOINTS, 3), np.nan)
    with decoding(path, "no file of keypoints (lines of index x y z)", COPY_AGAIN):
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            if not line.strip():
                continue
            index, *values = (float(number) for number in line.split())
            if index not in range(len(points)) or not np.isfinite(values[:3]).all():
                raise ValueError(f"line '{line.strip()}'")
            points[int(index)] = values[:3]
    if not np.isfinite(points).any():
        raise UserError(f"{path} holds no keypoint; take another frame")
    rows = own_rows("interhand")
    return METRES * points.reshape(2, KEYPOINTS, 3)[::-1, rows]


def truth_of(
    data_path: Path, subject: str, number: int, calibration: Calibration
) -> CaptureTruth | None:
    """What is there of a frame, given the cameras in metres. None where there is nothing."""
    cameras = {camera.name: camera for camera in calibration.cameras}
    annotations = data_path / "annotations"
    scan = _numbered(annotations / "3D_scans_decimated" / subject, f"{number:06d}.ply", number)
    points = keypoints_path(data_path, subject, number)
    folder = _numbered(annotations / "depthmaps" / subject, f"{number:06d}", number)
    maps = [
        DepthMap(f"cam{match[1]}", path, partial(_depth, path, cameras[match[1]]))
        for path in sorted(folder.glob("depthmap*.pkl"))
        if (match := DEPTH_NAME.fullmatch(path.name)) and match[1] in cameras
    ]
    files = [path for path in (scan, points) if path.is_file()]
    if not scan.is_file() and not maps:
        return None
    notes = []
    if number in BAD_SCANS and subject == "subject_4":
        notes.append(f"FreqHand leaves out frame {number}: its scan is bad, or fits to it are")
    return CaptureTruth(
        scan=scan if scan.is_file() else None,
        scale=METRES,
        keypoints=annotated_keypoints(points) if points.is_file() else None,
        depth_maps=maps,
        files=[*calibration.files, *files, *(each.path for each in maps)],
        notes=notes,
    )


def _depth(path: Path, camera: CalibratedCamera) -> tuple[np.ndarray, CameraArrays]:
    """A depth map (H, W), metres, and its camera. Raises UserError on a file that is none."""
    depth = load_array(path, "a depth map", COPY_AGAIN)
    if depth.ndim != 2 or depth.dtype.kind not in "fiu" or not depth.size:
        raise UserError(
            f"{path} holds an array {depth.shape} of {depth.dtype}, expected one number a pixel; "
            f"{COPY_AGAIN}"
        )
    depth = depth.astype(float)
    with np.errstate(invalid="ignore"):
        wrong = ~((depth >= 0) & (depth < DEEPEST))
    if wrong.any():
        raise UserError(
            f"{path} holds {depth[wrong][0]:g}, expected millimetres, 0 where there is none; "
            f"{COPY_AGAIN}"
        )
    K = scaled_K(camera.K, depth.shape)
    sizes = np.array([depth.shape])
    return METRES * depth, CameraArrays(K[None], camera.R[None], camera.t[None], sizes)


def _numbered(folder: Path, name: str, number: int) -> Path:
    """folder/name, or what is called so with the number padded otherwise, where that is there."""
    path = folder / name
    if path.exists() or not folder.is_dir():
        return path
    start, end = re.fullmatch(r"(\D*)\d+(\D*)", name).groups()
    same = re.compile(rf"{re.escape(start)}0*{number}{re.escape(end)}")
    return next((each for each in sorted(folder.iterdir()) if same.fullmatch(each.name)), path)
