"""The scale that a printed board gives to a structure, and whether it is the board said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.calibration.boards import CHARUCO, Board
from utils.calibration.photos import PhotoSet
from utils.calibration.points import fit_similarity, triangulate
from utils.cameras.calibrated import CalibratedCamera
from utils.errors import UserError
from utils.progress_bar import progress

LEAST_PHOTOS, LEAST_CORNERS = 3, 6
OUTLIER_PX = 3.0  # of a corner from where the others put it
CONTRADICTS = 0.015  # of the board's extent: how far its corners may lie off the board said
RATIO_OFF = 0.04  # of markers' side over squares' side
BLURRED = 2.0  # pixels by which the sides of markers may be measured too short
MM = 1e-3


@dataclass(frozen=True)
class BoardScale:
    """What a board says: metres a unit of the structure, and how well its corners agree.

    world_from_structure (4, 4) puts the board's plane at z = 0, z up, in metres.
    """

    metres_per_unit: float
    relative_error: float  # one standard deviation, of the scale
    misfit_mm: float  # rms of the corners from the board said
    photos: int
    corners: int
    world_from_structure: np.ndarray


def find_board(photos: PhotoSet, board: Board) -> list[tuple[np.ndarray, np.ndarray]]:
    """Corner numbers (n,) and pixels (n, 2) of the board in each photo."""
    views = range(len(photos.names))
    return [board.find(photos.grey(k)) for k in progress(views, "looking for the board", "photo")]


def board_scale(
    cameras: Sequence[CalibratedCamera],
    sightings: Sequence[tuple[np.ndarray, np.ndarray]],
    board: Board,
) -> BoardScale:
    """The scale by a board that `cameras` see at `sightings`, one a camera.

    Raises UserError where it is hardly seen, or where its corners contradict the board said.
    """
    seen = sum(len(ids) > 0 for ids, _ in sightings)
    if seen < LEAST_PHOTOS:
        raise UserError(
            f"the board {board.text} is seen in {seen} photos, at least {LEAST_PHOTOS} are needed; "
            "is it the board that --board says, flat and wholly in view? (--board-pdf prints one)"
        )
    ids, points = _triangulated(cameras, sightings)
    if len(ids) < LEAST_CORNERS:
        raise UserError(f"only {len(ids)} of the board's corners are seen from two sides")
    truth = board.points(ids) * MM
    scale, R, t = fit_similarity(points, truth)
    miss = truth - (scale * points @ R.T + t)
    extent = np.ptp(truth, axis=0).max()
    misfit = float(np.sqrt((miss**2).sum(1).mean()))
    if misfit > CONTRADICTS * extent:
        raise UserError(_contradiction(board, truth, points, misfit))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = scale * R, t
    matrix = _upward(cameras, matrix)
    spread = np.linalg.norm(truth - truth.mean(0))
    return BoardScale(scale, misfit / max(spread, 1e-12), misfit / MM, seen, len(ids), matrix)


def check_markers(photos: PhotoSet, board: Board, seen: Sequence[int]) -> None:
    """Raise UserError where the markers' sides over the squares' are not what `board` says.

    seen: photos in which the board was found.
    """
    if board.kind != CHARUCO:
        return
    measured = [each for k in seen for each in marker_ratios(photos.grey(k), board)]
    if not measured:
        return
    (ratio, side), said = np.median(measured, axis=0), board.marker / board.square
    if abs(ratio / said - 1) > RATIO_OFF + BLURRED / side:
        raise UserError(
            f"the board contradicts --board {board.text}: its markers are {ratio:.3f} of a square "
            f"wide, {said:.3f} was said; measure a square and a marker with a ruler"
        )


def marker_ratios(grey: np.ndarray, board: Board) -> list[tuple[float, float]]:
    """Markers' sides over the sides of the squares that they stand in, and their sides in pixels.

    grey (H, W) uint8. Blur makes dark markers smaller: by one or two pixels a side.
    """
    ids, corners = board.find(grey)
    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, f"DICT_{board.dictionary}"))
    parameters = cv2.aruco.DetectorParameters()
    parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    markers, _, _ = cv2.aruco.ArucoDetector(dictionary, parameters).detectMarkers(grey)
    if len(ids) < 4 or not markers:
        return []
    plane = board.points(ids)[:, :2].astype(np.float32)
    board_from_px, _ = cv2.findHomography(corners.astype(np.float32), plane, cv2.RANSAC, 2.0)
    if board_from_px is None:
        return []
    ratios = []
    for marker in markers:
        pixels = np.linalg.norm(marker[0] - np.roll(marker[0], 1, axis=0), axis=1).mean()
        flat = cv2.perspectiveTransform(marker.reshape(1, 4, 2), board_from_px)[0]
        sides = np.linalg.norm(flat - np.roll(flat, 1, axis=0), axis=1)
        extent = board.square * np.array([board.columns, board.rows])
        inside = (flat > 0).all() and (flat < extent).all()
        if inside and sides.std() < 0.1 * sides.mean():
            ratios.append((float(sides.mean() / board.square), float(pixels)))
    return ratios


def _contradiction(board: Board, truth: np.ndarray, points: np.ndarray, misfit: float) -> str:
    """What is wrong with the board said, by how its two directions measure."""
    flat = points - points.mean(0)
    on_board, *_ = np.linalg.lstsq(truth[:, :2] - truth[:, :2].mean(0), flat, rcond=None)
    across, down = np.linalg.norm(on_board, axis=1)
    return (
        f"the board contradicts --board {board.text}: its corners lie {misfit / MM:.1f} mm "
        f"off, and its columns measure {across / down:.3f} times its rows (1 expected); was it "
        "printed at 100 %, is it flat, and are columns and rows as said?"
    )


def _triangulated(
    cameras: Sequence[CalibratedCamera], sightings: Sequence[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Corner numbers (n,) and places (n, 3) in the structure."""
    rows: dict[int, list[tuple[CalibratedCamera, np.ndarray]]] = {}
    for camera, (ids, corners) in zip(cameras, sightings):
        for number, xy in zip(ids, corners):
            rows.setdefault(int(number), []).append((camera, xy))
    ids, points = [], []
    for number, seen in sorted(rows.items()):
        point, miss = triangulate(seen)
        while len(seen) > 2 and miss.max() > OUTLIER_PX:
            seen = [each for k, each in enumerate(seen) if k != int(miss.argmax())]
            point, miss = triangulate(seen)
        if len(seen) >= 2 and miss.max() <= OUTLIER_PX:
            ids.append(number)
            points.append(point)
    return np.array(ids, int), np.array(points).reshape(-1, 3)


def _upward(cameras: Sequence[CalibratedCamera], matrix: np.ndarray) -> np.ndarray:
    """The same with z on the side of the board that the cameras are on."""
    centres = np.stack([camera.center for camera in cameras])
    above = (centres @ matrix[2, :3] + matrix[2, 3]).mean() > 0
    return matrix if above else np.diag([1.0, -1, -1, 1]) @ matrix
