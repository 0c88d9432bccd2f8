"""The photos as HAM uses them: cropped to the hands, at one scale, as one flat list of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from utils.cameras import Cameras
from utils.parallel import mapped, threads_for

LARGEST_HAND = 4  # longer sides of its photo: no margin grows beyond that of such a hand
WHOLE = 0.999  # a shrunk pixel is trusted only when all the pixels in it are


@dataclass(frozen=True)
class ViewCrop:
    """One view's window `box` = x0, y0, x1, y1 (x1, y1 not included) of the photo.

    image (H, W, 3) float32 RGB in [0, 1]; mask (H, W) bool; photometric (H, W) bool, pixels that
    may be compared with a rendering; silhouette (H, W) bool, pixels whose mask is believed and is
    about the hand, not the forearm; mask_weight: how much they count, in (0, 1].
    """

    box: tuple[int, int, int, int]
    image: np.ndarray
    mask: np.ndarray
    photometric: np.ndarray
    silhouette: np.ndarray
    mask_weight: float = 1.0


@dataclass(frozen=True)
class Photos:
    """Crops of B views, each of its own size, flattened row by row, one view after another.

    cameras  B cameras of the crops
    table    (P, 6) float32, a row a pixel: RGB in [0, 1]; the share of the pixel that the mask
             covers; 1 where it may be compared with a rendering; how much its mask counts, more
             than 0 where that is believed and about the hand. One row is one gather.
    starts   (B,) int64, first pixel of each view
    """

    cameras: Cameras
    table: Tensor
    starts: Tensor

    def at(self, view: Tensor, y: Tensor, x: Tensor) -> PixelRows:
        """The rows (N, 6) of pixels (view, y, x) of the crops."""
        widths = self.cameras.sizes[:, 1].to(view.device)
        return PixelRows(self.table[self.starts[view] + y * widths[view] + x])

    def rows(self) -> PixelRows:
        """All rows."""
        return PixelRows(self.table)

    def images(self) -> list[np.ndarray]:
        """The crops' pictures (H, W, 3), RGB in [0, 1], one a view."""
        table = self.table[:, :3].cpu().numpy()
        spans = zip(self.starts.tolist(), self.cameras.sizes.tolist())
        return [table[start : start + h * w].reshape(h, w, 3) for start, (h, w) in spans]

    def of_views(self, views: Sequence[int]) -> Photos:
        """Some of the views, in the order given."""
        counts = self.cameras.sizes.prod(1)[list(views)]
        first = self.starts[list(views)].tolist()
        spans = [slice(start, start + count) for start, count in zip(first, counts.tolist())]
        starts = (torch.cumsum(counts, 0) - counts).to(self.starts)
        return Photos(
            self.cameras[list(views)], torch.cat([self.table[span] for span in spans]), starts
        )

    def without_colors(self, views: Sequence[int]) -> Photos:
        """The same, but no pixel of these views may be compared with a rendering."""
        table, counts = self.table.clone(), self.cameras.sizes.prod(1)
        for view in views:
            table[self.starts[view] : self.starts[view] + counts[view], 4] = 0
        return Photos(self.cameras, table, self.starts)

    def masked(self) -> float:
        """Sum of squared mask, each by its weight, over the pixels whose mask is believed."""
        rows = self.rows()
        return float((rows.mask.square() * rows.silhouette).sum())

    def mask_share(self) -> float:
        """The mean weight of the masks that are believed, by their area; 1 where there is none."""
        rows = self.rows()
        area = float((rows.mask.square() * (rows.silhouette > 0)).sum())
        return self.masked() / area if area > 0 else 1.0


