"""Boards: described, drawn at their size, found, printed, and held against what was said."""

import cv2
import numpy as np
import pytest

from utils.calibration.board_scale import board_scale, marker_ratios
from utils.calibration.boards import Board, write_sheet
from utils.cameras.calibrated import CalibratedCamera
from utils.errors import UserError
from utils.synthetic.phone.path import walk

TEXTS = [
    "charuco:5x7:30:22:4X4_50",
    "april:3x4:30:10:APRILTAG_36h11",
    "charuco:4x5:24.5:18:5X5_100",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_board_is_drawn_at_its_size_and_found(text):
    board = Board.of(text)
    assert board.text == text
    image, mm = board.picture()
    ids, corners = board.find(image)
    assert len(ids) >= 12
    design = np.column_stack([board.points(ids)[:, :2], np.ones(len(ids))])
    fitted, *_ = np.linalg.lstsq(design, corners * mm, rcond=None)
    # a ten-thousandth of the size: the detector's own bias on tags is that large
    assert fitted[:2] == pytest.approx(np.eye(2), abs=1.5e-4)


def test_small_photos_are_enlarged_without_a_shift():
    board = Board()
    image, _ = board.picture(150)
    small = cv2.resize(image, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA)
    ids, corners = board.find(small)
    large_ids, large = board.find(image)
    expected = {int(k): (xy + 0.5) * 0.4 - 0.5 for k, xy in zip(large_ids, large)}
    shift = np.mean([xy - expected[int(k)] for k, xy in zip(ids, corners)], axis=0)
    assert len(ids) == 24
    assert np.abs(shift).max() < 0.08  # pixels


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("chess:5x7:30:22", "expected charuco"),
        ("charuco:5x7:20:22", "smaller than the squares"),
        ("charuco:5x7:30:22:9X9_50", "no dictionary 9X9_50"),
        ("charuco:30x30:30:22", "too few markers"),
        ("charuco:1x7:30:22", "at least 2 columns"),
    ],
)
def test_boards_that_cannot_be(text, word):
    with pytest.raises(UserError, match=word):
        Board.of(text)


def test_a_sheet_is_written_and_one_too_large_is_refused(tmp_path):
    write_sheet(tmp_path / "board.pdf", Board())
    assert (tmp_path / "board.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(UserError, match="larger than an A4 page"):
        write_sheet(tmp_path / "large.pdf", Board.of("charuco:5x7:50:35"))
    assert not (tmp_path / "large.pdf").exists()


def seen_board(board: Board, stretch=(1.0, 1.0), scale=1.0, views=8, noise=0.1):
    """Cameras in a world of another scale, and the board's corners in them."""
    rng = np.random.default_rng(0)
    ids = np.arange(24)
    points = board.points(ids) * 1e-3 * [*stretch, 1]
    cameras = walk(points, views, (480, 360), (0.05, -0.1), rng).cameras
    sightings = [(ids, c.project(points) + rng.normal(0, noise, (24, 2))) for c in cameras]
    moved = [CalibratedCamera(c.name, c.K, c.R, c.t * scale, c.size, c.lens) for c in cameras]
    return moved, sightings


def test_the_scale_is_the_boards():
    cameras, sightings = seen_board(Board(), scale=7.0)
    found = board_scale(cameras, sightings, Board())
    assert found.metres_per_unit == pytest.approx(1 / 7, rel=5e-4)  # 0.1 px of 200 px, averaged
    assert found.misfit_mm < 0.1
    heights = [(found.world_from_structure @ [*camera.center, 1])[2] for camera in cameras]
    assert min(heights) > 0  # z is up: the cameras are above the board


def test_a_board_that_contradicts_itself_is_refused():
    cameras, sightings = seen_board(Board(), stretch=(1.0, 1.12))
    with pytest.raises(UserError, match=r"columns measure 0\.8\d+ times its rows"):
        board_scale(cameras, sightings, Board())


def test_a_board_hardly_seen_is_refused():
    cameras, sightings = seen_board(Board())
    nothing = (np.zeros(0, int), np.zeros((0, 2)))
    with pytest.raises(UserError, match="seen in 2 photos"):
        board_scale(cameras, [*sightings[:2], *[nothing] * 6], Board())


def test_markers_are_held_against_their_squares():
    board = Board()
    image, _ = board.picture(90)
    blurred = cv2.GaussianBlur(image, (0, 0), 1.5)
    ratio, side = np.median(marker_ratios(blurred, board), axis=0)
    assert side == pytest.approx(66, abs=2)
    assert abs(ratio / (22 / 30) - 1) < 0.04  # blur costs a pixel of 66
    other = Board.of("charuco:5x7:30:26")
    assert abs(ratio / (other.marker / other.square) - 1) > 0.04 + 2 / side  # said wrongly: refused
