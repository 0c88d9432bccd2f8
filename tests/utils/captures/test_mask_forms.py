"""Masks of all forms are read as the same masks, said once, or left out."""

import cv2
import numpy as np
import pytest

from tests.scenes.captures import project, ring_of_cameras, two_hands, write_capture
from utils.captures import load_capture
from utils.captures.mask_forms import shares_inside
from utils.io.images import load_mask, save_image


@pytest.fixture
def masks(capture_dir):
    """Files of the masks, and what they show."""
    paths = sorted((capture_dir / "1" / "mask").iterdir())
    return {path: load_mask(path) for path in paths}


def read(capture_dir):
    capture = load_capture(capture_dir, "1")
    assert not list(capture.notes)  # opening decodes nothing
    return [capture.mask(view) for view in range(len(capture))], list(capture.notes)


def rewrite(masks, change):
    for path, mask in masks.items():
        cv2.imwrite(str(path), change(mask.astype(np.uint8) * 255))


@pytest.mark.parametrize(
    "change, note",
    [
        (lambda m: m, None),
        (lambda m: m // 255, "masks of all views are of small values: any but the smallest"),
        (lambda m: np.dstack([0 * m + 255] * 3 + [m]), "masks of all views are in the alpha"),
        (lambda m: 255 - m, "masks are inverted (hands black, the rest white): read the other"),
        (lambda m: 1 - m // 255, "masks are inverted"),
        (lambda m: cv2.resize(m, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST),
         "masks of all views are of another size than the photos (320x240 in view 00): resized"),
    ],
)  # fmt: skip
def test_masks_that_mean_the_same(capture_dir, masks, change, note):
    rewrite(masks, change)
    found, notes = read(capture_dir)
    for mask, expected in zip(found, masks.values()):
        np.testing.assert_array_equal(mask, expected)
    assert any(line.startswith(note) for line in notes) if note else not notes


def test_smaller_masks_are_resized_to_the_nearest(capture_dir, masks):
    rewrite(masks, lambda m: m[::2, ::2])
    found, (note,) = read(capture_dir)
    assert found[0].shape == (120, 160) and "(80x60 in view 00): resized" in note
    expected = np.stack(list(masks.values()))
    assert (np.stack(found) == expected).mean() > 0.97  # but for edges of a pixel


def test_some_inverted_masks_are_said_and_left_as_they_are(capture_dir, masks):
    path, mask = list(masks.items())[3]
    save_image(path, ~mask)
    found, (note,) = read(capture_dir)
    assert note.startswith("masks of view 03 seem to be inverted") and "others not" in note
    np.testing.assert_array_equal(found[3], ~mask)


def test_without_keypoints_nothing_is_inverted(capture_dir, masks):
    rewrite(masks, lambda m: 255 - m)
    for path in (capture_dir / "1" / "pose").iterdir():
        path.unlink()
    found, notes = read(capture_dir)
    assert not notes and found[0].mean() > 0.5


@pytest.fixture
def uneven(tmp_path):
    """A capture of hands that are elsewhere in every view."""
    cameras = ring_of_cameras(6, size=(120, 160), focal=200.0)
    hands = two_hands(np.random.default_rng(0)) + np.array([0.05, 0, 0])
    write_capture(tmp_path / "1", cameras, project(cameras, hands), hands)
    return tmp_path


@pytest.mark.parametrize("places, where", [(1, "of the view before"), (-2, "2 views after")])
def test_masks_of_other_views_are_left_out(uneven, places, where):
    folder = uneven / "1" / "mask"
    masks = [load_mask(folder / f"{view:02d}.png") for view in range(6)]
    for view in range(6):
        save_image(folder / f"{view:02d}.png", masks[(view - places) % 6])
    found, (note,) = read(uneven)
    assert found == [None] * 6
    assert "masks are those of other views" in note and where in note
    assert f"(00.png is the mask of view {-places % 6:02d})" in note


def test_a_mask_written_later_is_seen(capture_dir, masks):
    rewrite(masks, lambda m: m // 255)
    capture = load_capture(capture_dir, "1")
    assert capture.mask(0).any()
    rewrite(masks, lambda m: 255 - m)
    np.testing.assert_array_equal(capture.mask(0), next(iter(masks.values())))


def test_shares_of_points_in_a_mask():
    mask = np.zeros((10, 20), bool)
    mask[:, 5:] = True
    points = np.stack([np.arange(20), np.full(20, 3)], 1).astype(float)
    few = np.where(np.arange(20)[:, None] < 9, points, np.nan)
    outside = points + np.array([0, 50])
    shares = shares_inside(mask, np.stack([points, few, outside]))
    np.testing.assert_array_equal(shares, [0.75, np.nan, np.nan])
