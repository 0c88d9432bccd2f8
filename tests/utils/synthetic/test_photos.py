"""Masks, backdrop, exposure, development."""

import numpy as np
import pytest

from utils.synthetic.observations import (
    BRIGHT_SKIN,
    backdrop,
    covered_pixels,
    develop,
    exposure_of,
    sample_gains,
)


def test_coverage_of_one_triangle():
    """Pixel centres on the outline count; those beside it do not."""
    px = np.array([[1.0, 1.0], [4.0, 1.0], [1.0, 4.0]])
    expected = [
        ".......",
        ".####..",
        ".###...",
        ".##....",
        ".#.....",
        ".......",
    ]
    for face in ([0, 1, 2], [0, 2, 1]):
        mask = covered_pixels(px, np.array([face]), (6, 7))
        assert ["".join(".#"[int(p)] for p in row) for row in mask] == expected


def test_coverage_clips_and_skips_what_lies_outside():
    px = np.array([[-5.0, -5.0], [20.0, -5.0], [-5.0, 20.0], [50.0, 50], [60, 50], [50, 60]])
    mask = covered_pixels(px, np.array([[0, 1, 2], [3, 4, 5]]), (4, 4))
    assert mask.all()
    assert not covered_pixels(px, np.array([[3, 4, 5]]), (4, 4)).any()


def test_triangles_between_pixel_centres_cover_nothing():
    px = np.array([[1.2, 1.2], [1.8, 1.2], [1.2, 1.8]])
    assert not covered_pixels(px, np.array([[0, 1, 2]]), (4, 4)).any()


def test_exposure_brings_bright_skin_to_its_value():
    radiance = np.random.default_rng(0).uniform(0, 3, (40, 40, 3))
    mask = np.ones((40, 40), bool)
    factor = exposure_of([radiance], [mask])
    assert np.percentile(factor * radiance.max(2), 95) == pytest.approx(BRIGHT_SKIN)


def test_development_blends_and_clips():
    radiance = np.zeros((1, 3, 3))
    radiance[0, 1], radiance[0, 2] = 0.214, 9.0
    behind = np.full((1, 3, 3), 0.214)
    image = develop(radiance, np.array([[0.0, 1, 1]]), behind, np.ones(3))
    assert image.dtype == np.uint8
    assert np.abs(image[0, :2].astype(int) - 127).max() <= 1  # linear 0.214 is sRGB 0.5
    assert (image[0, 2] == 255).all()


def test_gains_change_a_third_of_the_views():
    gains = sample_gains(12, np.random.default_rng(0))
    assert (gains != 1).any(1).sum() == 4
    assert ((gains > 0.8) & (gains < 1.22)).all()


def test_backdrop_is_dark_and_smooth():
    K = np.array([[300.0, 0, 32], [0, 300, 24], [0, 0, 1]])
    behind = backdrop(K, np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), (48, 64))
    assert behind.shape == (48, 64, 3)
    assert 0 < behind.min() < behind.max() < 0.02
    assert behind[0].mean() > behind[-1].mean()  # brighter overhead
