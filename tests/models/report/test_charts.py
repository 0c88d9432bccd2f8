"""Charts hold every number that they are given."""

import numpy as np

from models.report.charts import curve_chart, residual_chart


def test_every_keypoint_is_a_dot_and_outliers_are_hollow():
    residuals = np.full((3, 2, 21), 2.0)
    residuals[0, 1, :5] = np.nan
    inliers = np.ones((3, 2, 21), bool)
    inliers[2, 0, 0] = False
    chart = residual_chart(residuals, inliers, ["0", "1", "a<b"])
    assert chart.count("<circle") == 3 * 2 * 21 - 5
    assert chart.count('fill="none"') == 1
    assert chart.count("median 2.0 px") == 6
    assert "a&lt;b" in chart and "a<b" not in chart


def test_nothing_seen_is_no_chart():
    nothing = np.full((2, 2, 21), np.nan)
    assert residual_chart(nothing, np.zeros((2, 2, 21), bool), ["0", "1"]) == ""


def test_curves_of_zeros_are_left_out():
    chart = curve_chart({"sfs": [1.0, 0.5, 0.1], "fold": [0.0, 0.0, 0.0]}, "terms")
    assert chart.count("<polyline") == 1
    assert ">sfs<" in chart and ">fold<" not in chart
    assert curve_chart({}, "terms") == ""
