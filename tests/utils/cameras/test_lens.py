import cv2
import numpy as np
import pytest

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens

RAYS = np.random.default_rng(0).uniform(-0.6, 0.6, (200, 2))
BROWN = [
    -0.2,
    0.08,
    0.001,
    -0.002,
    0.01,
    0.02,
    0.01,
    -0.003,
    0.001,
    0.002,
    -0.001,
    0.003,
    0.01,
    0.02,
]
LENSES = [
    *(Lens.brown(BROWN[:count]) for count in (4, 5, 8, 12, 14)),
    Lens.fisheye([0.1, -0.02, 0.003, 0.001]),
    Lens("fov", (0.9,)),
    Lens("metashape", (-0.1, 0.02, 0.001, 0.002, 0.001, -0.002, 0.1, 0.05)),
    Lens("thin_prism_fisheye", (0.1, 0.01, 0.001, -0.002, 0.003, 0.001, 0.001, -0.002)),
]


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: f"{lens.model}{len(lens.numbers)}")
def test_undistorting_is_the_way_back(lens):
    assert np.abs(lens.distort(RAYS) - RAYS).max() > 1e-3
    assert lens.undistort(lens.distort(RAYS)) == pytest.approx(RAYS, abs=1e-11)


@pytest.mark.parametrize("count", [4, 5, 8, 12, 14])
def test_a_camera_projects_as_opencv_does(count):
    points = np.random.default_rng(1).uniform(-1, 1, (50, 3)) + np.array([0, 0, 4])
    K = np.array([[500.0, 0, 310], [0, 510, 230], [0, 0, 1]])
    rotation, t = np.array([0.1, -0.2, 0.3]), np.array([0.1, 0.2, 0.5])
    camera = CalibratedCamera("c", K, cv2.Rodrigues(rotation)[0], t, lens=Lens.brown(BROWN[:count]))
    expected = cv2.projectPoints(points, rotation, t, K, np.array(BROWN[:count]))[0][:, 0]
    assert camera.project(points) == pytest.approx(expected, abs=1e-9)


def test_the_fisheye_is_opencvs():
    numbers = (0.1, -0.02, 0.003, 0.001)
    expected = cv2.fisheye.distortPoints(RAYS[None], np.eye(3), np.array(numbers))[0]
    assert Lens.fisheye(numbers).distort(RAYS) == pytest.approx(expected, abs=1e-12)


def test_behind_the_camera_is_nowhere():
    camera = CalibratedCamera("c", np.eye(3), np.eye(3), np.zeros(3))
    assert np.isnan(camera.project([[0.0, 0, -1]])).all()


def test_numbers_are_filled_up_and_none_is_no_lens():
    assert Lens.brown([0.1, 0]).numbers == (0.1, 0, 0, 0)
    assert Lens.brown([0.1, 0, 0, 0, 0, 0.1]).numbers == (0.1, 0, 0, 0, 0, 0.1, 0, 0)
    assert Lens.brown([0, 0, 0, 0]).is_none and Lens.brown([]).is_none
    assert not Lens.fisheye([0, 0, 0, 0]).is_none
    with pytest.raises(ValueError, match="15 distortion numbers, expected up to 14"):
        Lens.brown(range(15))
    with pytest.raises(ValueError, match="finite"):
        Lens.brown([np.nan, 0, 0, 0])


def test_where_no_ray_falls_there_is_nan():
    folds = Lens.brown([-1.0, 0, 0, 0])  # its image ends at 0.385
    assert np.isnan(folds.undistort([[0.9, 0.0]])).all()
