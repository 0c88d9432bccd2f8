import numpy as np
import pytest

from utils.photos.masks import judge_mask, judge_masks, nearest, trusted_pixels

NOTHING = np.zeros((100, 120), bool)


def box(x0, y0, x1, y1):
    region = NOTHING.copy()
    region[y0:y1, x0:x1] = True
    return region


HAND = box(40, 20, 80, 60) | box(40, 10, 48, 20) | box(60, 10, 68, 20)  # a palm and two fingers


def test_a_mask_that_agrees_is_believed():
    verdict = judge_mask(3, HAND, HAND, NOTHING)
    assert verdict.believed and verdict.usable and verdict.view == 3
    assert verdict.iou == 1 and verdict.missing == 0 and verdict.extra == 0


def test_a_hand_slightly_beside_its_mask_does_not_make_the_mask_a_lie():
    verdict = judge_mask(0, np.roll(HAND, 2, 1), HAND, NOTHING)
    assert verdict.believed and 0.8 < verdict.iou < 0.95


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (HAND & ~box(55, 30, 70, 45), "lacks 13 %"),  # a hole: 225 of 1760 pixels
        (HAND | box(90, 70, 110, 90), "includes 22 %"),  # something else: 400 pixels less corners
    ],
)
def test_holes_and_additions_are_caught_and_the_rest_is_used(mask, reason):
    verdict = judge_mask(0, mask, HAND, NOTHING)
    assert not verdict.believed and verdict.usable and reason in verdict.reason
    trusted = trusted_pixels(mask, HAND, NOTHING, verdict)
    assert not trusted[mask != HAND].any()
    assert trusted[15, 44]  # a finger far from the fault


def test_a_mask_without_the_hand_is_not_used_at_all():
    verdict = judge_mask(0, box(40, 40, 50, 50), HAND, NOTHING)
    assert not verdict.believed and not verdict.usable and verdict.missing > 0.9
    assert not trusted_pixels(HAND, HAND, NOTHING, verdict).any()


def test_a_forearm_is_neither_right_nor_wrong():
    forearm = box(45, 60, 75, 100)
    verdict = judge_mask(0, HAND | forearm, HAND, forearm)
    assert verdict.believed and verdict.iou == 1
    assert not judge_mask(0, HAND | forearm, HAND, NOTHING).believed


def test_views_without_mask_or_hand_have_a_verdict():
    verdicts = judge_masks([None, HAND], [HAND, NOTHING], [NOTHING, NOTHING])
    assert [v.reason for v in verdicts] == ["no mask", "no hand in this view"]
    assert not any(v.usable for v in verdicts)
    assert [v.as_dict()["view"] for v in verdicts] == [0, 1]


def test_verdicts_do_not_depend_on_the_resolution():
    mask = HAND & ~box(55, 30, 70, 45)
    small = judge_mask(0, mask, HAND, NOTHING)
    big = judge_mask(0, *(np.kron(m, np.ones((3, 3), bool)) for m in (mask, HAND, NOTHING)))
    assert abs(small.missing - big.missing) < 0.02 and abs(small.iou - big.iou) < 1e-9


def test_nearest_is_the_nearest_pixel():
    region = np.zeros((20, 30), bool)
    region[5, 4], region[15, 25] = True, True
    found = nearest(region)
    assert found[0, 0] == 5 * 30 + 4 and found[19, 29] == 15 * 30 + 25 and found[5, 4] == 5 * 30 + 4
