"""Scores of images whose difference is known."""

import sys
import types

import numpy as np
import pytest

from utils.metrics import image as metrics
from utils.metrics.image import align_colors, image_scores, load_lpips, psnr

RNG = np.random.default_rng(0)
PHOTO = (0.3 + 0.3 * RNG.random((50, 60, 3))).astype(np.float32)
REGION = np.zeros((50, 60), bool)
REGION[10:40, 12:48] = True


needs_flip = pytest.mark.skipif(not metrics.flip_available(), reason=metrics.NO_FLIP)


@pytest.mark.parametrize(("difference", "decibel"), [(0.1, 20), (0.01, 40), (1e-3, 60)])
def test_psnr_of_a_constant_difference(difference, decibel):
    """-10 log10(0.1^2) = 20 dB, not 28 log10."""
    assert psnr(PHOTO + difference, PHOTO, REGION) == pytest.approx(decibel, abs=0.01)


def test_psnr_counts_the_region_alone():
    image = PHOTO.copy()
    image[~REGION] = 1
    assert psnr(image, PHOTO, REGION) == float("inf")
    image[10, 12] += 0.1  # all channels of one pixel of 1080: 20 + 10 log10(1080)
    assert psnr(image, PHOTO, REGION) == pytest.approx(20 + 10 * np.log10(1080), abs=0.01)


def test_psnr_of_nothing_is_no_number():
    assert np.isnan(psnr(PHOTO, PHOTO, np.zeros_like(REGION)))


def test_gain_and_offset_are_found_exactly():
    gain, offset = np.array([0.5, 0.8, 1.2]), np.array([0.1, 0.0, -0.05])
    image = ((PHOTO - offset) / gain).astype(np.float32)
    image[~REGION] = RNG.random(3)
    found = align_colors(image, PHOTO, REGION)
    np.testing.assert_allclose(found.gain, gain, rtol=1e-4)
    np.testing.assert_allclose(found.offset, offset, atol=1e-4)
    scores = image_scores(image, PHOTO, REGION)
    assert scores["psnr_aligned"] > 100 > 30 > scores["psnr"]  # single precision: above 100 dB
    assert scores["ssim_aligned"] == pytest.approx(1, abs=1e-6)
    assert (scores["flip_aligned"] or 0) < 1e-3


def test_alignment_never_lowers_psnr_of_pictures_in_range():
    noisy = np.clip(PHOTO + 0.1 * RNG.normal(size=PHOTO.shape), 0, 1).astype(np.float32)
    scores = image_scores(noisy, PHOTO, REGION)
    assert scores["psnr_aligned"] > scores["psnr"]


def test_a_flat_channel_gets_an_offset_only():
    image = PHOTO.copy()
    image[..., 1] = 0
    found = align_colors(image, PHOTO, REGION)
    assert found.gain[1] == 1
    assert found.offset[1] == pytest.approx(PHOTO[REGION][:, 1].mean(), abs=1e-6)


def test_no_alignment_in_an_empty_region():
    with pytest.raises(ValueError, match="empty region"):
        align_colors(PHOTO, PHOTO, np.zeros_like(REGION))


def test_what_lies_outside_the_region_costs_nothing():
    image = PHOTO.copy()
    image[~REGION] = RNG.random(((~REGION).sum(), 3))
    scores = image_scores(image, PHOTO, REGION)
    assert scores["psnr"] == float("inf") and scores["ssim"] == pytest.approx(1, abs=1e-6)
    assert (scores["flip"] or 0) < 1e-6


def test_ssim_of_a_contrast_change():
    """With equal means, variances v and (1 - a)^2 v and no noise, SSIM is known in closed form."""
    flat = np.full((50, 60, 3), 0.5, np.float32)
    pattern = flat + 0.2 * (np.indices((50, 60)).sum(0) % 2 - 0.5)[..., None].astype(np.float32)
    weak = flat + 0.5 * (pattern - flat)
    c2, variance = 0.03**2, 0.1**2
    expected = (2 * 0.5 * variance + c2) / (1.25 * variance + c2)
    found = image_scores(weak, pattern, REGION)["ssim"]
    # Outside the region both are equal: its outermost pixels see some of that.
    assert found == pytest.approx(expected, abs=0.03)


def test_flip_is_no_number_without_its_package(monkeypatch):
    monkeypatch.setattr(metrics, "flip_available", lambda: False)
    scores = image_scores(PHOTO, PHOTO, REGION)
    assert scores["flip"] is None and scores["psnr"] == float("inf")


@needs_flip
def test_flip_grows_with_the_difference():
    small, large = (
        image_scores(np.clip(PHOTO + d, 0, 1), PHOTO, REGION)["flip"] for d in (0.02, 0.2)
    )
    assert 0 < small < large < 1


@needs_flip
def test_black_against_white_is_the_largest_flip():
    black = np.zeros_like(PHOTO)
    everywhere = np.ones_like(REGION)
    assert image_scores(black, black + 1, everywhere)["flip"] > 0.9


def test_small_regions_and_small_images():
    """A window of SSIM is 11 pixels wide; a region of few pixels gets room around it."""
    region = np.zeros_like(REGION)
    region[0, 0:3] = True
    scores = image_scores(PHOTO, PHOTO, region)
    assert scores["ssim"] == pytest.approx(1) and scores["lpips"] is None


def test_lpips_says_what_it_lacks(monkeypatch, tmp_path):
    import torch

    monkeypatch.setitem(sys.modules, "lpips", None)  # as if not installed
    assert load_lpips() == "LPIPS: package not on this machine"
    monkeypatch.setitem(sys.modules, "lpips", types.ModuleType("lpips"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert load_lpips() == "LPIPS: weights not on this machine"


def test_lpips_is_used_where_it_is(monkeypatch, tmp_path):
    """A network in its place: the squared difference of what it is given, in [-1, 1]."""
    import torch

    class Squared(torch.nn.Module):
        def __init__(self, net, spatial, verbose):
            super().__init__()

        def forward(self, a, b):
            return (a - b).square().mean(1, keepdim=True)

    module = types.ModuleType("lpips")
    module.LPIPS = Squared
    monkeypatch.setitem(sys.modules, "lpips", module)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / metrics.ALEXNET).write_bytes(b"weights")
    scores = image_scores(PHOTO + np.float32(0.1), PHOTO, REGION, load_lpips())
    assert scores["lpips"] == pytest.approx(0.04, rel=1e-3)  # (2 * 0.1)^2
