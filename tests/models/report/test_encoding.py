"""What goes into a page can be taken out of it again, and fits."""

import base64
import zlib

import cv2
import numpy as np

from models.report.encoding import Picture, fitted_jpegs, jpeg, packed, quantised


def unpacked(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), kind)


def test_arrays_come_back():
    array = np.arange(300, dtype=np.uint16)
    np.testing.assert_array_equal(unpacked(packed(array), "<u2"), array)


def test_points_lose_less_than_a_step():
    points = np.random.default_rng(0).normal(size=(100, 3)) * [0.1, 1, 10]
    steps, corner, step = quantised(points)
    restored = corner + steps * np.array(step)
    assert (abs(restored - points) <= np.array(step) / 2 * 1.001).all()  # rounding, by definition
    assert (np.array(step) < 1e-4 * np.ptp(points, axis=0)).all()


def test_flat_points_stay_where_they_are():
    points = np.array([[1.0, 2, 3], [1, 5, 3]])
    steps, corner, step = quantised(points)
    np.testing.assert_allclose(corner + steps * np.array(step), points, atol=1e-4)


def decoded(text: str) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)


def test_a_picture_is_not_larger_than_asked():
    image = np.zeros((300, 200, 3), np.uint8)
    image[..., 0] = 255  # red: RGB goes in
    found = decoded(jpeg(image, 150))
    assert found.shape == (150, 100, 3)
    assert found[75, 50].argmax() == 2  # and OpenCV reads BGR
    assert decoded(jpeg(image)).shape == (300, 200, 3)


def test_pictures_shrink_until_they_fit():
    noise = np.random.default_rng(0).integers(0, 255, (4, 400, 400, 3), np.uint8)
    pictures = [Picture(str(k), image) for k, image in enumerate(noise)]
    whole, scale = fitted_jpegs(pictures, 10_000_000)
    assert scale == 1
    budget = sum(map(len, whole.values())) // 3
    smaller, scale = fitted_jpegs(pictures, budget)
    assert sum(map(len, smaller.values())) <= budget
    assert 0.4 < scale < 0.62  # of the side, so that a third of the area is left, and a step


def test_pictures_never_shrink_to_nothing():
    pictures = [Picture("a", np.zeros((400, 400, 3), np.uint8))]
    encoded, _ = fitted_jpegs(pictures, 0)
    assert max(decoded(encoded["a"]).shape) >= 160
