import numpy as np
import pytest

from models.fitting.outlines import outline_targets, signed_distance

EVERYWHERE = np.ones((100, 120), bool)


def disc(x, y, radius):
    rows, columns = np.mgrid[:100, :120]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


@pytest.mark.parametrize("shift", [(0, 0), (5, 0), (0, -4), (3, 3)])
def test_targets_add_up_to_the_shift_of_the_mask(shift):
    targets = outline_targets(
        disc(60, 50, 25), disc(60 + shift[0], 50 + shift[1], 25), EVERYWHERE, 12.0, 200
    )
    # The best common translation, as one step of Gauss-Newton finds it.
    found = np.linalg.lstsq(targets.normal, targets.shift, rcond=None)[0]
    assert np.abs(found - shift).max() < 0.3  # a few tenths of a pixel


def test_growing_is_outward():
    targets = outline_targets(disc(60, 50, 25), disc(60, 50, 29), EVERYWHERE, 12.0, 200)
    y, x = np.divmod(targets.pixel, 120)
    outward = np.stack([x - 60, y - 50], 1) / 25
    assert ((targets.normal * outward).sum(1) > 0.9).all()
    assert abs(np.median(targets.shift) - 4) < 0.3


def test_reach_and_trust_leave_matches_out():
    hand, mask = disc(60, 50, 25), disc(70, 50, 25)
    near = outline_targets(hand, mask, EVERYWHERE, 4.0, 200)
    assert len(near.shift) and np.abs(near.shift).max() < 4
    left = EVERYWHERE.copy()
    left[:, 60:] = False
    half = outline_targets(hand, mask, left, 12.0, 200)
    assert len(half.pixel) and (half.pixel % 120 < 60).all()


def test_an_outline_facing_the_other_way_is_no_match():
    ring = disc(60, 50, 40) & ~disc(60, 50, 29)  # its inner outline faces the disc's
    targets = outline_targets(disc(60, 50, 27), ring, EVERYWHERE, 6.0, 200)
    assert len(targets.pixel) == 0


@pytest.mark.parametrize("hand", [~EVERYWHERE, EVERYWHERE])
def test_nothing_to_match(hand):
    assert len(outline_targets(hand, disc(60, 50, 20), EVERYWHERE, 5.0, 10).pixel) == 0


def test_signed_distance_is_half_a_pixel_beside_the_outline():
    distance = signed_distance(disc(60, 50, 20))
    assert distance[50, 80] == -0.5 and distance[50, 81] == 0.5 and distance[50, 60] < -19
