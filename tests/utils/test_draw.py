"""Drawing helpers: pixels where they should be, inputs left alone."""

import numpy as np
import pytest

from utils import draw

RED = (1.0, 0.0, 0.0)


@pytest.fixture
def black() -> np.ndarray:
    return np.zeros((60, 80, 3), np.float32)


@pytest.fixture
def hand() -> np.ndarray:
    xy = np.full((21, 2), np.nan)
    xy[0], xy[1], xy[2] = [10, 20], [40, 20], [40, 50]
    return xy


def test_skeleton_is_drawn_between_joints(black, hand):
    drawn = draw.keypoint_skeleton(black, hand, RED, 1)
    for y, x in [(20, 25), (35, 40)]:  # an anti-aliased line of one pixel is not quite full
        assert drawn[y, x, 0] > 0.7 and drawn[y, x, 1:].sum() == 0
    assert drawn[40, 20].sum() == 0  # no line from the wrist to the thumb's second joint
    assert black.sum() == 0


def test_unseen_joints_are_left_out(black, hand):
    hand[1] = np.nan
    drawn = draw.keypoint_skeleton(black, hand, RED, 1)
    assert drawn[20, 25].sum() == 0 and drawn[20, 10, 0] == 1
    assert draw.keypoint_skeleton(black, np.full((21, 2), np.nan), RED).sum() == 0


def test_drawing_is_subpixel_and_survives_far_points(black, hand):
    hand[:] = np.nan
    hand[0] = [20.5, 20]
    drawn = draw.keypoint_skeleton(black, hand, RED, 1)[..., 0]
    columns = (drawn.sum(0) * np.arange(80)).sum() / drawn.sum()
    assert columns == pytest.approx(20.5, abs=0.1)  # anti-aliased to 1/16 pixel
    hand[0] = [1e9, -1e9]
    draw.keypoint_skeleton(black, hand, RED, 1)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_images_come_back_as_they_were_given(kind, hand):
    image = np.zeros((60, 80, 3), kind)
    mask = np.zeros((60, 80), bool)
    mask[10:20, 10:20] = True
    for drawn in (
        draw.keypoint_skeleton(image, hand, RED),
        draw.circles(image, hand, RED),
        draw.segments(image, hand, hand + 5, RED),
        draw.mask_outline(image, mask, RED),
        draw.caption(image, "view 0"),
        draw.contact_sheet([image + 1, image], width=80),
    ):
        assert drawn.dtype == kind and drawn.max() > 0
    assert image.sum() == 0


def test_mask_outline_lies_on_the_mask_s_rim(black):
    mask = np.zeros((60, 80), bool)
    mask[10:30, 10:40] = True
    mask[15:20, 15:20] = False
    drawn = draw.mask_outline(black, mask, RED)[..., 0]
    assert drawn[10, 20] == 1 and drawn[20, 25] == 0 and drawn[5, 5] == 0
    assert drawn[14:21, 14:21].sum() > 0  # the hole has an outline too


def test_caption_stays_in_its_line_and_shrinks_to_fit():
    grey = np.full((200, 300, 3), 0.6, np.float32)
    first, second = (
        draw.caption(grey, "a line that is much too long " * 3, RED, k) for k in (0, 1)
    )
    touched = [np.nonzero((x != grey).any((1, 2)))[0] for x in (first, second)]
    rounded = abs(draw.caption(grey, "", RED) - grey).max()
    assert rounded < 0.6  # an empty caption is only its ground
    assert touched[0].min() < touched[1].min()


def test_contact_sheet_lays_out_rows():
    red, tall = np.zeros((30, 60, 3), np.float32), np.ones((60, 60, 3), np.float32)
    red[..., 0] = 1
    sheet = draw.contact_sheet([red, tall, red], columns=2, width=60)
    assert sheet.shape == (120, 120, 3)
    assert sheet[10, 10].tolist() == [1, 0, 0] and sheet[50, 10].sum() == 0
    assert sheet[50, 70].tolist() == [1, 1, 1] and sheet[70, 10].tolist() == [1, 0, 0]


def test_contact_sheet_scales_and_labels():
    sheet = draw.contact_sheet([np.ones((100, 200, 3))] * 3, ["", "one", "two"], 3, width=100)
    assert sheet.shape == (50, 300, 3)
    assert sheet[:, :100].min() == 1 and sheet[:, 100:200].min() < 0.5
