import numpy as np
import pytest

from utils.metrics.masks import evaluation_region, iou, mask_scores, wrist_pixels

NOTHING = np.zeros((60, 100), bool)


def box(x0, y0, x1, y1):
    region = NOTHING.copy()
    region[y0:y1, x0:x1] = True
    return region


HAND = box(30, 20, 70, 40)
WRIST = box(60, 20, 70, 40)


def test_scores_of_two_boxes():
    """20 x 20 shared of 40 x 20 and 40 x 20: a third, and a half each."""
    scores = mask_scores(box(10, 20, 50, 40), box(30, 20, 70, 40), NOTHING)
    assert scores == {"iou": pytest.approx(1 / 3), "precision": 0.5, "recall": 0.5}


def test_iou_of_masks():
    assert iou(box(10, 20, 50, 40), box(30, 20, 70, 40)) == pytest.approx(1 / 3)
    assert iou(HAND, NOTHING) == 0 and np.isnan(iou(NOTHING, NOTHING))


def test_a_forearm_beyond_the_wrist_is_left_out():
    given = HAND | box(70, 22, 100, 38)
    assert mask_scores(HAND, given, NOTHING)["iou"] == pytest.approx(800 / (800 + 480))
    ignored = wrist_pixels(HAND, WRIST, NOTHING)
    assert mask_scores(HAND, given, ignored) == {"iou": 1, "precision": 1, "recall": 1}


def test_a_wrist_that_ends_earlier_or_later_is_left_out():
    ignored = wrist_pixels(HAND, WRIST, NOTHING)
    assert mask_scores(HAND, box(30, 20, 63, 40), ignored)["iou"] == 1


def test_errors_elsewhere_still_count():
    ignored = wrist_pixels(HAND, WRIST, NOTHING)
    given = HAND | box(20, 20, 30, 40)  # a finger of 200 pixels that the mesh lacks
    assert mask_scores(HAND, given, ignored)["recall"] == pytest.approx(600 / 800)


def test_the_other_hand_keeps_its_pixels():
    """Of the gap between a wrist and the other hand, each takes the half that is nearer."""
    both = HAND | box(90, 20, 100, 40)
    ignored = wrist_pixels(both, WRIST, NOTHING)
    assert ignored[30, 75] and not ignored[30, 85]


def test_a_forearm_seen_behind_the_palm_is_left_out():
    """The wrist's end is hidden; only the masks tell of the forearm that sticks out above."""
    given, forearm = HAND | box(40, 5, 60, 20), box(42, 7, 58, 30)
    assert mask_scores(HAND, given, wrist_pixels(HAND, NOTHING, NOTHING))["recall"] < 0.8
    ignored = wrist_pixels(HAND, NOTHING, forearm)
    assert mask_scores(HAND, given, ignored)["recall"] > 0.95
    assert not ignored[HAND].any()


def test_nothing_is_left_out_where_no_hand_is():
    assert not wrist_pixels(NOTHING, NOTHING, HAND).any()


@pytest.mark.parametrize(
    ("covered", "mask", "expected"),
    [
        (HAND, NOTHING, {"iou": None, "precision": None, "recall": None}),
        (NOTHING, HAND, {"iou": 0, "precision": None, "recall": 0}),
        (NOTHING, NOTHING, {"iou": None, "precision": None, "recall": None}),
    ],
)
def test_no_number_that_means_nothing(covered, mask, expected):
    assert mask_scores(covered, mask, NOTHING) == expected


def test_the_region_is_both_and_one_pixel_smaller():
    region = evaluation_region(HAND, box(30, 20, 50, 40))
    np.testing.assert_array_equal(region, box(31, 21, 49, 39))
    np.testing.assert_array_equal(evaluation_region(HAND, None), box(31, 21, 69, 39))
    assert not evaluation_region(HAND, box(0, 0, 20, 20)).any()


def test_the_images_border_erodes_nothing():
    np.testing.assert_array_equal(evaluation_region(box(80, 0, 100, 20), None), box(81, 0, 100, 19))
