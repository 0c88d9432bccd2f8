"""Ground truth that comes with a capture: a scan, depth maps, and keypoints beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.cameras.arrays import CameraArrays


@dataclass(frozen=True)
class DepthMap:
    """A depth map of one camera, `name`; read() gives it when it is asked for.

    That is: depth (H, W) float64 along z, world units, 0 where there is none, and the camera (one)
    in the map's own pixels.
    """

    name: str
    path: Path
    read: Callable[[], tuple[np.ndarray, CameraArrays]]


@dataclass(frozen=True)
class CaptureTruth:
    """What is known of one scan beside its photos.

    scan: file of a scan that may have holes and more than the hands, `scale` world units for each
    of its own; keypoints: (2, 21, 3) left then right, world units, nan: not there; files: all that
    was read or will be; notes: what readers of numbers must know.
    """

    scan: Path | None
    scale: float
    keypoints: np.ndarray | None
    depth_maps: Sequence[DepthMap]
    files: Sequence[Path]
    notes: Sequence[str] = ()
