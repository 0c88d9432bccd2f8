"""Plain drawing on RGB images (H, W, 3), and a photo beside its re-rendering.

Every function returns a new image. Images are floats in [0, 1] or, faster where many things are
drawn, uint8; they come back as float32 or uint8 alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from utils.io.images import to_bytes
from utils.keypoints.order import BONES

Color = tuple[float, float, float]  # RGB in [0, 1]
LEFT, RIGHT = (1.0, 0.55, 0.1), (0.1, 0.75, 1.0)  # the colours of the hands in all pictures
GOOD, BAD = (0.3, 0.9, 0.3), (1.0, 0.1, 0.1)
SUBPIXEL_BITS = 4  # OpenCV draws at 1/16 pixel
STRIP = 28  # pixels, height of the title above a comparison
TALLEST = 3  # times its width: no cell of a sheet is higher
LARGEST_PANEL = 2400  # pixels of the longer side: larger photos are shrunk to be compared
AMPLIFIED = 4  # differences of images are drawn so many times as large


def keypoint_skeleton(
    image: np.ndarray, xy: np.ndarray, color: Color, thickness: int = 2, dots: bool = True
) -> np.ndarray:
    """Draw a hand's bones and joints xy (21, 2) in pixels; joints that are nan are left out."""
    canvas = _to_bytes(image)
    _lines(canvas, xy[BONES[:, 0]], xy[BONES[:, 1]], color, thickness)
    if dots:
        _dots(canvas, xy, color, radius=thickness + 1, thickness=-1)
    return _as_given(canvas, image)


def circles(
    image: np.ndarray, xy: np.ndarray, color: Color, radius: float = 6.0, thickness: int = 1
) -> np.ndarray:
    """Draw circles about points xy (n, 2) in pixels; `thickness` -1 fills them."""
    canvas = _to_bytes(image)
    _dots(canvas, xy, color, radius, thickness)
    return _as_given(canvas, image)


def segments(
    image: np.ndarray, start: np.ndarray, end: np.ndarray, color: Color, thickness: int = 1
) -> np.ndarray:
    """Draw lines from start (n, 2) to end (n, 2), pixels; nan is left out."""
    canvas = _to_bytes(image)
    _lines(canvas, start, end, color, thickness)
    return _as_given(canvas, image)


def mask_outline(
    image: np.ndarray, mask: np.ndarray, color: Color, thickness: int = 1
) -> np.ndarray:
    """Draw the outlines of mask (H, W) bool, holes included."""
    canvas = _to_bytes(image)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(canvas, outlines, -1, _bytes_of(color), thickness)
    return _as_given(canvas, image)


def caption(
    image: np.ndarray,
    text: str,
    color: Color = (1.0, 1.0, 1.0),
    line: int = 0,
    scale: float | None = None,
) -> np.ndarray:
    """Write text into the top left corner, `line` lines down, on a dark ground to be readable.

    `scale` is the size of the letters (1: 21 pixels high); by default it grows with the image.
    """
    canvas = _to_bytes(image)
    scale = scale or max(image.shape[1] / 900, 0.4)
    thickness = max(round(scale * 1.5), 1)
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    pad = height // 2
    if width + 2 * pad > image.shape[1]:  # long lines shrink; their line height stays
        scale *= image.shape[1] / (width + 2 * pad)
        width = image.shape[1] - 2 * pad
    top = line * (height + below + 2 * pad)
    canvas[top : top + height + below + 2 * pad, : width + 2 * pad] //= 3
    corner = (pad, top + height + pad)
    cv2.putText(
        canvas, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, _bytes_of(color), thickness,
        cv2.LINE_AA,
    )  # fmt: skip
    return _as_given(canvas, image)


