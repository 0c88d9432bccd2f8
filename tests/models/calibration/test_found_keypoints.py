"""Hands that the detector sees in photos that have no cameras yet."""

from pathlib import Path

import numpy as np
import pytest

from models.calibration.found_keypoints import PhotoKeypoints, keypoints_of
from models.calibration.request import Request
from tests.scenes.detection import detector_before, stand_in
from utils.calibration.photos import PhotoSet
from utils.cameras.calibrated import CalibratedCamera
from utils.errors import UserError

CONFIG = {"detect_hands": {"environment": "anywhere"}}


def detected(monkeypatch, **people):
    module = "models.calibration.found_keypoints"
    monkeypatch.setattr(f"{module}.environment", lambda folder: folder)
    detector = stand_in(monkeypatch, detector_before(**people), module)
    sizes = [tuple(size) for size in detector.cameras.sizes.tolist()]
    names = [f"{k}.jpg" for k in range(len(sizes))]
    photos = PhotoSet(Path(), names, sizes, None, True)
    return detector, photos, keypoints_of(Request(Path()), photos, CONFIG)


def test_two_hands_of_one_person_are_taken_without_a_word(monkeypatch):
    detector, photos, found = detected(monkeypatch)
    assert photos.notes == []
    assert np.linalg.norm(found.xy - detector.exact, axis=-1).max() < 8  # noise of 1.5 px


def test_more_than_two_hands_are_said_once_and_two_are_taken(monkeypatch):
    _, photos, found = detected(monkeypatch, people=2)
    (note,) = photos.notes
    assert "more than two hands are seen in 8 of 8 photos: a second person, or a mirror?" in note
    assert np.isfinite(found.xy).all()


def test_a_stranger_who_passes_by_is_not_worth_a_word(monkeypatch):
    seldom = {(view, hand) for view in range(1, 8) for hand in (2, 3)}  # seen in the first photo
    _, photos, _ = detected(monkeypatch, people=2, blind=seldom)
    assert photos.notes == []


def test_no_hand_in_any_photo_is_an_error(monkeypatch):
    nobody = {(view, hand) for view in range(8) for hand in range(2)}
    with pytest.raises(UserError, match="no hand was found in any of the 8 photos"):
        detected(monkeypatch, blind=nobody)


def test_detections_are_left_out_by_camera():
    xy, confidence = np.ones((3, 2, 21, 2)), np.ones((3, 2, 21))
    found = PhotoKeypoints(["a.jpg", "b.jpg", "c.jpg"], xy, confidence)
    eye = np.eye(3)
    cameras = [CalibratedCamera(name, eye, eye, np.zeros(3), (8, 8)) for name in ("c", "a")]
    left = found.without(cameras, np.array([1, -1]))
    assert np.isnan(left.xy[2, 1]).all()
    assert not left.confidence[2, 1].any()
    assert np.isfinite(left.xy).all((2, 3)).sum() == 5
    assert np.isfinite(found.xy).all()
