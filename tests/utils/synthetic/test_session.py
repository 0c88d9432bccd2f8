"""The plan of a session: which views train, which judge, whose exposure is changed."""

import numpy as np
import pytest

from utils.synthetic.session import exact_mask, plan_session


@pytest.fixture(scope="module")
def session(template):
    return plan_session(template, ["left", "right"], 0, 7, 2, (60, 80), 4)


def test_views_are_split_and_held_out_ones_keep_their_exposure(session):
    assert sorted(session.training + session.held) == list(range(9))
    assert (len(session.training), len(session.held)) == (7, 2)
    assert (session.gains[session.held] == 1).all()
    assert (session.gains[session.training] != 1).any(1).sum() == 2
    assert len(session.detections.poses) == 7


def test_facts_describe_both_hands(session, template):
    facts = session.facts(template.hands_mean)
    count = len(template.verts)
    assert facts["hands"]["left"]["vertices"] == [0, count]
    assert facts["hands"]["right"]["vertices"] == [count, 2 * count]
    assert facts["hands"]["right"]["pose"].shape == (48,)
    assert facts["gains_rgb"].shape == (7, 3)
    assert set(facts["keypoints"]) == {"missed", "swapped", "outliers"}


def test_plans_repeat_for_a_seed(session, template):
    again = plan_session(template, ["left", "right"], 0, 7, 2, (60, 80), 4)
    assert (again.cameras.K == session.cameras.K).all()
    assert again.detections.poses == session.detections.poses
    other = plan_session(template, ["left", "right"], 0, 7, 2, (60, 80), 5)
    assert np.abs(other.hands[0].verts - session.hands[0].verts).max() > 0.01


def test_masks_hold_both_hands(session):
    for view in range(len(session.cameras)):
        camera = session.cameras[view]
        both = exact_mask(session.hands, camera)
        each = [exact_mask([hand], camera) for hand in session.hands]
        assert (both == (each[0] | each[1])).all()
        assert 0.05 < both.mean() < 0.6
