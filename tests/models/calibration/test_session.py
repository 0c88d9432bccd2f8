"""What a calibration's run says of its whole."""

from models.calibration.session import focal_note


def test_a_focal_length_far_from_what_is_stated_is_said():
    said = "EXIF or --focal says a focal length of 1040 px, the photos say 560: few of them"
    assert focal_note(560.0, 1040.0).startswith(said)
    assert focal_note(1300.0, 1040.0) is not None
    assert focal_note(1040.0 * 1.1, 1040.0) is None and focal_note(560.0, None) is None
