"""A multi-view capture: photos, masks, keypoints and cameras of one moment."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from utils.cameras import Cameras, Similarity
from utils.captures.pose_files import POSE_KEYS, _hand_confidence, _hand_values
from utils.errors import UserError
from utils.io.files import load_json
from utils.io.images import load_image, load_mask
from utils.keypoints import KEYPOINTS


@dataclass
class Capture:
    """One scan of a multi-view capture. Images and masks are read when they are asked for."""

    scan_dir: Path
    cameras: Cameras
    world_from_norm: Similarity | None
    image_paths: list[Path]
    camera_path: Path

    def __len__(self) -> int:
        return len(self.image_paths)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the first view."""
        height, width = self.cameras.sizes[0].tolist()
        return height, width

    def image(self, view: int) -> np.ndarray:
        """RGB (H, W, 3) float32 in [0, 1]. Raises UserError when truncated or of another size."""
        return self._checked_size(load_image(self.image_paths[view]), self.image_paths[view], view)

    def mask_path(self, view: int) -> Path:
        """Where the view's mask is or would be."""
        return self.scan_dir / "mask" / f"{view:02d}.png"

    def mask(self, view: int) -> np.ndarray | None:
        """Mask (H, W) bool, or None where the capture has none for this view."""
        path = self.mask_path(view)
        return self._checked_size(load_mask(path), path, view) if path.is_file() else None

    def _checked_size(self, image: np.ndarray, path: Path, view: int) -> np.ndarray:
        height, width = self.cameras.sizes[view].tolist()
        if image.shape[:2] != (height, width):
            raise UserError(
                f"{path} is {image.shape[1]}x{image.shape[0]}, expected {width}x{height} as "
                f"{self.image_paths[view]}; export it at the photo's size"
            )
        return image

    def pose_path(self, view: int) -> Path:
        """Where the view's detected keypoints are or would be."""
        return self.scan_dir / "pose" / f"{view:02d}.json"

    @cached_property
    def keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Detected keypoints of all views: pixels (views, 2, 21, 2) and confidences (views, 2, 21).

        Left then right as the detector named them, MediaPipe's order; nan and 0 where a hand was
        not detected. Raises UserError on missing files and lists of the wrong length.
        """
        found = [self.view_keypoints(view) for view in range(len(self))]
        return np.stack([xy for xy, _ in found]), np.stack([c for _, c in found])

    def view_keypoints(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """One view of `keypoints`: (2, 21, 2) and (2, 21)."""
        path = self.pose_path(view)
        if not path.is_file():
            raise UserError(
                f"{path} is missing; put detected keypoints there (MediaPipe's 21 a hand, x and y "
                "as 2u/W - 1 and 2v/H - 1; [] for a hand not seen)"
            )
        data = load_json(path)
        xy, confidence = np.full((2, KEYPOINTS, 2), np.nan), np.zeros((2, KEYPOINTS))
        height, width = self.cameras.sizes[view].tolist()
        for hand, side in enumerate(POSE_KEYS):
            values = _hand_values(data, side, path)
            if len(values) == 0:
                continue
            xy[hand] = (values[:, :2] + 1) / 2 * [width, height]
            weights = _hand_confidence(data, side, path)
            confidence[hand] = np.where(np.isfinite(xy[hand]).all(1), weights, 0.0)
        return xy, confidence


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) from a PNG's header, or by decoding any other image."""
    header = path.open("rb").read(24)
    if header[:8] == b"\x89PNG\r\n\x1a\n" and len(header) == 24:
        width, height = struct.unpack(">II", header[16:24])
        return height, width
    return load_image(path).shape[:2]
