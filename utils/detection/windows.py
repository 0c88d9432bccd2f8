"""Windows of a photo in which hands are looked for: the whole, tiles, crops around a hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from utils.detection.candidates import WHOLE

CROP_PIXELS = 384  # side of a crop's window: twice what MediaPipe's palm detector sees
MOST_PIXELS = 1280  # longer side of a window that shows a whole photo or a tile
UPRIGHT = np.array([0.0, -1.0])  # fingers up, as in most pictures that detectors learnt from


@dataclass(frozen=True)
class Window:
    """A similar copy of a part of a photo."""

    view: int
    matrix: np.ndarray  # (2, 3) pixels of the window from pixels of the photo
    size: tuple[int, int]  # (width, height) in pixels
    gamma: float = 1.0  # exponent of the colours: below 1 brightens
    name: str = WHOLE

    def to_photo(self, xy: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of the photo from pixels of the window."""
        return (xy - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T

    @property
    def scale(self) -> float:
        """Window pixels a photo pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))


def whole_photo(view: int, size: tuple[int, int], turn: float = 0.0, gamma: float = 1.0) -> Window:
    """All of a photo of `size` (height, width), turned by `turn` degrees counter-clockwise."""
    height, width = size
    return _part(view, np.array([width, height]) / 2 - 0.5, np.array([width, height]), turn, gamma)


def tiles(view: int, size: tuple[int, int], count: int) -> list[Window]:
    """count x count parts of a photo (height, width), each overlapping its neighbours by half."""
    height, width = size
    whole = np.array([width, height], float)
    extent = whole * 2 / (count + 1)
    corners = [np.array([column, row]) for row in range(count) for column in range(count)]
    return [_part(view, (at + 1) * extent / 2 - 0.5, extent, name="tile") for at in corners]


def _part(
    view: int,
    centre: np.ndarray,
    extent: np.ndarray,
    turn: float = 0.0,
    gamma: float = 1.0,
    name: str = WHOLE,
) -> Window:
    scale = min(MOST_PIXELS / max(extent), 2.0)
    if turn % 180 == 90:
        extent = extent[::-1]
    side = np.maximum(np.round(extent * scale), 1).astype(int)
    changes = _changes(turn, gamma)
    matrix = _similarity(centre, turn, scale, (side - 1) / 2)
    return Window(view, matrix, (int(side[0]), int(side[1])), gamma, ", ".join([name, *changes]))


def crops(
    view: int, xy: np.ndarray, variants: Iterable[tuple[float, float, float]]
) -> list[Window]:
    """Square windows around a hand that is thought to be at xy (21, 2) pixels (nan: unknown).

    Each variant is (reach, turn, gamma): the window's side in sizes of the hand, degrees by which
    the hand is turned away from standing upright, exponent of the colours.
    """
    known = xy[np.isfinite(xy).all(1)]
    low, high = known.min(0), known.max(0)
    extent = float(max(high - low)) + 1
    fingers = np.nanmean(xy[[5, 9, 13, 17]], 0) - xy[0]
    upright = 0.0
    if np.isfinite(fingers).all() and np.linalg.norm(fingers) > 0.1 * extent:
        # Degrees, counter-clockwise as seen, that bring the fingers up.
        upright = float(np.degrees(np.arctan2(fingers[0], -fingers[1])))
    windows = []
    for reach, turn, gamma in variants:
        matrix = _similarity(
            (low + high) / 2,
            upright + turn,
            CROP_PIXELS / (reach * extent),
            np.full(2, (CROP_PIXELS - 1) / 2),
        )
        name = ", ".join([f"crop of {reach:g} sizes", *_changes(turn, gamma)])
        windows.append(Window(view, matrix, (CROP_PIXELS, CROP_PIXELS), gamma, name))
    return windows


def _changes(turn: float, gamma: float) -> list[str]:
    return [f"turned {turn:g} degrees"] * (turn != 0) + [f"gamma {gamma:g}"] * (gamma != 1)


def _similarity(centre: np.ndarray, turn: float, scale: float, to: np.ndarray) -> np.ndarray:
    """Matrix (2, 3) that turns about `centre` counter-clockwise as seen, scales, moves to `to`."""
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    A = scale * np.array([[c, s], [-s, c]])  # y points down
    return np.concatenate([A, (to - A @ centre)[:, None]], 1)
