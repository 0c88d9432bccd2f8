"""Cameras against cv2.projectPoints, and round trips of crops, sizes and frames."""

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from utils.cameras import Cameras, Similarity
from utils.cameras.pinhole import clip_from_px, clip_from_world

SIZE = (480, 640)


@pytest.fixture
def cameras() -> Cameras:
    R = Rotation.random(4, random_state=1).as_matrix()
    K = np.array([[900.0, 2.5, 310], [0, 880, 245], [0, 0, 1]])
    t = np.array([[0.1, -0.05, 2], [0, 0, 3], [0.2, 0.1, 1.5], [-0.3, 0, 2.5]])
    K = np.tile(K, (4, 1, 1))
    return Cameras(*map(torch.from_numpy, (K, R, t)), torch.tensor([SIZE] * 4))


@pytest.fixture
def points() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(-0.4, 0.4, (50, 3)))


def opencv(cameras: Cameras, view: int, points: torch.Tensor) -> np.ndarray:
    """What OpenCV projects; it knows no skew, so the skew is added by hand."""
    K, R, t = (x[view].numpy() for x in (cameras.K, cameras.R, cameras.t))
    plain = K.copy()
    plain[0, 1] = 0
    xy = cv2.projectPoints(points.numpy(), cv2.Rodrigues(R)[0], t, plain, None)[0][:, 0]
    xy[:, 0] += K[0, 1] * (xy[:, 1] - K[1, 2]) / K[1, 1]
    return xy


def test_project_agrees_with_opencv(cameras, points):
    xy = cameras.project(points)
    for view in range(4):
        assert np.abs(xy[view].numpy() - opencv(cameras, view, points)).max() < 1e-9  # float64


def test_px_from_world_ends_with_depth(cameras, points):
    px = cameras.px_from_world(points)
    depth = points @ cameras.R.transpose(1, 2) + cameras.t[:, None]
    torch.testing.assert_close(px[..., 2], depth[..., 2])


def test_points_of_each_view(cameras, points):
    each = points.expand(4, -1, -1) + torch.arange(4).double()[:, None, None] / 100
    together = cameras.px_from_world(each)
    for view in range(4):
        torch.testing.assert_close(cameras[view].px_from_world(each[view])[0], together[view])


def test_centers_are_where_depth_and_offset_vanish(cameras):
    at_camera = cameras.R @ cameras.centers()[..., None] + cameras.t[..., None]
    torch.testing.assert_close(at_camera, torch.zeros(4, 3, 1).double())


def test_clip_from_px_knows_the_half_pixel(cameras, points):
    """A point on the centre of pixel (x, y) lies at (2 x + 1) / W - 1 of the clip cube."""
    height, width = SIZE
    clip = clip_from_world(cameras, points, SIZE)
    for view in range(4):
        xy = opencv(cameras, view, points)
        expected = (2 * xy + 1) / [width, height] - 1
        assert np.abs((clip[view, :, :2] / clip[view, :, 3:]).numpy() - expected).max() < 1e-12


def test_clip_spans_the_image_and_the_depths():
    near, far = 0.5, 4.0
    corners = torch.tensor([[[-0.5, -0.5, 1.0], [639.5, 479.5, 1.0]]]).double()
    depths = torch.tensor([[[near], [far]]]).double()
    clip = clip_from_px(corners * depths, SIZE, near, far)
    expected = torch.tensor([[-1.0, -1, -1, 1], [1, 1, 1, 1]]).double()
    torch.testing.assert_close(clip[0] / clip[0, :, 3:], expected)


def test_crop_shifts_pixels(cameras, points):
    boxes = torch.tensor([[10, 20, 110, 220], [0, 0, 640, 480], [-5, -7, 20, 30], [3, 1, 4, 2]])
    cropped = cameras.crop(boxes)
    torch.testing.assert_close(
        cropped.project(points), cameras.project(points) - boxes[:, None, :2].double()
    )
    assert cropped.sizes.tolist() == [[200, 100], [480, 640], [37, 25], [1, 1]]


def test_resize_keeps_image_borders(cameras, points):
    small = cameras.resize(torch.tensor([[120, 320]] * 4))
    torch.testing.assert_close(
        (small.project(points) + 0.5) / torch.tensor([320.0, 120]).double(),
        (cameras.project(points) + 0.5) / torch.tensor([640.0, 480]).double(),
    )
    back = small.resize(cameras.sizes)
    torch.testing.assert_close(back.K, cameras.K)
    assert small.sizes.tolist() == [[120, 320]] * 4


def test_resize_agrees_with_resampled_photos():
    """A bright square found in a photo shrunk with pixel areas is where the camera says."""
    K = torch.tensor([[[100.0, 0, 31.5], [0, 100, 31.5], [0, 0, 1]]]).double()
    camera = Cameras(K, torch.eye(3)[None].double(), torch.zeros(1, 3).double(),
                     torch.tensor([[64, 64]]))  # fmt: skip
    image = np.zeros((64, 64))
    image[40:48, 16:24] = 1  # centre 43.5, 19.5
    point = torch.tensor([[(19.5 - 31.5) / 100, (43.5 - 31.5) / 100, 1]]).double()
    small = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
    y, x = np.nonzero(small)
    found = camera.resize(torch.tensor([[16, 16]])).project(point)[0, 0]
    assert found.tolist() == pytest.approx([x.mean(), y.mean()])


def test_normalised_cameras_see_the_same_pixels(cameras, points):
    world_from_norm = Similarity(0.7, torch.tensor([0.3, -0.1, 0.2], dtype=torch.float64))
    norm = world_from_norm.inverse().apply(points)
    seen = cameras.normalised(world_from_norm)
    torch.testing.assert_close(seen.project(norm), cameras.project(points))
    torch.testing.assert_close(world_from_norm.apply(norm), points)
    depth = cameras.px_from_world(points)[..., 2] / world_from_norm.scale
    torch.testing.assert_close(seen.px_from_world(norm)[..., 2], depth)


def test_similarity_keeps_precision():
    similarity = Similarity(2.0, torch.ones(3).double())
    assert similarity.apply(torch.zeros(1, 3)).dtype == torch.float32


@pytest.mark.parametrize(
    "index, views",
    [(2, [2]), (slice(1, 3), [1, 2]), ([3, 0], [3, 0]), (torch.tensor([1, 0, 0, 1]) > 0, [0, 3])],
)
def test_choosing_views_keeps_the_batch(cameras, index, views):
    chosen = cameras[index]
    assert len(chosen) == len(views) and chosen.sizes.shape == (len(views), 2)
    torch.testing.assert_close(chosen.t, cameras.t[views])


def test_to_casts_all_but_the_sizes(cameras):
    single = cameras.to(dtype=torch.float32)
    assert {x.dtype for x in (single.K, single.R, single.t)} == {torch.float32}
    assert single.sizes.dtype == torch.int64


def test_project_is_differentiable_in_everything(cameras, points):
    def projected(K, R, t, X):
        return Cameras(K, R, t, cameras.sizes[:1]).project(X)

    inputs = [cameras.K[:1], cameras.R[:1], cameras.t[:1], points[:3]]
    assert torch.autograd.gradcheck(projected, [x.clone().requires_grad_() for x in inputs])
