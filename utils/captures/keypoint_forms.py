"""How lists of keypoints are written: what means "not seen", and in which range coordinates are."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.keypoints.views import HandViews, pixel_distance, triangulate

FAR = 2.0  # coordinates beyond this are pixels: in [-1, 1], half a photo outside of it
ROOM = 0.25  # by which coordinates in [0, 1] may be outside, for hands that leave the photo
NEARLY_ALL = 0.9  # of a view's keypoints
MOST_VIEWS = 0.8
ENOUGH_VIEWS = 3  # in which no coordinate is below 0, where cameras cannot tell
CLEARLY_BETTER = 1.5  # factor between the residuals of two readings
LARGEST = 1e6  # pixels


class Range(Enum):
    """Where coordinates of a photo of W x H pixels lie; the value is for messages."""

    SIGNED = "[-1, 1]"  # 2u / W - 1
    UNIT = "[0, 1]"  # u / W
    PIXELS = "pixels"


def numbers_of(values: Any) -> np.ndarray:
    """All numbers (n) of a list of numbers or of rows of three; nan for null, none for nulls alone.

    Raises ValueError, TypeError or OverflowError on anything else.
    """
    if values is None or (isinstance(values, list) and all(value is None for value in values)):
        return np.zeros(0)
    if isinstance(values, list) and any(isinstance(row, list) for row in values):
        values = [[None] * 3 if row is None else row for row in values]
    numbers = np.asarray(values, float).ravel()
    if np.abs(np.nan_to_num(numbers, nan=0.0)).max(initial=0.0) > LARGEST:
        raise ValueError("numbers that are no coordinates")
    return numbers


def without_fillings(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates xy (..., 21, 2) with nan for what detectors write for "not seen".

    That is: the point (-1, -1); (0, 0) for more than one keypoint of a hand (a single one may be
    the middle of the photo); all keypoints of a hand at one point. Also returns whether a whole
    hand was so filled (...).
    """
    before = np.isfinite(xy).all(-1)
    xy = np.where(before[..., None], xy, np.nan)
    xy = np.where((xy == -1).all(-1, keepdims=True), np.nan, xy)
    zero = (xy == 0).all(-1)
    xy = np.where((zero & (zero.sum(-1, keepdims=True) > 1))[..., None], np.nan, xy)
    seen = np.isfinite(xy).all(-1)
    low = np.where(seen[..., None], xy, np.inf).min(-2)
    high = np.where(seen[..., None], xy, -np.inf).max(-2)
    one_point = (seen.sum(-1) > 1) & (low == high).all(-1)
    xy = np.where(one_point[..., None, None], np.nan, xy)
    return xy, before.any(-1) & ~np.isfinite(xy).any((-1, -2))


def range_of(
    xy: np.ndarray, sizes: np.ndarray, cameras: CameraArrays | None = None
) -> tuple[Range, np.ndarray]:
    """The range of coordinates xy (N, 2, 21, 2), nan: not seen, and the views (N) bool in another.

    sizes (N, 2) height and width of the photos. Pixels: most coordinates of most views are beyond
    2. [0, 1]: nearly all coordinates of nearly all views are in it, and the cameras say so, or
    where they say nothing, none is below 0 in three views or more. Else [-1, 1].
    """
    points = [view[np.isfinite(view).all(-1)] for view in xy]
    seen = np.array([len(p) > 0 for p in points])
    far = np.array([_share(np.abs(p).max(-1) > FAR) > 0.5 for p in points])
    if far.sum() > seen.sum() / 2:
        return Range.PIXELS, seen & ~far
    unit = np.array([_share(((p >= 0) & (p <= 1)).all(-1)) >= NEARLY_ALL for p in points])
    most = unit.any() and unit.sum() >= MOST_VIEWS * (seen & ~far).sum()
    chosen = np.nonzero(unit)[0].tolist()
    if most and _is_unit(xy[chosen], sizes[chosen], cameras and cameras[chosen]):
        negative = [_share((p < -ROOM).any(-1)) > 0.5 for p in points]
        return Range.UNIT, far | np.array(negative)
    return Range.SIGNED, far


def _share(true: np.ndarray) -> float:
    return float(true.mean()) if len(true) else 0.0


def _is_unit(xy: np.ndarray, sizes: np.ndarray, cameras: CameraArrays | None) -> bool:
    """Whether coordinates that may be in [0, 1] are: by the cameras, else by their number."""
    if cameras is not None:
        unit, signed = (
            residual(in_pixels(xy, reading, sizes), cameras)
            for reading in (Range.UNIT, Range.SIGNED)
        )
        if CLEARLY_BETTER * unit < signed or CLEARLY_BETTER * signed < unit:
            return unit < signed
    return len(xy) >= ENOUGH_VIEWS and bool(np.nanmin(xy) >= 0 and np.nanmax(xy) <= 1)


def residual(xy: np.ndarray, cameras: CameraArrays) -> float:
    """Median distance of pixels xy (N, 2, 21, 2), nan: not seen, from what all views make of them.

    In sizes of the hand (its box's diagonal), by linear triangulation; nan where no keypoint is
    seen twice.
    """
    views = HandViews.of(cameras, xy, np.isfinite(xy).all(-1).astype(float), fit_radius=1.0)
    by_keypoint = (np.moveaxis(part, 0, 2) for part in (views.rays, views.offsets, views.weights))
    points = triangulate(*by_keypoint)  # (2, 21, 3)
    off = pixel_distance(views.P[:, None], views.xy, points) / views.radius[..., None]
    off = off[(views.weights > 0) & ~np.isnan(off)]
    return float(np.median(off)) if len(off) else np.nan


def in_pixels(xy: np.ndarray, range_: Range, sizes: np.ndarray) -> np.ndarray:
    """Pixels (N, ..., 2) of coordinates in a range; sizes (N, 2) height and width."""
    if range_ is Range.PIXELS:
        return xy
    spread = np.asarray(sizes, float)[:, ::-1].reshape(len(xy), *[1] * (xy.ndim - 2), 2)
    return xy * spread if range_ is Range.UNIT else (xy + 1) / 2 * spread
