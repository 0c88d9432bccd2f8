"""Orders of joints are told by the lengths of bones."""

import numpy as np
import pytest

from tests.scenes.captures import two_hands
from utils.keypoints.joint_orders import JOINT_ORDERS, OWN_ORDER, implausibility, order_of, own_rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("order", JOINT_ORDERS)
def test_each_order_is_told_whatever_the_unit(order, seed):
    hands = two_hands(np.random.default_rng(seed))
    written = np.empty_like(hands)
    written[:, own_rows(order)] = 1000 * hands
    assert order_of(written)[0] == order


def test_interhand_lists_the_thumb_from_tip_to_root_first_and_the_wrist_last():
    assert own_rows("interhand").tolist()[:6] == [20, 3, 2, 1, 0, 7]


def test_one_hand_and_missing_joints_will_do():
    hands = two_hands(np.random.default_rng(0))
    hands[0] = np.nan
    hands[1, [8, 12]] = np.nan
    assert order_of(hands)[0] == OWN_ORDER and implausibility(hands) < 0.15


def test_too_few_bones_say_nothing():
    assert np.isnan(implausibility(np.full((2, 21, 3), np.nan)))
    assert order_of(np.full((2, 21, 3), np.nan))[0] == OWN_ORDER
