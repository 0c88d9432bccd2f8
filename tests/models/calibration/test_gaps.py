"""What is said of photos without cameras."""

from pathlib import Path

import numpy as np
import pytest

from models.calibration.gaps import believable, gap_warnings, in_runs, what_failed
from utils.calibration.photos import PhotoSet
from utils.calibration.structure import Structure
from utils.cameras.calibrated import CalibratedCamera

NAMES = [f"{k}.jpg" for k in range(10)]


def structure(kept, pieces=(), left_out=()):
    cameras = [
        CalibratedCamera(name, np.eye(3), np.eye(3), np.zeros(3), (8, 8), photo=name)
        for name in kept
    ]
    nothing = np.zeros(0, int)
    return Structure(
        cameras, np.zeros((0, 3)), nothing, nothing, np.zeros((0, 2)), list(pieces), list(left_out)
    )


@pytest.fixture
def photos():
    return PhotoSet(Path(), NAMES, [(8, 8)] * len(NAMES), None, True)


def test_names_that_follow_one_another_are_a_run():
    assert in_runs(["5.jpg", "3.jpg", "4.jpg", "0.jpg"], NAMES) == "0.jpg, 3.jpg to 5.jpg"
    assert in_runs(["8.jpg", "9.jpg"], NAMES) == "8.jpg, 9.jpg"


@pytest.mark.parametrize(
    ("kept", "pieces", "believed"),
    [(6, 0, True), (5, 0, False), (5, 5, True), (4, 4, True), (3, 3, False)],
)
def test_a_piece_is_believed_by_its_size_alone(photos, kept, pieces, believed):
    others = [NAMES[-pieces:]] if pieces else []
    assert believable(structure(NAMES[:kept], others), photos) == believed


def test_pieces_and_photos_that_fit_nowhere_are_named(photos):
    found = structure(NAMES[:5], [NAMES[6:9]], ["9.jpg", "5.jpg"])
    pieces, others = gap_warnings(found, photos)
    assert "2 pieces that do not connect: 5 photos (0.jpg to 4.jpg) and 3 photos" in pieces
    assert "(6.jpg to 8.jpg); the largest is kept" in pieces
    assert others == "warning: not registered: 5.jpg, 9.jpg"
    assert gap_warnings(structure(NAMES), photos) == []


def test_the_cause_of_a_failure_is_pieces_only_where_there_are_some(photos):
    assert "do not connect" in what_failed(structure(NAMES[:3], [NAMES[3:6]]), photos)
    assert "registered 3 of 10 photos: too little" in what_failed(structure(NAMES[:3]), photos)
    assert "registered 0 of 10" in what_failed(None, photos)
