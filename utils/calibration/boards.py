"""Printed boards of known size: how they are described, drawn, printed and found in photos."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from utils.errors import UserError
from utils.io.files import atomic_path

PAPER_MM = (210.0, 297.0)  # A4; it fits US letter's width, too
RULER_MM = 150
MM_PER_INCH = 25.4
LEAST_CORNERS = 4  # of a board in a photo
ENLARGED_BELOW = 1000  # pixels of the longer side
QUIET = 0.25  # white border about the board, in squares
APRILTAG, CHARUCO = "april", "charuco"
FORM = "charuco:COLUMNSxROWS:SQUARE_MM:MARKER_MM[:DICTIONARY] or april:COLUMNSxROWS:TAG_MM:GAP_MM"


@dataclass(frozen=True)
class Board:
    """A ChArUco board, or a grid of AprilTags.

    columns x rows of squares (or tags); `square` is a square's side (or a tag's), `marker` the
    side of the markers in the squares (or the gap between tags), millimetres; dictionary: OpenCV's
    name without DICT_.
    """

    kind: str = CHARUCO
    columns: int = 5
    rows: int = 7
    square: float = 30.0
    marker: float = 22.0
    dictionary: str = "4X4_50"

    @staticmethod
    def of(text: str) -> Board:
        """The board of a description as FORM has it. Raises UserError for any other text."""
        match = re.fullmatch(
            r"(charuco|april):(\d+)x(\d+):([\d.]+):([\d.]+)(?::(\w+))?", text.strip()
        )
        if not match:
            raise UserError(f"--board {text}: expected {FORM}, e.g. {Board().text}")
        kind, columns, rows, square, marker, dictionary = match.groups()
        default = "APRILTAG_36h11" if kind == APRILTAG else "4X4_50"
        board = Board(kind, int(columns), int(rows), float(square), float(marker), default)
        board = Board(**{**vars(board), "dictionary": dictionary or default})
        board.check()
        return board

    def check(self) -> None:
        """Raise UserError where there can be no such board."""
        if not hasattr(cv2.aruco, f"DICT_{self.dictionary}"):
            raise UserError(f"--board {self.text}: OpenCV has no dictionary {self.dictionary}")
        if self.kind == CHARUCO and not 0 < self.marker < self.square:
            raise UserError(f"--board {self.text}: markers must be smaller than the squares")
        if min(self.columns, self.rows) < 2:
            raise UserError(f"--board {self.text}: expected at least 2 columns and 2 rows")
        try:
            self.picture()
        except cv2.error:
            raise UserError(
                f"--board {self.text}: {self.dictionary} has too few markers; name a larger one, "
                "e.g. 4X4_250"
            ) from None

    @property
    def text(self) -> str:
        """The description that `of` reads."""
        size = f"{self.columns}x{self.rows}:{self.square:g}:{self.marker:g}"
        return f"{self.kind}:{size}:{self.dictionary}"

    @cached_property
    def _board(self) -> cv2.aruco.Board:
        dictionary = cv2.aruco.getPredefinedDictionary(
            getattr(cv2.aruco, f"DICT_{self.dictionary}")
        )
        shape = (self.columns, self.rows)
        kind = cv2.aruco.CharucoBoard if self.kind == CHARUCO else cv2.aruco.GridBoard
        return kind(shape, self.square, self.marker, dictionary)

    def picture(self, finest: int = 300) -> tuple[np.ndarray, float]:
        """The board with its white border (H, W) uint8, and how many millimetres a pixel is.

        A square has up to `finest` pixels, as many as make markers and gaps whole pixels, or nearly
        so: OpenCV rounds them, and a board that is not the size it says gives a wrong scale.
        """
        sides = np.arange(finest, finest // 2, -1)
        parts = sides * self.marker / self.square
        pixels = int(sides[np.argmin(np.abs(parts - np.round(parts)).round(6))])
        gap = round(pixels * self.marker / self.square) if self.kind == APRILTAG else 0
        shape = np.array([self.columns, self.rows])
        width, height = (shape * (pixels + gap) - gap + 2 * self._border(pixels)).tolist()
        if self.kind == CHARUCO:
            image = self._board.generateImage((width, height), marginSize=self._border(pixels))
            return image, self.square / pixels
        image = np.full((height, width), 255, np.uint8)  # generateImage fails on some sizes
        dictionary = self._board.getDictionary()
        for rank, number in enumerate(self._board.getIds().ravel()):
            row, column = divmod(rank, self.columns)
            y, x = (self._border(pixels) + at * (pixels + gap) for at in (row, column))
            tag = cv2.aruco.generateImageMarker(dictionary, int(number), pixels)
            image[y : y + pixels, x : x + pixels] = tag
        return image, self.square / pixels

    def _border(self, pixels: int) -> int:
        return round(QUIET * pixels)

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height with the white border about it, millimetres."""
        gap = self.marker if self.kind == APRILTAG else 0
        border = 2 * QUIET * self.square - gap
        step = self.square + gap
        return self.columns * step + border, self.rows * step + border

    def find(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corners in a grey photo (H, W) uint8: numbers (N,) int and pixels (N, 2), refined.

        None where fewer than LEAST_CORNERS are seen. Small photos are enlarged to be looked at.
        """
        if max(photo.shape) < ENLARGED_BELOW:
            larger = cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            ids, corners = self._found(larger)
            corners = (corners + 0.5) / 2 - 0.5
        else:
            ids, corners = self._found(photo)
        if len(ids) < LEAST_CORNERS:
            return np.zeros(0, int), np.zeros((0, 2))
        return ids, corners

    def _found(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.kind == CHARUCO:
            lenient = cv2.aruco.CharucoParameters()
            lenient.minMarkers = 1  # half a board in a corner of the photo serves, too
            detector = cv2.aruco.CharucoDetector(self._board, lenient)
            corners, ids, _, _ = detector.detectBoard(photo)
            return _flat(ids, corners)
        return self._find_tags(photo)

    def _find_tags(self, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
        detector = cv2.aruco.ArucoDetector(self._board.getDictionary(), parameters)
        tags, ids, _ = detector.detectMarkers(photo)
        known = {int(number): rank for rank, number in enumerate(self._board.getIds().ravel())}
        found = [
            (known[int(i)], tag.reshape(4, 2)) for i, tag in zip(_ids(ids), tags) if i in known
        ]
        if not found:
            return np.zeros(0, int), np.zeros((0, 2))
        numbers = np.concatenate([4 * rank + np.arange(4) for rank, _ in found])
        return numbers, np.concatenate([tag for _, tag in found]).astype(float)

    def points(self, ids: np.ndarray) -> np.ndarray:
        """Places (N, 3) of corners `ids` (N,) on the board, millimetres, z = 0."""
        if self.kind == CHARUCO:
            return np.asarray(self._board.getChessboardCorners(), float)[ids]
        return np.concatenate(self._board.getObjPoints()).reshape(-1, 3).astype(float)[ids]


def _ids(ids: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, int) if ids is None else ids.ravel().astype(int)


def _flat(ids: np.ndarray | None, corners: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    if ids is None or corners is None or not len(ids):
        return np.zeros(0, int), np.zeros((0, 2))
    return ids.ravel().astype(int), corners.reshape(-1, 2).astype(float)


def write_sheet(path: Path, board: Board) -> None:
    """Write a PDF page (A4) with the board at its size, and a ruler to check the printer by.

    Raises UserError where the board is larger than the page.
    """
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    width, height = board.size_mm
    page_width, page_height = PAPER_MM
    if width > page_width - 10 or height > page_height - 40:
        raise UserError(
            f"--board {board.text} is {width:.0f} x {height:.0f} mm, larger than an A4 page; "
            "choose smaller squares"
        )
    figure = Figure(figsize=(page_width / MM_PER_INCH, page_height / MM_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, page_width), ylim=(page_height, 0))
    axes.set_axis_off()
    left, top = (page_width - width) / 2, 12.0
    picture, mm = board.picture()
    height_px, width_px = picture.shape
    extent = (left, left + width_px * mm, top + height_px * mm, top)
    axes.imshow(picture, "gray", extent=extent, interpolation="none", aspect="auto")
    axes.set(xlim=(0, page_width), ylim=(page_height, 0))
    _draw_ruler(axes, (page_width - RULER_MM) / 2, top + height + 10)
    words = (
        f"--board {board.text}    Print at 100 % (no 'fit to page'), glue it onto something flat.\n"
        f"The ruler must be {RULER_MM} mm long: if it measures R mm, multiply the sizes in --board "
        f"by R / {RULER_MM}."
    )
    axes.text(page_width / 2, top + height + 25, words, ha="center", fontsize=8)
    data = io.BytesIO()
    FigureCanvasPdf(figure).print_pdf(data)
    with atomic_path(path) as beside:
        beside.write_bytes(data.getvalue())


def _draw_ruler(axes: object, left: float, y: float) -> None:
    """Ticks every millimetre, numbers every centimetre."""
    axes.plot([left, left + RULER_MM], [y, y], color="black", linewidth=0.4)
    for mm in range(RULER_MM + 1):
        length = 6 if mm % 10 == 0 else 4 if mm % 5 == 0 else 2.5
        axes.plot([left + mm, left + mm], [y, y - length], color="black", linewidth=0.3)
        if mm % 10 == 0:
            axes.text(left + mm, y + 4, str(mm), ha="center", fontsize=6)
