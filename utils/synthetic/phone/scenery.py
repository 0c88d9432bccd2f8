"""What stands around a hand in a room: a table with print on it, a board, walls with pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from utils.calibration.boards import Board
from utils.io.images import to_bytes
from utils.synthetic.fields import MM, linear_from_srgb

TABLE_SIDE, TABLE_BELOW = 1.1, 0.02  # metres; below the hand's lowest point
TABLE_PIXEL, WALL_PIXEL = 0.0004, 0.002  # metres a texel
WALLS_AT, CEILING, FLOOR = 2.2, 1.6, 0.75  # metres from the hand, up and down
BOARD_AWAY = 0.15  # metres from the hand's middle to the board's
BOARD_SQUARE = 150  # texels
PLAIN = 0.35  # linear reflectance of what has no texture
PAPERS, PICTURES = 26, 14
WORDS = [
    "wrist",
    "thumb",
    "index",
    "middle",
    "ring",
    "little",
    "palm",
    "nail",
    "knuckle",
    "vein",
    "12",
    "47",
    "305",
    "8196",
]


@dataclass(frozen=True)
class Panel:
    """A rectangle in the world with a texture.

    corner (3,) is the texture's first corner, right and down (3,) its sides in metres; texture
    (h, w, 3) linear reflectance, rows go down.
    """

    name: str
    corner: np.ndarray
    right: np.ndarray
    down: np.ndarray
    texture: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        """Unit normal (3,) on the side that shows the texture unmirrored."""
        normal = np.cross(self.down, self.right)
        return normal / np.linalg.norm(normal)


def room(
    points: np.ndarray, background: str, board: Board | None, rng: np.random.Generator
) -> list[Panel]:
    """Panels about a hand's `points` (N, 3), the farthest first, so that later ones hide them."""
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    top = low[2] - TABLE_BELOW
    textured = background == "table"
    panels = [_floor(centre, top - FLOOR, textured, rng)]
    panels += [_wall(centre, top, quarter, textured, rng) for quarter in range(4)]
    half = TABLE_SIDE / 2
    corner = np.array([centre[0] - half, centre[1] + half, top])
    texture = _texture(TABLE_SIDE, TABLE_SIDE, TABLE_PIXEL, PAPERS, rng) if textured else _plain()
    right, down = np.array([TABLE_SIDE, 0, 0]), np.array([0, -TABLE_SIDE, 0])
    panels.append(Panel("table", corner, right, down, texture))
    if board is not None:
        panels.append(_board_panel(board, np.array([centre[0], centre[1], top]), rng))
    return panels


def _board_panel(board: Board, below: np.ndarray, rng: np.random.Generator) -> Panel:
    """The board on the table, a hair above it, beside the point `below` the hand."""
    image, mm = board.picture(BOARD_SQUARE)
    height, width = np.array(image.shape) * mm * MM
    angle, turn = rng.uniform(0, 2 * np.pi, 2)
    middle = below + np.array([BOARD_AWAY * np.cos(angle), BOARD_AWAY * np.sin(angle), 0.0004])
    right = np.array([np.cos(turn), np.sin(turn), 0])
    down = np.array([np.sin(turn), -np.cos(turn), 0])
    corner = middle - right * width / 2 - down * height / 2
    texture = (0.03 + 0.75 * image / 255.0)[..., None].repeat(3, 2)
    return Panel("board", corner, right * width, down * height, texture.astype(np.float32))


def _floor(centre: np.ndarray, z: float, textured: bool, rng: np.random.Generator) -> Panel:
    side = 2 * WALLS_AT
    texture = _texture(side, side, 2 * WALL_PIXEL, PICTURES, rng) if textured else _plain()
    corner = np.array([centre[0] - WALLS_AT, centre[1] + WALLS_AT, z])
    return Panel("floor", corner, np.array([side, 0, 0]), np.array([0, -side, 0]), texture)


def _wall(
    centre: np.ndarray, top: float, quarter: int, textured: bool, rng: np.random.Generator
) -> Panel:
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][quarter]
    outward, along = np.array([cos, sin, 0.0]), np.array([sin, -cos, 0.0])
    side, height = 2 * WALLS_AT, CEILING + FLOOR
    texture = _texture(side, height, WALL_PIXEL, PICTURES, rng) if textured else _plain()
    corner = centre + WALLS_AT * (outward - along)
    corner[2] = top + CEILING
    down = np.array([0, 0, -height])
    return Panel(f"wall{quarter}", corner, along * side, down, texture)


def _plain() -> np.ndarray:
    return np.full((4, 4, 3), PLAIN, np.float32)


def _texture(
    width: float, height: float, pixel: float, papers: int, rng: np.random.Generator
) -> np.ndarray:
    """Grained wood or plaster with printed papers strewn over it, linear (h, w, 3)."""
    h, w = round(height / pixel), round(width / pixel)
    grain = sum(
        cv2.resize(rng.normal(size=(max(h // s, 2), max(w // (3 * s), 2))), (w, h)) * strength
        for s, strength in ((4, 0.10), (16, 0.16), (90, 0.18))
    )
    image = np.clip(0.52 * np.exp(grain)[..., None] * [1.0, 0.86, 0.70], 0.05, 0.95)
    image = to_bytes(image)
    for _ in range(papers):
        _strew(image, _paper(rng, min(h, w)), rng)
    return linear_from_srgb(image / 255).astype(np.float32)


def _paper(rng: np.random.Generator, extent: int) -> np.ndarray:
    """A printed sheet (h, w, 3) in 0 to 255: lines of words, a few pictures."""
    w, h = (int(extent * f) for f in rng.uniform([0.12, 0.1], [0.3, 0.26]))
    tint = rng.uniform(150, 245, 3)
    paper = np.ascontiguousarray(np.ones((h, w, 3)) * tint, np.uint8)
    scale = rng.uniform(0.4, 1.1)
    for y in range(round(24 * scale), h - 4, round(26 * scale)):
        line = " ".join(rng.choice(WORDS, 14))
        ink = (tint * rng.uniform(0.05, 0.5)).tolist()
        at = (round(8 * scale), y)
        cv2.putText(paper, line, at, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 2, cv2.LINE_AA)
    for _ in range(3):
        x, y = rng.uniform(0, w), rng.uniform(0, h)
        colour = rng.uniform(20, 240, 3).tolist()
        cv2.circle(paper, (int(x), int(y)), int(rng.uniform(6, 0.2 * h)), colour, -1, cv2.LINE_AA)
    return paper


def _strew(image: np.ndarray, paper: np.ndarray, rng: np.random.Generator) -> None:
    """Lay the paper somewhere on the image, turned anyhow."""
    h, w = paper.shape[:2]
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(0, 360), 1.0)
    middle = rng.uniform(0, 1, 2) * image.shape[1::-1]
    reach = np.hypot(h, w) / 2
    x0, y0 = np.maximum(middle - reach, 0).astype(int)
    x1, y1 = np.minimum(middle + reach, image.shape[1::-1]).astype(int)
    turn[:, 2] += middle - [w / 2 + x0, h / 2 + y0]
    size = int(x1 - x0), int(y1 - y0)
    cover = cv2.warpAffine(np.ones((h, w), np.uint8), turn, size, flags=cv2.INTER_NEAREST)
    laid = cv2.warpAffine(paper, turn, size, borderMode=cv2.BORDER_REPLICATE)
    window = image[y0:y1, x0:x1]
    window[cover > 0] = laid[cover > 0]
