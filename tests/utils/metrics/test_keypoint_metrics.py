import numpy as np
import pytest

from utils.metrics.keypoints import keypoint_scores, present, world_unit

TRUTH = np.random.default_rng(0).normal(size=(2, 21, 3)) / 10


def test_errors_are_in_millimetres_by_hand():
    own = TRUTH.copy()
    own[0] += [0.003, 0, 0.004]  # 5 mm
    own[1, 0] += [0, 0.021, 0]  # 21 mm at one of 21
    scores = keypoint_scores(own, TRUTH, 1000.0)
    assert scores["left"]["mean_mm"] == pytest.approx(5)
    assert scores["right"]["mean_mm"] == pytest.approx(1)
    assert scores["right"]["median_mm"] == 0 and scores["right"]["max_mm"] == pytest.approx(21)
    assert scores["all"]["mean_mm"] == pytest.approx(3) and scores["all"]["count"] == 42


@pytest.mark.parametrize("absent", [0.0, np.nan])
def test_a_hand_of_zeros_or_nan_is_absent(absent):
    truth = TRUTH.copy()
    truth[0] = absent
    scores = keypoint_scores(TRUTH, present(truth), 1000.0)
    assert set(scores) == {"all", "right"} and scores["all"]["count"] == 21


@pytest.mark.parametrize(
    ("scale", "name", "mm"),
    [
        (0.9, "metre", 1000),
        (1100, "millimetre", 1),
        (95, "centimetre", 10),
        (7, "unknown", 1000 / 7),
    ],
)
def test_the_unit_is_told_from_the_hands_size(scale, name, mm):
    unit = world_unit(scale)
    assert unit.name == name and unit.mm == pytest.approx(mm)
    assert ("unknown" in unit.note) == (name == "unknown")
