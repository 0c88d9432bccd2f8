import cv2
import numpy as np
import pytest

from utils.cameras.lens import Lens
from utils.captures.resampling import Resampling

K = np.array([[300.0, 0, 158], [0, 305, 121], [0, 0, 1]])
SIZE = (240, 320)
LENSES = [
    Lens(),
    Lens.brown([-0.15, 0.03, 0.001, -0.002, 0.01]),
    Lens.fisheye([0.05, -0.01, 0.0, 0.0]),
    Lens("fov", (0.7,)),
]


def dot(xy: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A photo of a soft white dot of 3 pixels at xy."""
    x, y = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    value = np.exp(-((x - xy[0]) ** 2 + (y - xy[1]) ** 2) / (2 * 3**2))
    return np.repeat(value[..., None], 3, 2).astype(np.float32)


def centre(image: np.ndarray) -> np.ndarray:
    weights = image[..., 0] ** 2
    y, x = np.indices(weights.shape)
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
@pytest.mark.parametrize("size", [SIZE, (120, 160), (480, 640)], ids=str)
def test_pictures_move_as_points_do(lens, size):
    """A distorted dot is elliptic: its middle moves by up to some hundredths of a pixel."""
    resampling = Resampling(K, SIZE, size, lens)
    stored = np.array([60.0, 50.0])
    used = resampling.points(stored)
    assert centre(resampling.image(dot(stored))) == pytest.approx(used, abs=0.1)
    assert resampling.stored_points(used) == pytest.approx(stored, abs=1e-6)


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_used_pixels_are_those_of_a_pinhole(lens):
    """What the lens' camera sees at a stored pixel, a pinhole with the used K sees at the used."""
    rays = np.random.default_rng(0).uniform(-0.3, 0.3, (20, 2))
    resampling = Resampling(K, SIZE, (120, 160), lens)
    stored = lens.distort(rays) @ K[:2, :2].T + K[:2, 2]
    expected = rays @ resampling.K[:2, :2].T + resampling.K[:2, 2]
    assert resampling.points(stored) == pytest.approx(expected, abs=1e-6)


def test_a_skewed_sensor_is_straightened_by_the_same_map():
    skewed = K.copy()
    skewed[0, 1] = 15.0
    resampling = Resampling(skewed, SIZE, SIZE, LENSES[1])
    stored = np.array([70.0, 60.0])
    assert centre(resampling.image(dot(stored))) == pytest.approx(
        resampling.points(stored), abs=0.1
    )


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: lens.model)
def test_masks_survive_the_way_there_and_back(lens):
    mask = np.zeros(SIZE, np.uint8)
    cv2.circle(mask, (150, 110), 60, 1, -1)
    resampling = Resampling(K, SIZE, SIZE, lens)
    back = resampling.stored_mask(resampling.mask(mask > 0))
    assert (back & (mask > 0)).sum() / (back | (mask > 0)).sum() > 0.98


def test_nan_stays_nan():
    assert np.isnan(Resampling(K, SIZE, SIZE, LENSES[1]).points(np.full((2, 2), np.nan))).all()
