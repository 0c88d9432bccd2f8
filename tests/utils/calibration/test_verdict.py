"""A calibration's verdict by its report."""

from utils.calibration.verdict import judge_calibration

REPORT = {"sigma_px": {"a": 0.1}, "registered": 19, "photos": 20, "scale": {"by": "hand"}}


def test_pieces_are_a_reason_for_doubt_by_themselves():
    assert judge_calibration(REPORT).level == "good"
    assert judge_calibration({**REPORT, "pieces": []}).level == "good"
    verdict = judge_calibration({**REPORT, "pieces": [["b.jpg", "c.jpg", "d.jpg"]]})
    assert verdict.level == "doubtful"
    assert verdict.reasons == ("the photos fall into 2 pieces, of which one is kept; film the gap",)
