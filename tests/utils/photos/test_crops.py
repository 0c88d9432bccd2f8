import dataclasses

import numpy as np
import pytest
import torch

from tests.scenes.captures import ring_of_cameras
from utils.photos.crops import PixelRows, ViewCrop, crop_boxes, pack_photos


def crop(box: tuple[int, int, int, int], seed: int = 0) -> ViewCrop:
    """A crop of random colours whose left half is hand, all pixels believed."""
    x0, y0, x1, y1 = box
    shape = (y1 - y0, x1 - x0)
    image = np.random.default_rng(seed).random((*shape, 3), np.float32)
    mask = np.broadcast_to(np.arange(shape[1]) < shape[1] // 2, shape).copy()
    everywhere = np.ones(shape, bool)
    return ViewCrop(box, image, mask, everywhere, everywhere)


def test_a_box_holds_the_points_and_a_margin():
    points = np.array([[[20.2, 30.0], [60.0, 50.7]]])
    box = crop_boxes(points, np.array([[100, 200]]), margin=0.1)[0]
    pad = 0.1 * 39.8
    assert box.tolist() == [np.floor(20.2 - pad), np.floor(30 - pad), 65, 56]


def test_boxes_stay_inside_their_images():
    points = np.array([[[-50.0, -5], [30, 500]], [[180, 90], [900, 95]]])
    boxes = crop_boxes(points, np.array([[100, 200], [100, 200]]), margin=0.1)
    assert boxes[0].tolist() == [0, 0, 82, 100]
    assert boxes[1, 2:].tolist() == [200, 100]


@pytest.mark.parametrize("at", [(-900.0, -900.0), (900.0, 900.0)])
def test_a_view_that_sees_nothing_gets_one_pixel_of_its_image(at):
    x0, y0, x1, y1 = crop_boxes(np.array([[at, at]]), np.array([[100, 200]]), 0.1)[0]
    assert (x1 - x0, y1 - y0) == (1, 1)
    assert 0 <= x0 < 200 and 0 <= y0 < 100


def test_every_pixel_is_found_at_its_view_row_and_column():
    crops = [crop((10, 20, 17, 25)), crop((0, 0, 4, 9), seed=1)]  # crops of different sizes
    photos = pack_photos(crops, ring_of_cameras(2, (100, 100)), 1.0)
    assert len(photos.table) == 7 * 5 + 4 * 9
    for view, each in enumerate(crops):
        height, width = each.mask.shape
        y, x = (torch.from_numpy(i.ravel()).int() for i in np.mgrid[:height, :width])
        rows = photos.at(torch.full_like(y, view), y, x)
        np.testing.assert_array_equal(rows.color.numpy(), each.image.reshape(-1, 3))
        np.testing.assert_array_equal(rows.mask.numpy(), each.mask.ravel())
        assert rows.photometric.min() == rows.silhouette.min() == 1


def test_rows_can_be_cut_to_the_covered_pixels():
    rows = PixelRows(torch.arange(24.0).view(4, 6))
    assert rows.first(2).color.tolist() == [[0, 1, 2], [6, 7, 8]]
    assert rows.first(2).silhouette.tolist() == [5, 11]


def test_cameras_of_the_crops_see_points_where_the_photos_do():
    cameras = ring_of_cameras(2, (100, 120), focal=150)
    crops = [crop((10, 20, 90, 80)), crop((3, 0, 120, 100))]
    photos = pack_photos(crops, cameras, 0.5)
    points = torch.tensor([[0.0, 0, 0], [0.05, -0.1, 0.02]], dtype=torch.float64)
    full = cameras.project(points)
    small = photos.cameras.project(points.float())
    assert photos.cameras.sizes.tolist() == [[30, 40], [50, 58]]
    for view, (x0, y0, x1, y1) in enumerate(each.box for each in crops):
        # Borders stay borders, also where half of 117 pixels are 58: x' + 0.5 = (x + 0.5) W'/W.
        height, width = photos.cameras.sizes[view].tolist()
        factor = torch.tensor([width / (x1 - x0), height / (y1 - y0)])
        expected = (full[view] - torch.tensor([x0, y0]) + 0.5) * factor - 0.5
        # float32 pixels of some hundreds
        torch.testing.assert_close(small[view], expected.float(), atol=1e-4, rtol=0)


def test_shrinking_averages_colours_and_masks():
    each = crop((0, 0, 8, 8))
    photos = pack_photos([each], ring_of_cameras(1, (8, 8)), 0.25)
    rows = PixelRows(photos.table)
    expected = each.image.reshape(2, 4, 2, 4, 3).mean((1, 3)).reshape(4, 3)
    np.testing.assert_allclose(rows.color.numpy(), expected, atol=1e-6)
    assert rows.mask.tolist() == [1, 0, 1, 0]


def test_a_shrunk_pixel_is_believed_only_when_all_in_it_are():
    each = crop((0, 0, 8, 8))
    silhouette = each.silhouette.copy()
    silhouette[5, 6] = False
    photos = pack_photos(
        [ViewCrop(each.box, each.image, each.mask, each.photometric, silhouette)],
        ring_of_cameras(1, (8, 8)), 0.25,
    )  # fmt: skip
    rows = PixelRows(photos.table)
    assert rows.silhouette.tolist() == [1, 1, 1, 0]
    assert rows.photometric.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_masked_counts_believed_mask_pixels(scale):
    each = crop((0, 0, 8, 8))
    silhouette = each.silhouette.copy()
    silhouette[:4] = False
    photos = pack_photos(
        [ViewCrop(each.box, each.image, each.mask, each.photometric, silhouette)] * 2,
        ring_of_cameras(2, (8, 8)), scale,
    )  # fmt: skip
    assert photos.masked() == 2 * 16 * scale**2  # 4 x 4 believed hand pixels in each of two views


def test_a_mask_counts_by_its_weight():
    each = crop((0, 0, 8, 8))
    weighted = dataclasses.replace(each, mask_weight=0.25)
    cameras = ring_of_cameras(2, (8, 8))
    photos, whole = (pack_photos([each, other], cameras, 1.0) for other in (weighted, each))
    assert photos.rows().silhouette.tolist() == [1.0] * 64 + [0.25] * 64
    assert photos.masked() == 0.625 * whole.masked() > 0
    assert photos.mask_share() == 0.625 and whole.mask_share() == 1
    nothing = dataclasses.replace(each, silhouette=np.zeros_like(each.silhouette))
    assert pack_photos([nothing] * 2, cameras, 1.0).mask_share() == 1


def test_a_crop_of_one_pixel_survives_shrinking():
    photos = pack_photos([crop((99, 99, 100, 100))], ring_of_cameras(1, (100, 100)), 0.25)
    assert photos.table.shape == (1, 6) and photos.cameras.sizes.tolist() == [[1, 1]]


def test_some_views_are_as_in_all():
    """Photos of different sizes, taken in another order."""
    crops = [crop((0, 0, 8, 8)), crop((2, 1, 8, 8)), crop((0, 3, 5, 7))]
    photos = pack_photos(crops, ring_of_cameras(3, (8, 8)), 1.0)
    some = photos.of_views([2, 0])
    assert torch.equal(some.cameras.t, photos.cameras.t[[2, 0]])
    assert len(some.table) == 4 * 5 + 8 * 8
    view, y, x = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 3, 0, 7]), torch.tensor([4, 2, 0, 5])
    assert torch.equal(some.at(view, y, x).rows, photos.at(2 - 2 * view, y, x).rows)


