"""Other people's files: readers reproduce the numbers that were computed without them.

The files are not in the repository, since several may not be passed on.
"""

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from utils.captures.calibrations import (
    alicevision,
    anipose,
    assemblyhands,
    easymocap,
    goliath,
    kalibr,
    krt,
    metashape,
    multical,
    opencv,
    panoptic,
)
from utils.errors import UserError

FORMATS = ROOT.parent / "shared" / "formats"
POINT = np.array([[0.1, -0.2, 1.5]])
pytestmark = pytest.mark.skipif(not FORMATS.is_dir(), reason=f"{FORMATS} is not there")


def named(calibration, name):
    return next(camera for camera in calibration.cameras if camera.name == name)


def assert_pixel(camera, point, expected, tolerance=0.01):
    assert np.abs(camera.project(np.reshape(point, (1, 3)))[0] - expected).max() < tolerance


def meeting_point(cameras):
    """The point nearest to all optical axes."""
    axes = [camera.R[2] for camera in cameras]
    planes = [np.eye(3) - np.outer(axis, axis) for axis in axes]
    centers = [plane @ camera.center for plane, camera in zip(planes, cameras)]
    return np.linalg.solve(np.sum(planes, 0), np.sum(centers, 0))


def test_krt():
    cameras = krt.read(FORMATS / "deephandmesh" / "KRT").cameras
    assert len(cameras) == 38 and cameras[0].name == "400069"
    meeting = meeting_point(cameras)
    assert np.allclose(meeting, [5.63, -3.06, 1041.73], atol=0.005)
    assert np.allclose(cameras[0].center, [256.806, 324.452, 40.304], atol=0.001)
    assert_pixel(cameras[0], meeting, (679.347, 1058.507))


def test_goliath():
    (camera,) = goliath.read(FORMATS / "ava256_goliath" / "camera_calibration.json").cameras
    assert np.allclose(camera.center, [493.340, -968.109, 926.902], atol=0.001)
    axis = camera.R[2]
    nearest = camera.center - axis * (camera.center @ axis) + [20, -30, 0]
    assert_pixel(camera, nearest, (1463.145, 1790.530))
    assert camera.size == (4096, 2668)


def test_easymocap():
    calibration = easymocap.read(FORMATS / "easymocap")
    assert len(calibration.cameras) == 11
    assert calibration.notes[0].startswith("21 cameras without a pose in extri.yml are left out")
    for name, pixel in (
        ("13", (1221.29, 1047.85)),
        ("15", (1261.88, 962.51)),
        ("17", (1238.85, 893.09)),
    ):
        assert_pixel(named(calibration, name), np.zeros(3), pixel)
    assert np.allclose(named(calibration, "15").center, [-2.6196, 1.3821, 2.2785], atol=1e-4)


def test_opencv_stereo_carries_a_chessboard_from_left_to_right():
    folder = FORMATS / "opencv_filestorage"
    calibration = opencv.read(folder / "intrinsics.yml")
    assert [file.name for file in calibration.files] == ["intrinsics.yml", "extrinsics.yml"]
    board = np.zeros((54, 3))
    board[:, :2] = 24.0 * np.mgrid[:9, :6].T.reshape(-1, 2)
    left, right = calibration.cameras
    corners = []
    for side in ("left01.jpg", "right01.jpg"):
        gray = cv2.imread(str(folder / side), 0)
        found = cv2.findChessboardCorners(gray, (9, 6))[1]
        exact = cv2.cornerSubPix(gray, found, (5, 5), (-1, -1), (3, 40, 1e-3))
        corners.append(exact.reshape(-1, 2))
    _, r, t = cv2.solvePnP(board, corners[0], left.K, np.array(left.lens.numbers))
    world = board @ cv2.Rodrigues(r)[0].T + t.T
    own, carried = (
        np.linalg.norm(camera.project(world) - found, axis=1).mean()
        for camera, found in zip((left, right), corners)
    )
    assert own < 0.12 and carried < 0.16  # 0.109 and 0.152 px; 111 px with R, T inverted


def test_opencv_one_file_a_camera():
    folder = FORMATS / "opencv_filestorage"
    (flir,) = opencv.read(folder / "openpose_flir_17012332.xml").cameras
    assert_pixel(flir, POINT, (654.807, 409.873))
    jarvis = opencv.read(folder / "jarvis_Camera_T.yaml")
    assert np.allclose(jarvis.cameras[0].K[:2, 2], [631.629, 529.419], atol=0.001)
    assert "transposed" in jarvis.notes[0]


