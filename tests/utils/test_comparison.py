import numpy as np
import pytest

from models.ham.results import save_loss_curve
from utils.draw import BAD, GOOD, LARGEST_PANEL, STRIP, comparison
from utils.io.images import load_image

SIZE = (40, 60)


def disc(radius: float) -> np.ndarray:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return (x - 30) ** 2 + (y - 30) ** 2 < radius**2


@pytest.fixture
def panels():
    photo = np.full((*SIZE, 3), 0.5, np.float32)
    rendered = np.full((*SIZE, 3), 0.6, np.float32)
    picture = comparison(photo, rendered, disc(4), disc(8), "view 3")
    assert picture.shape == (STRIP + 40, 180, 3) and picture.dtype == np.float32
    assert picture[:STRIP].max() > 0.9  # the title: white on black
    return np.split(picture[STRIP:], 3, axis=1)


def test_panels_of_large_photos_are_shrunk():
    half = np.zeros((LARGEST_PANEL * 2, 300), bool)
    half[LARGEST_PANEL:] = True
    photo = np.where(half[..., None], 0.2, 0.6).astype(np.float32).repeat(3, 2)
    picture = comparison(photo, photo, half, half, "")
    assert picture.shape == (STRIP + LARGEST_PANEL, 3 * 150, 3)
    inserted = picture[STRIP:, 150:300]
    np.testing.assert_allclose(inserted[: LARGEST_PANEL // 2], 0.6, atol=1 / 255)
    np.testing.assert_allclose(inserted[LARGEST_PANEL // 2 :], 0.2, atol=1 / 255)


def test_outlines_of_the_start_are_red_and_of_the_end_green(panels):
    outlined, at_start, at_end = panels[0], disc(8), disc(4)
    # Drawn in 8 bits: colours may be off by 1 / 255.
    is_red = np.abs(outlined - BAD).max(2) < 0.01
    is_green = np.abs(outlined - GOOD).max(2) < 0.01
    assert is_red.any() and not (is_red & ~at_start).any()
    assert is_green.any() and not (is_green & ~at_end).any()


def test_the_rendering_stands_in_the_photo(panels):
    covered = disc(4)
    np.testing.assert_allclose(panels[1][covered], 0.6, atol=1 / 255)
    np.testing.assert_allclose(panels[1][~covered], 0.5, atol=1 / 255)


def test_the_difference_is_four_times_the_error_about_grey(panels):
    np.testing.assert_allclose(panels[2][disc(4)], 0.5 - 4 * 0.1, atol=1 / 255)


def test_loss_curve_of_two_levels(tmp_path):
    history = [{"sfs": 1 / step, "mask": 0.0, "total": 1 / step} for step in range(1, 20)]
    save_loss_curve(tmp_path / "losses.png", history, [0, 10])
    image = load_image(tmp_path / "losses.png")
    assert image.min() < 0.2 and image.max() == 1  # something is drawn on white


def test_loss_curve_of_no_steps_is_an_empty_one(tmp_path):
    save_loss_curve(tmp_path / "losses.png", [], [])
    assert (tmp_path / "losses.png").is_file()
