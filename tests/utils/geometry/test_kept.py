"""Results by the content of faces: found once, told apart, and not kept for ever."""

import numpy as np
import torch

from utils.geometry.kept import KEPT, kept_by_faces


def counted():
    calls = []

    @kept_by_faces
    def double(faces, factor=2):
        calls.append(factor)
        return faces * factor

    return double, calls


FACES = np.arange(6).reshape(2, 3)


def test_equal_faces_are_asked_about_once():
    double, calls = counted()
    first = double(FACES)
    assert double(FACES.copy()) is first and len(calls) == 1
    np.testing.assert_array_equal(first, 2 * FACES)


def test_what_differs_is_told_apart():
    double, calls = counted()
    for faces in (FACES, FACES + 1, FACES.astype(np.int32), FACES.reshape(3, 2), FACES[::-1]):
        np.testing.assert_array_equal(double(faces), 2 * faces)
    assert torch.equal(double(torch.from_numpy(FACES)), torch.from_numpy(2 * FACES))
    np.testing.assert_array_equal(double(FACES, 3), 3 * FACES)
    assert len(calls) == 7
    changed = FACES.copy()
    double(changed)
    changed[0, 0] = 9  # in place
    assert double(changed)[0, 0] == 18


def test_the_oldest_go():
    double, calls = counted()
    for k in range(KEPT + 1):
        double(FACES + k)
    double(FACES + KEPT)
    assert len(calls) == KEPT + 1
    double(FACES)
    assert len(calls) == KEPT + 2