def test_anipose_hand():
    folder = FORMATS / "anipose" / "handmocap"
    cameras = anipose.read(folder / "calibration.toml").cameras
    wrist = (56.863, -57.49, 678.298)
    pixels = ((371.11, 187.45), (398.39, 282.85), (294.21, 290.43), (329.25, 204.05))
    for camera, pixel in zip(cameras, pixels, strict=True):
        assert_pixel(camera, wrist, pixel)
    points = np.load(folder / "landmarks_3d_right_0123.npy")
    landmarks = np.load(folder / "landmarks_2d_right.npy")
    misses = []
    for camera, uv in zip(cameras, landmarks):
        seen = (uv > 0).all(-1) & np.isfinite(points).all(-1)
        misses.append(np.linalg.norm(camera.project(points[seen]) - uv[seen], axis=1))
    assert abs(np.median(np.concatenate(misses)) - 0.866) < 0.001


def test_anipose_tells_the_camera_that_is_a_copy_of_another():
    calibration = anipose.read(FORMATS / "anipose" / "sleap_anipose" / "calibration.toml")
    assert calibration.notes == [
        "side and top have the same pose and the same intrinsics: one may be a copy of another"
    ]


def test_alicevision():
    calibration = alicevision.read(FORMATS / "alicevision" / "cameras.sfm")
    assert len(calibration.cameras) == 34
    assert calibration.notes[0].startswith("17 cameras without a pose are left out")
    camera = named(calibration, "20250614_204908")
    assert np.allclose(camera.K[[0, 0, 1], [0, 2, 2]], [2794.951, 1967.708, 1434.312], atol=0.001)
    assert np.allclose(camera.t, [14.16596, 7.71697, 25.62098], atol=1e-5)
    assert camera.photo == "20250614_204908.jpg" and camera.size == (3000, 4000)


def test_metashape():
    """The check's pixels have their centres at 0.5."""
    calibration = metashape.read(FORMATS / "metashape" / "cameras.xml")
    assert len(calibration.cameras) == 94 and "EXIF" in calibration.notes[0]
    meeting = meeting_point(calibration.cameras)
    assert np.allclose(meeting, [0.843, 0.0067, -4.4886], atol=1e-4)
    for name, pixel in (("001", (3426.80, 1823.24)), ("094", (2401.22, 466.23))):
        assert_pixel(named(calibration, name), meeting, np.subtract(pixel, 0.5))


@pytest.mark.parametrize(
    "name, words",
    [
        ("markers_unaligned.xml", "120 cameras without a transform"),
        ("calib_lcam.xml", "no chunk of cameras .it is a <calibration>"),
    ],
)
def test_metashape_without_poses(name, words):
    with pytest.raises(UserError, match=words):
        metashape.read(FORMATS / "metashape" / name)


@pytest.mark.parametrize(
    "name, pixels, baseline",
    [
        ("uzhfpv_indoor", [(338.189, 205.119), (322.718, 198.281)], 79.62),
        ("rs_t265", [(434.619, 359.508), (419.683, 368.525)], 62.74),
        ("tum_vi", [(267.571, 231.619), (252.361, 220.477)], 101.09),
        ("one_camera", [(695.230, 270.203)], None),
    ],
)
def test_kalibr(name, pixels, baseline):
    cameras = kalibr.read(FORMATS / "kalibr" / f"{name}.yaml").cameras
    for camera, pixel in zip(cameras, pixels, strict=True):
        assert_pixel(camera, POINT, pixel)
    if baseline is not None:
        assert abs(1000 * np.linalg.norm(cameras[1].center) - baseline) < 0.01


def test_panoptic():
    calibration = panoptic.read(FORMATS / "panoptic" / "calibration_160906_band1.json")
    assert "cameras of several kinds: 479 vga, 31 hd, 10 kinect-color" in calibration.notes
    camera = named(calibration, "00_00")
    assert np.allclose(camera.center, [-270.669, -151.834, -21.475], atol=0.001)
    assert camera.size == (1080, 1920)


def test_multical_without_poses():
    with pytest.raises(UserError, match="3 cameras without a pose in camera_poses"):
        multical.read(FORMATS / "multical" / "intrinsic.json")


def test_assemblyhands():
    calibration = assemblyhands.read(FORMATS / "assemblyhands" / "nimble_calib.json")
    assert len(calibration.cameras) == 8
    assert calibration.notes[0].startswith("4 cameras on the moving head are left out")
    meeting = meeting_point(calibration.cameras)
    assert np.allclose(meeting, [123.3, 196.2, 112.3], atol=0.05)
    assert_pixel(named(calibration, "C10095_rgb"), meeting, (1011.397, 422.305))