def contact_sheet(
    images: Sequence[np.ndarray],
    labels: Sequence[str] = (),
    columns: int | None = None,
    width: int = 480,
) -> np.ndarray:
    """Lay images out in rows, each scaled to `width` pixels, with labels in their corners.

    Narrow strips are scaled to TALLEST times the width as their height.

    Cells are as high as the highest image; the rest of a cell is black. Columns default to a
    sheet about as wide as high.
    """
    cells = [_scaled(_to_bytes(image), width) for image in images]
    if labels:
        cells = [caption(cell, label) if label else cell for cell, label in zip(cells, labels)]
    height = max(cell.shape[0] for cell in cells)
    columns = columns or max(round(np.sqrt(len(cells) * height / width)), 1)
    rows = -(-len(cells) // columns)
    sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
    for k, cell in enumerate(cells):
        y, x = k // columns * height, k % columns * width
        sheet[y : y + cell.shape[0], x : x + width] = cell
    return _as_given(sheet, images[0])


def comparison(
    photo: np.ndarray,
    rendered: np.ndarray,
    covered: np.ndarray,
    covered_at_start: np.ndarray,
    title: str,
) -> np.ndarray:
    """Photo with both outlines (start red, end green) | re-rendering in the photo | difference.

    photo, rendered (H, W, 3) in [0, 1]; covered (H, W) bool. Returns (H + STRIP, 3 W, 3), the
    title in a strip above; H and W are at most LARGEST_PANEL.
    """
    factor = LARGEST_PANEL / max(photo.shape[:2])
    if factor < 1:
        photo, rendered = (_shrunk(image, factor) for image in (photo, rendered))
        covered, covered_at_start = (
            _shrunk(mask.astype(np.float32), factor) >= 0.5 for mask in (covered, covered_at_start)
        )
    outlined = mask_outline(photo, covered_at_start, BAD)
    outlined = mask_outline(outlined, covered, GOOD)
    inserted = np.where(covered[..., None], rendered, photo)
    return titled([outlined, inserted, difference(photo, rendered, covered)], title)


def difference(photo: np.ndarray, rendered: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """How photo and rendered (H, W, 3) differ where covered (H, W) bool: AMPLIFIED, about grey."""
    amplified = 0.5 + AMPLIFIED * (photo - rendered)
    return np.clip(np.where(covered[..., None], amplified, 0.5), 0, 1)


def titled(panels: Sequence[np.ndarray], title: str) -> np.ndarray:
    """Panels (H, W, 3) in [0, 1] side by side, float32, under a strip that holds the title."""
    row = np.concatenate(panels, 1).astype(np.float32)
    strip = np.zeros((STRIP, row.shape[1], 3), np.float32)
    return np.concatenate([caption(strip, title, scale=0.6), row])


def _scaled(image: np.ndarray, width: int) -> np.ndarray:
    """The image at `width` pixels; a strip at the height that cells have at most, beside black."""
    height = max(round(image.shape[0] * width / image.shape[1]), 1)
    if height > TALLEST * width:
        strip = _resized(image, max(round(TALLEST * width**2 / height), 1), TALLEST * width)
        return np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)))
    return _resized(image, width, height)


def _shrunk(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(round(factor * side), 1) for side in image.shape[:2])
    return _resized(image, width, height)


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    shrinks = width < image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=method)


def _lines(
    canvas: np.ndarray, start: np.ndarray, end: np.ndarray, color: Color, thickness: int
) -> None:
    """Draw lines between start and end (n, 2) into the uint8 canvas; nan is left out."""
    for a, b in zip(start, end):
        if np.isfinite([a, b]).all():
            cv2.line(
                canvas, _subpixel(a), _subpixel(b), _bytes_of(color), thickness, cv2.LINE_AA,
                SUBPIXEL_BITS,
            )  # fmt: skip


def _dots(canvas: np.ndarray, xy: np.ndarray, color: Color, radius: float, thickness: int) -> None:
    """Draw circles about xy (n, 2) into the uint8 canvas; nan is left out."""
    size = round(radius * 2**SUBPIXEL_BITS)
    for point in xy[np.isfinite(xy).all(1)]:
        at = _subpixel(point)
        cv2.circle(canvas, at, size, _bytes_of(color), thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def _subpixel(point: np.ndarray) -> tuple[int, int]:
    # OpenCV's drawing overflows on far-away points; nothing beyond 2^15 pixels can be seen.
    x, y = np.round(np.clip(point, -(2**15), 2**15) * 2**SUBPIXEL_BITS)
    return int(x), int(y)


def _bytes_of(color: Color) -> tuple[int, ...]:
    return tuple(round(255 * c) for c in color)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    """A copy of the image as uint8."""
    if image.dtype == np.uint8:
        return image.copy(order="C")
    return np.ascontiguousarray(to_bytes(image))


def _as_given(canvas: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The drawn uint8 canvas as `image` was given: uint8, or float32 in [0, 1]."""
    return canvas if image.dtype == np.uint8 else canvas.astype(np.float32) / np.float32(255)
