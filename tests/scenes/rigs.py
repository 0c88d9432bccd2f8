"""Rigs for tests: a capture's photos as a lens would have taken them, and their calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.captures import Capture
from utils.captures.calibrations.format import Calibration, CalibrationFormat
from utils.captures.readers.rig import read

BARREL = Lens.brown([-0.12, 0.03, 0.001, -0.002, 0.01])


def cameras_of(capture: Capture, lens: Lens = BARREL) -> list[CalibratedCamera]:
    """The capture's cameras as a calibration has them, all with one lens."""
    K, R, t = (x.numpy() for x in (capture.cameras.K, capture.cameras.R, capture.cameras.t))
    return [
        CalibratedCamera(
            f"cam{view:02d}", K[view], R[view], t[view], capture.views[view].size, lens
        )
        for view in range(len(capture))
    ]


def through_lens(image: np.ndarray, camera: CalibratedCamera) -> np.ndarray:
    """The photo (H, W, ...) that the camera's lens makes of an undistorted one; black outside."""
    height, width = image.shape[:2]
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(float)
    rays = (pixels - camera.K[:2, 2]) @ np.linalg.inv(camera.K[:2, :2]).T
    straight = camera.lens.undistort(rays) @ camera.K[:2, :2].T + camera.K[:2, 2]
    x, y = np.nan_to_num(straight, nan=-1e4).astype(np.float32).transpose(2, 0, 1)
    return cv2.remap(image, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_CUBIC)


def format_of(cameras: Sequence[CalibratedCamera], **facts: Any) -> CalibrationFormat:
    """A format whose file, rig.txt, stands for these cameras."""

    def read_file(path: Path) -> Calibration:
        return replace(Calibration(cameras, [path]), **facts)

    return CalibrationFormat("tests", ("rig.txt",), read_file)


def opened(
    folder: Path,
    cameras: Sequence[CalibratedCamera],
    scan_id: str = "1",
    config: Mapping[str, Any] | None = None,
    made_path: Path | None = None,
    **facts: Any,
) -> Capture:
    """The capture of the photos in `folder` with these cameras."""
    (folder / "rig.txt").touch()
    return read(format_of(cameras, **facts), folder, scan_id, config or {}, made_path)
