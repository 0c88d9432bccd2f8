"""What COLMAP's models are taken for."""

from utils.calibration.structure import apart


def test_photos_that_models_share_are_those_of_the_larger():
    order = list("abcdefghij")
    pieces, left_out = apart(["abcd", "dhge", "gfeh", "ij"], order)
    assert pieces == [["e", "g", "h"]]
    assert left_out == ["f", "i", "j"]  # fewer than make a model of their own


def test_one_model_of_all_photos_leaves_nothing():
    assert apart(["cab"], list("abc")) == ([], [])
