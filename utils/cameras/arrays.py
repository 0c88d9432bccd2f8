"""Cameras as plain arrays: what files hold, for all that can do without torch's two seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CameraArrays:
    """B pinhole cameras without distortion, in the conventions of `utils.cameras.pinhole`.

    K (B, 3, 3) pixels; R (B, 3, 3) and t (B, 3) cam_from_world, world units; sizes (B, 2) int64,
    (height, width). `Cameras.of_arrays` makes torch's of them.
    """

    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    sizes: np.ndarray

    def __len__(self) -> int:
        return len(self.K)

    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> CameraArrays:
        """Choose cameras; the batch dimension stays."""
        return CameraArrays(self.K[index], self.R[index], self.t[index], self.sizes[index])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Pixels (B, V, 2) of points (V, 3). Points behind a camera make no sense."""
        in_camera = points @ self.R.swapaxes(1, 2) + self.t[:, None]
        px = in_camera @ self.K.swapaxes(1, 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return px[..., :2] / px[..., 2:]
