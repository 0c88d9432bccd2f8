"""Verdicts: the worst measure counts, with its reason; what failed is not written."""

import math

import pytest

from utils.verdict import FailedVerdictError, Limit, assess

LIMITS = (
    Limit("error", doubtful=2, failed=4, says="{value:.1f} px off"),
    Limit("views", doubtful=4, failed=None, says="{value:.0f} views only", below=True),
)


@pytest.mark.parametrize(
    "error, views, line",
    [
        (1, 8, "verdict: good"),
        (2, 4, "verdict: good"),  # limits themselves are good
        (3, 8, "verdict: doubtful; 3.0 px off"),
        (1, 3, "verdict: doubtful; 3 views only"),
        (5, 3, "verdict: failed; 5.0 px off; 3 views only"),  # the worst reason first
        (math.nan, 8, "verdict: good"),
    ],
)
def test_the_worst_measure_counts(error, views, line):
    assert assess({"error": error, "views": views}, LIMITS).line() == line


def test_measures_that_are_not_there_say_nothing():
    assert assess({}, LIMITS).level == "good"


def test_failed_results_are_refused_unless_forced():
    verdict = assess({"error": 5}, LIMITS)
    with pytest.raises(FailedVerdictError, match=r"failed; 5\.0 px off; nothing was written"):
        verdict.enforce(force=False)
    verdict.enforce(force=True)
    assess({"error": 3}, LIMITS).enforce(force=False)
    assert verdict.as_dict() == {
        "level": "failed", "reasons": ["5.0 px off"], "measures": {"error": 5}
    }  # fmt: skip