def test_the_colours_of_a_view_can_be_left_out():
    crops = [crop((0, 0, 8, 8)), crop((2, 1, 8, 8)), crop((0, 3, 5, 7))]
    photos = pack_photos(crops, ring_of_cameras(3, (8, 8)), 1.0)
    without = photos.without_colors([1])
    view, y, x = torch.arange(3), torch.tensor([1, 1, 1]), torch.tensor([2, 3, 4])
    assert photos.at(view, y, x).photometric.tolist() == [1, 1, 1]
    assert without.at(view, y, x).photometric.tolist() == [1, 0, 1]
    changed = (without.table != photos.table).any(1)
    assert changed.sum() == 6 * 7 and without.masked() == photos.masked()


def test_points_behind_a_camera_count_for_nothing():
    """Projected as if they were in front, they would make the box of a few pixels a whole image."""
    points = np.array([[[50.0, 40], [60, 50], [np.nan, np.nan]], [[np.nan, np.nan]] * 3])
    boxes = crop_boxes(points, np.array([[100, 200], [100, 200]]), margin=0.1)
    assert boxes.tolist() == [[49, 39, 62, 52], [0, 0, 1, 1]]


def test_a_view_beside_the_hands_gets_no_strip_of_its_image():
    points = np.array([[[-500.0, -50], [-30, 500]]])
    assert crop_boxes(points, np.array([[100, 200]]), margin=0.01).tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("turn", [0.9, 1.57, 1.9, 3.14159])  # radians away from the hand
def test_boxes_of_a_camera_that_looks_away_stay_small(turn):
    near = torch.rand(1000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    points = 0.2 * near - 0.1
    camera = ring_of_cameras(1, (400, 400), focal=800)
    cosine, sine = np.cos(turn), np.sin(turn)
    away = torch.tensor([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], dtype=torch.float64)
    turned = type(camera)(camera.K, away @ camera.R, camera.t @ away.T, camera.sizes)
    px = turned.project_visible(points).numpy()
    box = crop_boxes(px, camera.sizes.numpy(), 0.25)[0]
    assert (box[2:] - box[:2]).tolist() == [1, 1]
