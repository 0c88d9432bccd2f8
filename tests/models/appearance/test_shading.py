import numpy as np
import pytest
import torch
import trimesh

from models.appearance.model import Appearance
from models.appearance.shading import each_cover, render_mesh
from tests.scenes.captures import ring_of_cameras

SPHERE = trimesh.creation.icosphere(4)
VERTS = torch.tensor(0.15 * np.array(SPHERE.vertices), dtype=torch.float32)
FACES = np.array(SPHERE.faces)


@pytest.fixture(scope="module")
def cameras():
    return ring_of_cameras(2, (60, 80), focal=150.0).to(dtype=torch.float32)


def test_a_sphere_covers_its_disc(cameras):
    for view, rendering in enumerate(render_mesh(VERTS, FACES, None, cameras)):
        assert rendering.image.shape == (60, 80, 3) and rendering.image.dtype == np.float32
        assert rendering.covered.shape == (60, 80) and rendering.covered.dtype == bool
        # A sphere's outline has the angle asin(r / d); 2 %: pixels, facets and perspective.
        distance = float(cameras.centers()[view].norm())
        radius = 150 * np.tan(np.arcsin(0.15 / distance))
        assert rendering.covered.sum() == pytest.approx(1.01 * np.pi * radius**2, rel=0.02)
        y, x = np.nonzero(rendering.covered)
        centre = cameras.K[view, :2, 2]
        assert abs(x.mean() - centre[0]) < 0.5 and abs(y.mean() - centre[1]) < 0.5


def test_covers_are_those_of_the_renderings(cameras):
    covers = list(each_cover(VERTS, FACES, cameras))
    for rendering, covered in zip(render_mesh(VERTS, FACES, None, cameras), covers, strict=True):
        np.testing.assert_array_equal(covered, rendering.covered)


def test_without_appearance_it_is_white_on_black(cameras):
    for rendering in render_mesh(VERTS, FACES, None, cameras):
        np.testing.assert_allclose(rendering.image[rendering.covered], 1, atol=1e-6)
        assert rendering.image[~rendering.covered].max() == 0


def test_each_view_has_its_own_light_and_gain(cameras):
    albedo = torch.tensor([0.5, 0.4, 0.3]).expand_as(VERTS)
    appearance = Appearance(
        albedo, torch.tensor([[1.0], [0.5]]), torch.tensor([[1.0, 1, 1], [1.2, 1, 0.8]])
    )
    first, second = render_mesh(VERTS, FACES, appearance, cameras)
    colour = [[0.5, 0.4, 0.3], [0.3, 0.2, 0.12]]
    for rendering, expected in zip((first, second), colour):
        inside = rendering.image[rendering.covered]
        np.testing.assert_allclose(inside, np.broadcast_to(expected, inside.shape), atol=1e-6)


def test_light_from_a_side_lights_that_side(cameras):
    """Light from the camera's left (world direction -x of the camera) fades to its right."""
    left = -cameras.R[:, 0]  # (2, 3)
    y, z, x = left[:, 1], left[:, 2], left[:, 0]
    light = torch.stack([torch.full_like(x, 0.5), 0.5 * y, 0.5 * z, 0.5 * x], 1)
    appearance = Appearance(torch.ones_like(VERTS), light, torch.ones(2, 3))
    for rendering in render_mesh(VERTS, FACES, appearance, cameras):
        row = rendering.image[31][rendering.covered[31], 0]
        # 0.5 + 0.5 cos: 1 at the left rim, where normals point left, 0 at the right one.
        assert row[0] > 0.9 and row[-1] < 0.1 and (np.diff(row) < 1e-3).all()


def test_colours_beyond_one_are_clipped(cameras):
    appearance = Appearance(torch.ones_like(VERTS), torch.full((2, 1), 3.0), torch.ones(2, 3))
    for rendering in render_mesh(VERTS, FACES, appearance, cameras):
        assert rendering.image.max() == 1


def test_a_mesh_behind_the_camera_is_not_drawn(cameras):
    behind = VERTS + 2 * cameras.centers()[0]
    rendering = render_mesh(behind, FACES, None, cameras[:1])[0]
    assert not rendering.covered.any() and rendering.image.max() == 0
