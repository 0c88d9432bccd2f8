"""The search with a made-up detector: misses, swaps, wrong hands, bad cameras, other people."""

import numpy as np
import pytest

from tests.scenes.detection import MadeUpDetector, candidate, detector_before
from tests.scenes.hands import moved
from utils.detection.search import search_hands
from utils.errors import UserError
from utils.stage.config import load_config

CONFIG = load_config()
TOLERANCE = 2.5e-3  # metres: the noise of 1.5 px, at 0.8 m and a focal length of 500 px


def search(detector, cameras=None, given=None):
    cameras = cameras or detector.cameras
    return search_hands(cameras, detector, CONFIG.detect_hands, CONFIG.pose_optim, given)


def in_order(found, truth):
    """The found hands in the order of `truth`; the search does not name them."""
    straight = np.nanmedian(np.linalg.norm(found.points - truth, axis=-1))
    crossed = np.nanmedian(np.linalg.norm(found.points[::-1] - truth, axis=-1))
    return found.named(crossed < straight)


def errors(found, truth):
    return np.linalg.norm(found.points - truth, axis=-1).mean()


def test_finds_both_hands_everywhere():
    detector = detector_before()
    found = in_order(search(detector), detector.hands)
    assert all(one is not None for pair in found.by_view for one in pair)
    assert errors(found, detector.hands) < TOLERANCE
    assert not found.dropped and found.others == 0
    assert np.nanmax(found.apart) < 2
    # Whole photos, then crops around two hands; no second look, and no parts of photos.
    assert len(detector.windows) == 8 + 8 * 2 * 8


def test_looks_again_where_a_hand_was_missed():
    detector = detector_before(shy={(1, 0), (4, 1), (6, 0), (6, 1)})
    found = in_order(search(detector), detector.hands)
    assert all(one is not None for pair in found.by_view for one in pair)
    assert "crop" in found.by_view[6][1].source and found.by_view[2][0].whole
    tiles = {window.view for window in detector.windows if "tile" in window.name}
    assert tiles == {1, 4, 6}


def test_names_do_not_matter():
    detector = detector_before(misnamed={0, 2, 3, 5, 7})
    found = in_order(search(detector), detector.hands)
    assert errors(found, detector.hands) < TOLERANCE
    assert [pair[0].left > 0.5 for pair in found.by_view] == [v in (1, 4, 6) for v in range(8)]


def test_wrong_detections_are_left_out():
    detector = detector_before(wrong={(3, 0): 10.0, (5, 1): 25.0})
    found = in_order(search(detector), detector.hands)
    assert found.by_view[3][0] is None and found.by_view[5][1] is None
    assert sorted(found.dropped) == [(3, 0), (5, 1)] or found.dropped == []
    assert sum(one is not None for pair in found.by_view for one in pair) == 14
    assert errors(found, detector.hands) < TOLERANCE


def test_a_camera_that_is_off_loses_no_hand():
    detector = detector_before(views=10)
    found = in_order(search(detector, moved(detector.cameras, 4, 25.0)), detector.hands)
    assert all(one is not None for one in found.by_view[4])
    assert (
        errors(found, detector.hands) < 1.5 * TOLERANCE
    )  # 25 px are 40 mm, a sixth of a hand's size


def test_the_pair_that_most_views_agree_on_is_kept():
    blind = {(view, hand) for view in range(5) for hand in (2, 3)}  # seen by 3 of 8 views
    detector = detector_before(people=2, blind=blind)
    found = in_order(search(detector), detector.hands[:2])
    assert errors(found, detector.hands[:2]) < TOLERANCE
    assert found.others == 2


def test_one_hand():
    detector = detector_before(blind={(view, 0) for view in range(8)})
    found = search(detector)
    seen = np.isfinite(found.points[..., 0]).all(1)
    assert seen.sum() == 1 and errors_of(found.points[seen][0], detector.hands[1]) < TOLERANCE


def test_a_hand_that_views_see_elsewhere_is_none():
    """The second hand is somewhere else in every view: it is not found, and not told of."""
    detector = detector_before(blind={(view, 0) for view in range(8)})
    rng = np.random.default_rng(4)
    stray = {v: candidate(v, detector.exact[v, 0] + rng.uniform(-90, 90, 2)) for v in range(8)}

    def detect(window):
        return [*detector(window), *[stray[window.view]] * (window.name == "whole photo")]

    found = search_hands(detector.cameras, detect, CONFIG.detect_hands, CONFIG.pose_optim)
    seen = np.isfinite(found.points[..., 0]).all(1)
    shown = np.array([[one is not None for one in pair] for pair in found.by_view]).sum(0)
    assert shown.max() == 8 and (shown[~seen] == 0).all() and (shown[seen] >= 2).all()


def errors_of(points, truth):
    return np.linalg.norm(points - truth, axis=-1).mean()


def test_steady_keypoints_count_more():
    detector = detector_before(noise=0.3)
    steady = search(detector).by_view[0][0].confidence
    detector = detector_before(noise=4.0)
    assert np.median(search(detector).by_view[0][0].confidence) < 0.8 < np.median(steady)


def test_given_keypoints_are_used_as_they_are():
    detector = detector_before()
    given = {2: [candidate(2, xy) for xy in detector.exact[2]]}
    found = in_order(search(detector, given=given), detector.hands)
    np.testing.assert_array_equal(found.by_view[2][0].xy, detector.exact[2, 0])
    assert not any(window.view == 2 for window in detector.windows)


def test_no_hand_anywhere():
    detector = detector_before(blind={(view, hand) for view in range(8) for hand in (0, 1)})
    with pytest.raises(UserError, match="no hand found in any of 8 views"):
        search(detector)


def test_a_hand_in_one_view():
    detector = detector_before(blind={(v, h) for v in range(8) for h in (0, 1) if (v, h) != (3, 1)})
    with pytest.raises(UserError, match="only in view 3 of 8; at least 2 views must see it"):
        search(detector)


def test_one_view_only():
    whole = detector_before()
    detector = MadeUpDetector(whole.cameras[0], whole.hands)
    with pytest.raises(UserError, match="1 view; at least 2 calibrated views must see a hand"):
        search(detector)
    assert not detector.windows


def test_views_that_contradict_each_other():
    detector = detector_before(views=2)
    detector.exact[1, :, :, 1] += 150  # two hands' sizes beside the epipolar lines
    with pytest.raises(UserError, match="no two views agree on one; check the cameras"):
        search(detector)