@dataclass(frozen=True)
class PixelRows:
    """Rows (N, 6) of `Photos.table` by name."""

    rows: Tensor

    def first(self, count: int) -> PixelRows:
        """The first `count` rows."""
        return PixelRows(self.rows[:count])

    def part(self, chosen: Tensor) -> PixelRows:
        """The rows chosen (n,) by number or mask."""
        return PixelRows(self.rows[chosen])

    @property
    def color(self) -> Tensor:
        """(N, 3) RGB in [0, 1]."""
        return self.rows[:, :3]

    @property
    def mask(self) -> Tensor:
        """(N,) share of the pixel that the mask covers."""
        return self.rows[:, 3]

    @property
    def photometric(self) -> Tensor:
        """(N,) 1 where the pixel may be compared with a rendering."""
        return self.rows[:, 4]

    @property
    def silhouette(self) -> Tensor:
        """(N,) the mask's weight where it is believed and about the hand, else 0."""
        return self.rows[:, 5]


def crop_boxes(points_px: np.ndarray, sizes: np.ndarray, margin: float) -> np.ndarray:
    """Boxes (B, 4) x0, y0, x1, y1 around projected points (B, V, 2), inside images (B, 2) h, w.

    Points that are nan are left out: those behind a camera (`Cameras.project_visible`). `margin` is
    a share of the box's longer side. A view that sees nothing gets a 1x1 box.
    """
    limits = sizes[:, ::-1]
    seen = np.isfinite(points_px).all(2, keepdims=True)
    low = np.where(seen, points_px, np.inf).min(1)
    high = np.where(seen, points_px, -np.inf).max(1)
    nothing = ~seen.any(1)
    low, high = np.where(nothing, -1.0, low), np.where(nothing, -1.0, high)
    extent = (high - low).max(1, keepdims=True)  # near the camera's own plane, of any size
    pad = margin * np.minimum(extent, LARGEST_HAND * limits.max(1, keepdims=True))
    low, high = np.floor(low - pad), np.ceil(high + pad) + 1
    outside = (nothing | (low >= limits) | (high <= 0)).any(1, keepdims=True)
    x0y0 = np.clip(low, 0, limits - 1).astype(np.int64)
    x1y1 = np.clip(high, x0y0 + 1, limits).astype(np.int64)
    return np.concatenate([x0y0, np.where(outside, x0y0 + 1, x1y1)], 1)


def pack_photos(
    crops: Sequence[ViewCrop], cameras: Cameras, scale: float, device: str = "cpu"
) -> Photos:
    """Shrink every crop by `scale` (0, 1], area-averaged so that nothing aliases, and flatten.

    cameras are those of the full photos. Crops are taken side by side, those of large photos one
    after another, and none is kept.
    """

    def packed(view: int) -> tuple[tuple[int, int, int, int], Tensor]:
        crop = crops[view]
        return crop.box, torch.from_numpy(_table(crop, scale))

    threads = threads_for(float(cameras.sizes.prod(1).max()))
    boxes, tables = zip(*mapped(packed, range(len(crops)), threads))
    cropped = cameras.crop(torch.tensor(boxes))
    sizes = _scaled_sizes(cropped.sizes, scale)
    counts = sizes.prod(1)
    starts = (torch.cumsum(counts, 0) - counts).to(device)
    table = torch.cat(tables).to(device)
    return Photos(cropped.resize(sizes).to(device, torch.float32), table, starts)


def _scaled_sizes(sizes: Tensor, scale: float) -> Tensor:
    return (sizes * scale).round().long().clamp(min=1)


def _table(crop: ViewCrop, scale: float) -> np.ndarray:
    """The rows (P, 6) float32 of one crop, as in `Photos.table`."""
    height, width = _scaled_sizes(torch.tensor(crop.mask.shape), scale).tolist()
    size, table = (width, height), np.empty((height, width, 6), np.float32)
    table[..., :3], table[..., 3] = _shrunk(crop.image, size), _shrunk(crop.mask, size)
    for column, trust, weight in (
        (4, crop.photometric, 1.0),
        (5, crop.silhouette, crop.mask_weight),
    ):
        table[..., column] = weight * (_shrunk(trust, size) > WHOLE)
    return table.reshape(-1, 6)


def _shrunk(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(image.astype(np.float32, copy=False), size, interpolation=cv2.INTER_AREA)
