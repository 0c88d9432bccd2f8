import numpy as np

from utils.geometry.order import spatial_order


def test_corners_of_a_cube_come_in_the_order_of_z():
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    ordered = corners[spatial_order(corners)]
    assert ordered[:, ::-1].tolist() == corners.tolist()  # x changes first, z last


def test_neighbours_in_memory_are_neighbours_in_space():
    points = np.random.default_rng(0).normal(size=(5000, 3)) * [30, 20, 10]
    order = spatial_order(points)
    assert sorted(order) == list(range(5000))
    steps = np.linalg.norm(np.diff(points[order], axis=0), axis=1)
    given = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert np.median(steps) < 0.15 * np.median(given)  # 17 points along a side: a few steps of it


def test_points_in_one_place_stay_in_order():
    assert spatial_order(np.ones((4, 3))).tolist() == [0, 1, 2, 3]
