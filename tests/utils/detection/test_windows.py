"""Windows map to and from the photo, and show a hand upright."""

import numpy as np
import pytest

from utils.detection.windows import CROP_PIXELS, crops, tiles, whole_photo

SIZE = (300, 400)


def in_window(window, xy):
    return xy @ window.matrix[:, :2].T + window.matrix[:, 2]


def corners(window):
    """Centres of the window's first and last pixel, in the photo."""
    return window.to_photo(np.array([[0.0, 0.0], np.array(window.size) - 1.0]))


def test_a_whole_photo_spans_the_photo():
    window = whole_photo(3, SIZE)
    assert window.view == 3 and window.name == "whole photo"
    edges = window.to_photo(np.array([[-0.5, -0.5], np.array(window.size) - 0.5]))
    np.testing.assert_allclose(edges, [[-0.5, -0.5], [399.5, 299.5]], atol=1e-9)


@pytest.mark.parametrize("turn, corner", [(90, (0, 300)), (180, (400, 300)), (270, (400, 0))])
def test_turned_counter_clockwise(turn, corner):
    """Turned by 90 degrees counter-clockwise, the top left corner of a photo is at the bottom."""
    window = whole_photo(0, SIZE, turn, 0.5)
    assert window.size[0] < window.size[1] or turn == 180
    at = in_window(window, np.array([-0.5, -0.5])) / window.scale + 0.5
    limits = np.array([300, 400]) if turn % 180 else np.array([400, 300])
    expected = {90: (0, 400), 180: (400, 300), 270: (300, 0)}[turn]
    np.testing.assert_allclose(at, expected, atol=1)  # sides are whole pixels
    assert (at <= limits + 1).all()
    assert window.name == f"whole photo, turned {turn} degrees, gamma 0.5"


def test_tiles_cover_the_photo_and_overlap():
    windows = tiles(1, SIZE, 3)
    assert len(windows) == 9
    covered = np.zeros(SIZE, int)
    for window in windows:
        (x0, y0), (x1, y1) = np.round(corners(window)).astype(int)
        covered[y0 : y1 + 1, x0 : x1 + 1] += 1
    assert covered[2:-2, 2:-2].min() >= 1 and np.median(covered) >= 2


@pytest.mark.parametrize("angle", [0, 40, 130, 250])
def test_crops_hold_the_hand_upright(angle):
    turn = np.radians(angle)
    hand = np.zeros((21, 2))
    hand[:, 1] = -np.linspace(0, 100, 21)  # fingers up
    hand[:, 0] = np.tile([-20, 0, 20], 7)
    turned = hand @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    placed = turned + np.array([150, 130])
    (window,) = crops(2, placed, [(2.0, 0, 1.0)])
    px = in_window(window, placed)
    fingers = px[[5, 9, 13, 17]].mean(0) - px[0]
    assert fingers[1] < 0 and abs(fingers[0]) < 0.5 * abs(fingers[1])
    assert (px > 0).all() and (px < CROP_PIXELS).all()
    np.testing.assert_allclose(px.mean(0), CROP_PIXELS / 2, atol=0.15 * CROP_PIXELS)
    np.testing.assert_allclose(window.to_photo(px), placed, atol=1e-9)


def test_unknown_keypoints_do_not_matter():
    hand = np.full((21, 2), np.nan)
    hand[5:9] = [[10, 10], [20, 10], [30, 10], [40, 40]]
    (window,) = crops(0, hand, [(2.0, 0, 1.0)])
    assert np.isfinite(window.matrix).all()
