"""From photos as stored to photos as the suite uses them: without distortion, at another size."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from utils.cameras.lens import Lens, pixels_of, rays_of

KEPT_MAPS = 4  # photos of one device share a map; others' are made when they are needed
GRID = 8  # pixels between the places at which distortion is undone exactly, to distort a mask
Maps = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Resampling:
    """A view's pixels as stored and as used; points and pictures go both ways.

    K_stored (3, 3) and stored_size (height, width) are the stored photo's; lens: its distortion;
    size (height, width): the used photo's. Without distortion the used photo has the stored K,
    scaled to `size` with borders staying borders.
    """

    K_stored: np.ndarray
    stored_size: tuple[int, int]
    size: tuple[int, int]
    lens: Lens = field(default_factory=Lens)

    @property
    def is_none(self) -> bool:
        """Whether used photos are the stored ones."""
        return self.lens.is_none and self.size == self.stored_size

    @property
    def K(self) -> np.ndarray:
        """The used photo's K (3, 3)."""
        return self._scaling @ self.K_stored

    @property
    def _scaling(self) -> np.ndarray:
        height, width = (new / old for new, old in zip(self.size, self.stored_size))
        return np.array([[width, 0, (width - 1) / 2], [0, height, (height - 1) / 2], [0, 0, 1]])

    def image(self, stored: np.ndarray) -> np.ndarray:
        """The used photo (H, W, 3) of a stored one; black where the lens saw nothing."""
        if not self.lens.is_none:
            straight = cv2.remap(stored, *self._undistorting(), cv2.INTER_CUBIC)
            stored = straight.clip(0, 1)  # cubic interpolation overshoots
        return _resized(stored, self.size)

    def mask(self, stored: np.ndarray) -> np.ndarray:
        """The used mask (H, W) bool of a stored one."""
        mask = stored.astype(np.float32)
        if not self.lens.is_none:
            mask = cv2.remap(mask, *self._undistorting(), cv2.INTER_LINEAR)
        return _resized(mask, self.size) >= 0.5

    def stored_mask(self, mask: np.ndarray) -> np.ndarray:
        """The stored photo's mask (H, W) bool of a used one."""
        mask = _resized(mask.astype(np.float32), self.stored_size)
        if not self.lens.is_none:
            mask = cv2.remap(mask, *self._distorting(), cv2.INTER_LINEAR)
        return mask >= 0.5

    def points(self, stored: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of the used photo of pixels in the stored one; nan stays nan."""
        points = np.asarray(stored, float)
        if not self.lens.is_none:
            points = pixels_of(self.K_stored, self.lens.undistort(rays_of(self.K_stored, points)))
        return points * self._scale_xy + self._scaling[:2, 2]

    def stored_points(self, used: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of the stored photo of pixels in the used one; nan stays nan."""
        points = (np.asarray(used, float) - self._scaling[:2, 2]) / self._scale_xy
        if self.lens.is_none:
            return points
        return pixels_of(self.K_stored, self.lens.distort(rays_of(self.K_stored, points)))

    @property
    def _scale_xy(self) -> np.ndarray:
        return np.diag(self._scaling)[:2]

    def _undistorting(self) -> Maps:
        return _undistorting(self.lens, self.K_stored.tobytes(), self.stored_size)

    def _distorting(self) -> Maps:
        """For each stored pixel, where it is in the photo without distortion (not yet scaled)."""
        height, width = self.stored_size
        y, x = (np.arange(0, n + GRID, GRID, dtype=float) for n in (height, width))
        nodes = np.stack(np.meshgrid(x, y), -1)
        straight = pixels_of(self.K_stored, self.lens.undistort(rays_of(self.K_stored, nodes)))
        columns, rows = np.meshgrid(
            np.arange(width, dtype=np.float32) / GRID, np.arange(height, dtype=np.float32) / GRID
        )
        straight = np.nan_to_num(straight, nan=-1e4).astype(np.float32)
        maps = [cv2.remap(straight[..., k], columns, rows, cv2.INTER_LINEAR) for k in (0, 1)]
        return maps[0], maps[1]


@lru_cache(KEPT_MAPS)
def _undistorting(lens: Lens, K_stored: bytes, size: tuple[int, int]) -> Maps:
    """For each pixel without distortion, where it is in the stored photo: x, y (H, W) float32."""
    K, (height, width) = np.frombuffer(K_stored).reshape(3, 3), size
    if lens.model in ("brown", "fisheye"):
        make = cv2.initUndistortRectifyMap if lens.model == "brown" else _fisheye_map
        x, y = make(K, np.array(lens.numbers), np.eye(3), K, (width, height), cv2.CV_32FC1)
        if K[0, 1]:
            x = x + np.float32(K[0, 1] / K[1, 1]) * (y - np.float32(K[1, 2]))
    else:
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
        stored = pixels_of(K, lens.distort(rays_of(K, pixels))).astype(np.float32)
        x, y = (np.ascontiguousarray(stored[..., k]) for k in (0, 1))
    return np.where(_is_seen(lens, K, size), x, np.float32(-1e4)), y


def _is_seen(lens: Lens, K: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Whether the lens' formula means anything at each undistorted pixel (H, W), to GRID pixels."""
    height, width = size
    nodes = np.stack(np.meshgrid(np.arange(0, width, GRID), np.arange(0, height, GRID)), -1)
    seen = lens.is_valid(rays_of(K, nodes.astype(float)))
    return cv2.resize(seen.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _fisheye_map(*arguments: object) -> Maps:
    return cv2.fisheye.initUndistortRectifyMap(*arguments)


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (size[1], size[0]), interpolation=how)
