"""OpenCV's FileStorage files in the forms that people write."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.utils.captures.calibrations import writers
from tests.utils.captures.calibrations.made_up_rig import (
    FISHEYE,
    assert_same_pixels,
    in_frame_of_first,
    points,
    rig,
)
from utils.captures.calibrations import opencv
from utils.errors import UserError


@pytest.mark.parametrize("suffix", ["yml", "xml", "json"])
@pytest.mark.parametrize(
    "names", ["M1 D1 M2 D2", "K1 dist1 K2 dist2", "left_K left_D right_K right_D"]
)
def test_opencv_stereo_pair(tmp_path, suffix, names):
    pair = rig()[:2]
    link = pair[1].cam_from_world @ np.linalg.inv(pair[0].cam_from_world)
    keys = names.split()
    values = [pair[0].K, np.array(pair[0].brown), pair[1].K, np.array(pair[1].brown)]
    intrinsics = dict(zip(keys, values))
    extrinsics = {"R": link[:3, :3], "T": link[:3, 3:], "R1": np.eye(3), "P1": np.eye(3, 4)}
    writers.write_storage(tmp_path / f"stereo.{suffix}", intrinsics | extrinsics)
    (tmp_path / "halves").mkdir()
    writers.write_storage(tmp_path / "halves" / f"intrinsics.{suffix}", intrinsics)
    writers.write_storage(tmp_path / "halves" / f"extrinsics.{suffix}", extrinsics)
    sides = ["left", "right"] if "left_K" in keys else ["1", "2"]
    named = [replace(made, name=side) for made, side in zip(pair, sides)]
    pixels = [made.pixels(points()) for made in pair]
    places = (
        f"stereo.{suffix}",
        "halves",
        f"halves/intrinsics.{suffix}",
        f"halves/extrinsics.{suffix}",
    )
    for place in places:
        calibration = opencv.read(tmp_path / place)
        assert_same_pixels(calibration, named, pixels, in_frame_of_first(pair))
        assert calibration.unit is None and len(calibration.files) == 1 + ("halves" in place)


def one_a_file(folder, write):
    folder.mkdir()
    for made in rig():
        write(made)
    return opencv.read(folder)


def test_opencv_one_file_a_camera_as_openpose(tmp_path):
    folder = tmp_path / "flir"
    calibration = one_a_file(
        folder,
        lambda made: writers.write_storage(
            folder / f"{made.name}.xml",
            {
                "CameraMatrix": made.cam_from_world[:3],
                "Intrinsics": made.K,
                "Distortion": np.array([*made.brown, 0, 0, 0]),
            },
        ),
    )
    assert_same_pixels(calibration, rig())
    assert len(calibration.files) == 4 and calibration.notes == []


def test_opencv_one_file_a_camera_as_jarvis(tmp_path):
    """JARVIS multiplies rows: both the camera matrix and the rotation are stored transposed."""
    folder = tmp_path / "jarvis"
    calibration = one_a_file(
        folder,
        lambda made: writers.write_storage(
            folder / f"{made.name}.yaml",
            {
                "intrinsicMatrix": np.ascontiguousarray(made.K.T),
                "distortionCoefficients": np.array([made.brown]),
                "R": np.ascontiguousarray(made.R.T),
                "T": made.t,
            },
        ),
    )
    assert_same_pixels(calibration, rig())
    assert calibration.notes == ["camera matrices and rotations are stored transposed (JARVIS)"]


def test_opencv_one_file_a_camera_as_calibrate_camera(tmp_path):
    folder = tmp_path / "cameras"
    calibration = one_a_file(
        folder,
        lambda made: writers.write_storage(
            folder / f"{made.name}.yml",
            {
                "image_width": made.width,
                "image_height": made.height,
                "camera_matrix": made.K,
                "distortion_coefficients": np.array(made.brown),
                "rvec": made.rotation_vector,
                "tvec": made.t,
            },
        ),
    )
    assert_same_pixels(calibration, rig())
    assert calibration.cameras[0].size == (480, 640)


@pytest.mark.parametrize("said", [{"fisheye_model": 1}, {"distortion_model": "equidistant"}])
def test_opencv_fisheye_where_the_file_says_so(tmp_path, said):
    folder = tmp_path / "cameras"
    calibration = one_a_file(
        folder,
        lambda made: writers.write_storage(
            folder / f"{made.name}.yml",
            {"K": made.K, "D": np.array(FISHEYE), "R": made.R, "t": made.t, **said},
        ),
    )
    assert_same_pixels(calibration, rig(), [made.fisheye_pixels(points()) for made in rig()])


def test_opencv_a_table_a_camera(tmp_path):
    tables = {
        made.name: {
            "K": made.K.tolist(),
            "dist": list(made.brown),
            "R": made.R.tolist(),
            "T": made.t.tolist(),
            "size": [made.width, made.height],
        }
        for made in rig()
    }
    (tmp_path / "rig.json").write_text(json.dumps(tables))
    calibration = opencv.read(tmp_path / "rig.json")
    assert_same_pixels(calibration, rig())
    assert calibration.cameras[0].size == (480, 640)


def test_opencv_stereo_without_a_pose(tmp_path):
    pair = {"M1": rig()[0].K, "M2": rig()[1].K}
    writers.write_storage(tmp_path / "stereo.yml", pair)
    with pytest.raises(UserError, match="two cameras but no R and T between them"):
        opencv.read(tmp_path / "stereo.yml")


def test_opencv_folder_tells_what_it_leaves_out(tmp_path):
    made = rig()[0]
    with pytest.raises(UserError, match=r"holds no .yml, .yaml, .xml, .json file of OpenCV's"):
        opencv.read(tmp_path)
    writers.write_storage(tmp_path / "a.yml", {"K": made.K, "R": made.R, "T": made.t})
    writers.write_storage(tmp_path / "b.yml", {"K": made.K})
    writers.write_storage(tmp_path / "board.yml", {"squares": 8})
    calibration = opencv.read(tmp_path)
    assert [camera.name for camera in calibration.cameras] == ["a"]
    assert calibration.notes == [
        "1 camera without a pose (R, T or rvec, tvec) is left out: b",
        "files that hold none of the cameras are passed over: board.yml",
    ]
    (tmp_path / "a.yml").unlink()
    with pytest.raises(UserError, match="holds no camera with a pose"):
        opencv.read(tmp_path)
