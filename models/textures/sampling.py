"""Where texels are in one photo, which of them it shows, and how far it is to be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.textures import kernels

BORDER = 5.0  # pixels from an occlusion or the outline: nearer counts less
LEAST_FACING = 0.15  # cosine below which a surface is seen too flat to say anything
SATURATED, DARK = 0.96, 0.02  # values beyond which a photo says nothing
DEPTH_SLACK = 2.5  # pixels' widths: a texel so much deeper than what is seen there is hidden
STEP = 6.0  # pixels' widths of depth between neighbours that are an occlusion


@dataclass(frozen=True)
class SeenTexels:
    """Which texels one view sees: their numbers (n,), pixels (n, 2), and weights (n,) float32."""

    index: np.ndarray
    pixel: np.ndarray
    weight: np.ndarray


def seen_texels(
    points: np.ndarray, normals: np.ndarray, camera_matrix: np.ndarray, center: np.ndarray,
    depth: np.ndarray, focal: float,
) -> SeenTexels:  # fmt: skip
    """The texels at points (N, 3) with unit normals (N, 3) that a view sees.

    camera_matrix (3, 4) = K [R | t]; center (3,); depth (H, W) of the nearest surface, inf where
    there is none; focal: in pixels. Weights fall with the cosine to the viewer, the square of the
    distance (a texel's footprint) and towards borders of what is seen.
    """
    count = len(points)
    index, weight = np.empty(count, np.int32), np.empty(count, np.float32)
    pixel = np.empty((count, 2), np.float32)
    matrix, center = (np.ascontiguousarray(x, np.float32) for x in (camera_matrix, center))
    depth = depth.astype(np.float32)
    view = points, normals, matrix, center, depth, border_trust(depth, focal)
    bounds = np.float32(LEAST_FACING), np.float32(DEPTH_SLACK / focal)
    found = kernels.find_seen(0, count, *view, *bounds, index, pixel, weight)
    return SeenTexels(index[:found].copy(), pixel[:found].copy(), weight[:found].copy())


def border_trust(depth: np.ndarray, focal: float) -> np.ndarray:
    """Trust (H, W) float32 in [0, 1]: 0 at the outline and at occlusions, 1 BORDER pixels off."""
    covered = np.isfinite(depth)
    filled = np.where(covered, depth, 0).astype(np.float32)
    step = STEP * np.median(filled[covered]) / focal if covered.any() else 1.0
    nearest = cv2.erode(np.where(covered, depth, 1e9).astype(np.float32), np.ones((3, 3)))
    farthest = cv2.dilate(filled, np.ones((3, 3)))
    inner = covered & (farthest - nearest < step)
    away = cv2.distanceTransform(inner.astype(np.uint8), cv2.DIST_L2, 3)
    return np.clip((away - 1) / BORDER, 0, 1).astype(np.float32)


def believable(photo: np.ndarray) -> np.ndarray:
    """1 (H, W) float32 where no channel of a photo (H, W, 3) is saturated or black, else 0."""
    good = (photo.max(-1) < SATURATED) & (photo.max(-1) > DARK)
    return good.astype(np.float32)


def sample(image: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Values (N, ...) of an image (H, W, ...) at pixels (N, 2), bilinear.

    OpenCV remaps pictures of fewer than 32768 rows: points are laid out in rows of 4096.
    """
    count = len(pixel)
    rows = max(-(-count // 4096), 1)
    laid = np.zeros((rows * 4096, 2), np.float32)
    laid[:count] = pixel
    x, y = laid.reshape(rows, 4096, 2).transpose(2, 0, 1)
    values = cv2.remap(
        image, np.ascontiguousarray(x), np.ascontiguousarray(y), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return values.reshape(rows * 4096, *image.shape[2:])[:count]
