"""The photos as HAM uses them: cropped to the hands, at one scale, as one flat list of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from utils.cameras import Cameras


@dataclass(frozen=True)
class Photos:
    """Crops of B views, each of its own size, flattened row by row one view after another.

    cameras      B cameras of the crops
    pixels       (P, 3) float32 RGB in [0, 1]
    mask         (P,) float32, the share of the pixel that the mask covers
    photometric  (P,) bool, pixels that may be compared with a rendering
    silhouette   (P,) bool, pixels whose mask is believed and is about the hand, not the forearm
    starts       (B,) int64, first pixel of each view
    boxes        (B, 4) int64, x0, y0, x1, y1 of each crop in the full image
    """

    cameras: Cameras
    pixels: Tensor
    mask: Tensor
    photometric: Tensor
    silhouette: Tensor
    starts: Tensor
    boxes: Tensor

    def index(self, view: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Flat pixel ids (N,) of pixels (view, y, x) of the crops."""
        widths = self.cameras.sizes[:, 1].to(view.device)
        return self.starts[view] + y * widths[view] + x

    def picture(self, values: Tensor, view: int) -> np.ndarray:
        """The pixels of one view out of `values` (P, ...) as an array (H, W, ...)."""
        height, width = self.cameras.sizes[view].tolist()
        start = int(self.starts[view])
        flat = values[start : start + height * width].detach().cpu().numpy()
        return flat.reshape(height, width, *flat.shape[1:])


@dataclass(frozen=True)
class ViewInput:
    """One view at full size: image (H, W, 3) float32, mask and trust maps (H, W)."""

    image: np.ndarray
    mask: np.ndarray
    photometric: np.ndarray
    silhouette: np.ndarray


def crop_boxes(points_px: np.ndarray, sizes: np.ndarray, margin: float) -> np.ndarray:
    """Boxes (B, 4) x0, y0, x1, y1 around projected points (B, V, 2), inside images (B, 2) h, w.

    `margin` is a share of the box's longer side. A view that sees nothing gets a 1x1 box.
    """
    low, high = points_px.min(1), points_px.max(1)
    pad = margin * (high - low).max(1, keepdims=True)
    limits = sizes[:, ::-1]
    x0y0 = np.clip(np.floor(low - pad), 0, limits - 1).astype(np.int64)
    x1y1 = np.clip(np.ceil(high + pad) + 1, x0y0 + 1, limits).astype(np.int64)
    return np.concatenate([x0y0, x1y1], 1)


def crop_photos(
    views: list[ViewInput], cameras: Cameras, boxes: np.ndarray, scale: float
) -> Photos:
    """Crop and shrink every view by `scale` (0, 1]; area-averaged, so that nothing aliases.

    A shrunk pixel is trusted only when all the pixels in it are.
    """
    boxes_t = torch.from_numpy(boxes)
    cropped = cameras.crop(boxes_t)
    sizes = (cropped.sizes * scale).round().long().clamp(min=1)
    parts: dict[str, list[np.ndarray]] = {k: [] for k in ("pixels", "mask", "photo", "silhouette")}
    for view, (x0, y0, x1, y1), (height, width) in zip(views, boxes, sizes.tolist()):

        def shrunk(image: np.ndarray, window=(y0, y1, x0, x1), size=(width, height)) -> np.ndarray:
            part = image[window[0] : window[1], window[2] : window[3]].astype(np.float32)
            return cv2.resize(part, size, interpolation=cv2.INTER_AREA)

        parts["pixels"].append(shrunk(view.image).reshape(-1, 3))
        parts["mask"].append(shrunk(view.mask).ravel())
        parts["photo"].append(shrunk(view.photometric).ravel() > 0.999)
        parts["silhouette"].append(shrunk(view.silhouette).ravel() > 0.999)
    flat = {key: torch.from_numpy(np.concatenate(value)) for key, value in parts.items()}
    counts = sizes.prod(1)
    starts = torch.cumsum(counts, 0) - counts
    return Photos(
        cropped.resize(sizes),
        flat["pixels"],
        flat["mask"],
        flat["photo"],
        flat["silhouette"],
        starts,
        boxes_t,
    )
