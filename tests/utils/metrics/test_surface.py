"""Nearest points against known geometry and against trimesh's own search."""

import numpy as np
import pytest
import trimesh

from utils.metrics.surface import Surface

RNG = np.random.default_rng(0)


def unit_square() -> Surface:
    verts = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    return Surface(verts, np.array([[0, 1, 2], [0, 2, 3]]))


def test_nearest_points_of_a_square():
    points = np.array([[0.3, 0.6, 0.2], [0.5, 0.5, -1], [0.2, 1.5, 0], [-3, -4, 0.0]])
    found = unit_square().nearest(points)
    np.testing.assert_allclose(found.distance, [0.2, 1, 0.5, 5])
    np.testing.assert_allclose(found.point[3], [0, 0, 0])
    np.testing.assert_allclose(found.normal, [[0, 0, 1]] * 4)
    assert found.on_border.tolist() == [False, False, True, True]


def test_the_diagonal_between_two_faces_is_no_border():
    found = unit_square().nearest(np.array([[0.4, 0.4, 0.1]]))
    assert not found.on_border[0]


def test_a_closed_surface_has_no_border():
    sphere = trimesh.creation.icosphere(2)
    found = Surface(sphere.vertices, sphere.faces).nearest(RNG.normal(size=(200, 3)))
    assert not found.on_border.any()


@pytest.mark.parametrize("stretch", [1.0, 30.0])
@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_nearest_points_are_those_of_a_slow_search(stretch, size):
    """Faces of very different sizes, points near and far: candidates must never be too few."""
    mesh = trimesh.creation.icosphere(3)
    mesh.vertices[mesh.vertices[:, 0] > 0.9] *= [stretch, 1, 1]
    points = np.concatenate([RNG.normal(size=(100, 3)), mesh.vertices[:50] * 1.01])
    found = Surface(size * mesh.vertices, mesh.faces).nearest(size * points)
    _, expected, _ = trimesh.proximity.closest_point_naive(mesh, points)
    np.testing.assert_allclose(found.distance, size * expected, atol=size * 1e-9)


def test_samples_are_uniform_by_area():
    """A square of area 1 and one of area 3 beside it get a quarter and three."""
    verts = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [4, 0, 0], [4, 1, 0.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])
    points, face = Surface(verts, faces).sample(10_000)
    # Strata follow the faces' areas, so that shares differ from them by one sample at most.
    assert abs((face < 2).mean() - 0.25) < 2e-4
    assert abs((points[:, 0] < 1).mean() - 0.25) < 2e-4
    # x is uniform on [0, 4]: its mean has a deviation of less than 4 / sqrt(12 * 10000) = 0.012
    assert abs(points[:, 0].mean() - 2) < 0.05
    np.testing.assert_array_equal(points, Surface(verts, faces).sample(10_000)[0])


def test_faces_without_area_are_no_trouble():
    verts = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [2, 2, 0.0]])
    surface = Surface(verts, np.array([[0, 1, 2], [3, 3, 3], [0, 1, 1]]))
    assert surface.nearest(np.array([[0.2, 0.2, 1.0]])).distance == pytest.approx(1)
    with pytest.raises(ValueError, match="no faces with an area"):
        Surface(verts, np.array([[3, 3, 3]]))
