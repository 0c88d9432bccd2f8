"""What is wrong with a calibration's file is told by file, camera and key."""

import json
import re

import numpy as np
import pytest

from tests.utils.captures.calibrations import writers
from tests.utils.captures.calibrations.made_up_rig import FISHEYE, rig
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


def alicevision_writer(path, cameras):
    writers.write_alicevision(path, cameras, (1, 2, 6), "mm")


def kalibr_writer(path, cameras):
    path.write_text(writers.kalibr_text(cameras, "equidistant", lambda made: FISHEYE))


def opencv_writer(path, cameras):
    K, brown = cameras[0].K, np.array([cameras[0].brown])
    entries = {"camera_matrix": K, "D": brown, "R": cameras[0].R, "T": cameras[0].t}
    writers.write_storage(path, {**entries, "image_width": 640, "image_height": 480})


def easymocap_writer(path, cameras):
    writers.write_easymocap(path.parent, cameras)


# Each format: its module, a file's name, its writer, and pieces of its text, by what they are
# replaced, and what is then told.
RIGS = {
    "krt": (krt, "KRT", writers.write_krt, []),
    "goliath": (
        goliath,
        "camera_calibration.json",
        writers.write_goliath,
        [
            ('"cameraId"', '"id"', "camera 0 has no 'cameraId'"),
            ('"K"', '"k"', "camera cam0 has no 'K'"),
            ('"KRT"', '"krt"', "the file has no 'KRT'"),
            ("RadialAndTangential", "Fisheye", "camera cam0 has the distortionModel Fisheye"),
            ('"Pinhole"', '"Ortho"', "camera cam0 has the projectionModel Ortho"),
            ("600.0", "NaN", "K of camera cam0 holds nan"),
            ("600.0", "-600.0", "camera cam0 has focal lengths -600"),
            ('"cam1"', '"cam0"', "several cameras are called cam0; rename them"),
        ],
    ),
    "easymocap": (
        easymocap,
        "extri.yml",
        easymocap_writer,
        [
            ("T_cam1:", "T_cam9:", "extri.yml names cameras without T_NAME: cam1"),
        ],
    ),
    "opencv": (
        opencv,
        "camera.yml",
        opencv_writer,
        [
            ("camera_matrix", "matrices", "the file|camera camera has no 3 x 3 camera matrix"),
            ("T:", "S:", "holds no camera with a pose .1 camera without a pose .R, T or rvec"),
            ("rows: 3\n   cols: 3", "rows: 4\n   cols: 3", "is said to be 4 x 3 but holds 9"),
            ("rows: 3", "rows: 999999999", "is said to be"),
            ("640", "640.5", "camera camera has an image size of 640.5 x 480"),
            ("image_width", "model: omnidirectional\nimage_width", "distortion model omnidir"),
        ],
    ),
    "anipose": (
        anipose,
        "calibration.toml",
        writers.write_anipose,
        [
            ("matrix = [[", "matrix = [", "not valid TOML"),
            ("matrix = [[600.0, 0.0,", "matrix = [[600.0,", "matrix of camera cam0 is not 3 x 3"),
            ("600.0", "nan", "matrix of camera cam0 holds nan"),
            ("600.0", "6e99", "matrix of camera cam0 holds 6e.99"),
            ("distortions", "dist", "camera cam0 has no 'distortions'"),
            ("-0.2,", "-0.2, " + "0.1, " * 20, "camera cam0 holds 25 distortion numbers"),
            ("[640, 480,]", "[0, 480]", "camera cam0 has an image size of 0 x 480"),
            ("rotation = [0.0", "rotation = [5000.0", "no rotation vector in radians"),
        ],
    ),
    "alicevision": (
        alicevision,
        "cameras.sfm",
        alicevision_writer,
        [
            ('"version"', '"v"', "the file has no 'version'"),
            ('["1", "2", "6"]', '"new"', "version is new, expected such as 1, 2, 6"),
            ('"views"', '"v"', "the file has no 'views'"),
            ('"poses"', '"p"', "no camera with a pose .4 cameras without a pose are left out"),
            ('"brown"', '"3declassicld"', "intrinsic 0 has the lens 3declassicld; known are"),
            ('"brown"', '"equidistant"', "intrinsic 0 has the lens equidistant"),
            ('"brown"', '"radial1"', "intrinsic 0 has 5 distortionParams; radial1 has 1"),
            ('"focalLength"', '"f"', "intrinsic 0 has no 'focalLength'"),
            ('"sensorWidth": "32"', '"sensorWidth": "0"', "sensorWidth or pixelRatio that is not"),
            ('"C:\\\\photos\\\\cam0.jpg"', '"C:"', "has the path 'C:', which names no photo"),
            ('"center"', '"c"', "camera cam0 has no 'center'"),
            ('"width": "640"', '"width": "wide"', "the image size of intrinsic 0 is not 2 numbers"),
        ],
    ),
    "metashape": (
        metashape,
        "cameras.xml",
        writers.write_metashape,
        [
            ("<chunk", "<!-- --><part", "not an XML file of Metashape's cameras"),
            ("<document>", "<!DOCTYPE x [<!ENTITY a 'b'>]><document>", "declares a document type"),
            ('class="adjusted"><res', 'class="adjusted" type="x"><res', "not an XML file"),
            (
                'calibration type="frame"',
                'calibration type="spherical"',
                "has the projection spherical; frame and",
            ),
            ("<f>603.0</f>", "", "sensor 0 has no focal length f"),
            ("<f>603.0</f>", "<f>nan</f>", "f of sensor 0 holds nan"),
            ("<f>603.0</f>", "<f>long</f>", "f of sensor 0 is not 1 numbers"),
            ("<transform>", "<transform>1.0 ", "transform of cam0 is not 4 x 4 numbers"),
            ("</chunk>", "<transform><scale>-1</scale></transform></chunk>", "scale is -1"),
        ],
    ),
    "kalibr": (
        kalibr,
        "camchain.yaml",
        kalibr_writer,
        [
            ("pinhole", "omni", "cam0 has the camera model omni; only pinhole is read"),
            ("equidistant", "radtan8", "cam0 has the distortion model radtan8; known are"),
            ("equidistant", "fov", "cam0 has 4 distortion_coeffs; fov has 1"),
            ("intrinsics", "numbers", "cam0 has no 'intrinsics'"),
            ("[640, 480]", "[640]", "resolution of cam0 is not 2 numbers"),
            ("0.0, 0.0, 0.0, 1.0]", "0.0, 1.0]", "T_cn_cnm1 of cam1 is not 4 x 4 numbers"),
        ],
    ),
    "panoptic": (
        panoptic,
        "calibration_1.json",
        writers.write_panoptic,
        [
            ('{"cameras": [', '{"cameras": 5, "x": [', "expected a list of cameras, found int"),
            ('{"name"', '3, {"name"', "camera 0 is no table of entries"),
            ('"t"', '"T"', "camera cam0 has no 't'"),
            ("600.0", "1" + "0" * 400, "K of camera cam0 is not 3 x 3 numbers"),
        ],
    ),
    "multical": (
        multical,
        "calibration.json",
        writers.write_multical,
        [
            ('"standard"', '"fisheye"', "camera cam0 has the model fisheye; known are standard"),
            ('"camera_poses": {', '"camera_poses": 5, "x": {', "must be tables"),
            ('"dist"', '"d"', "camera cam0 has no 'dist'"),
            ('"R"', '"r"', "camera_poses of cam0 has no 'R'"),
        ],
    ),
    "assemblyhands": (
        assemblyhands,
        "nimble.json",
        writers.write_assemblyhands,
        [
            ('"p3": 0.0', '"p3": 0.1', "camera cam0 has p3 and p4, which are not known"),
            ('"OpenCV"', '"OVFishEye62"', "camera cam0 has the lens OVFishEye62"),
            ("[0.0, 0.0, 0.0, 1.0]", "[0.0, 0.0, 1.0, 1.0]", "is not 0 0 0 1"),
            ('"SerialNo"', '"Serial"', "camera 0 has no 'SerialNo'"),
        ],
    ),
}
CASES = [
    pytest.param(name, *case, id=f"{name}-{index}")
    for name, (_, _, _, cases) in RIGS.items()
    for index, case in enumerate(cases)
]


@pytest.fixture
def written(tmp_path):
    """Writes the made-up rig in a format; gives its module and file."""

    def write(name):
        module, file, writer, _ = RIGS[name]
        writer(tmp_path / file, rig())
        return module, tmp_path / file

    return write


@pytest.mark.parametrize("name, piece, instead, words", CASES)
def test_a_wrong_entry_is_named(written, name, piece, instead, words):
    module, path = written(name)
    text = path.read_text()
    assert piece in text
    path.write_text(text.replace(piece, instead, 1))
    with pytest.raises(UserError, match=words) as error:
        module.FORMAT.read(path)
    assert str(path.parent) in str(error.value)


@pytest.mark.parametrize("name", RIGS)
def test_a_byte_order_mark_and_ends_of_lines_of_windows_do_no_harm(written, name):
    module, path = written(name)
    expected = module.FORMAT.read(path)
    text = path.read_text().replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = module.FORMAT.read(path)
    for camera, same in zip(found.cameras, expected.cameras, strict=True):
        assert camera.name == same.name and np.array_equal(camera.K, same.K)
        assert np.array_equal(camera.R, same.R) and np.array_equal(camera.t, same.t)


@pytest.mark.parametrize("name", RIGS)
@pytest.mark.parametrize("text", ["", "\n", "{}", "[]", "0", "[" * 100_000, "<a>" * 100_000])
def test_files_of_something_else_are_refused(written, name, text):
    module, path = written(name)
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(path.name)):
        module.FORMAT.read(path)


@pytest.mark.parametrize("name", RIGS)
def test_bytes_that_are_no_text_are_refused(written, name):
    module, path = written(name)
    for content in (bytes(range(256)), b"\0" * 100, path.read_bytes()[:100] + b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=re.escape(path.name)):
            module.FORMAT.read(path)


@pytest.mark.parametrize("name", RIGS)
def test_truncated_files_never_fail_otherwise(written, name):
    """They are refused, or give fewer cameras where the cut leaves a whole file."""
    module, path = written(name)
    content = path.read_bytes()
    for end in range(0, len(content), max(len(content) // 40, 1)):
        path.write_bytes(content[:end])
        try:
            cameras = module.FORMAT.read(path).cameras
        except UserError as error:
            assert str(path.parent) in str(error)
        else:
            assert 0 < len(cameras) <= len(rig())


@pytest.mark.parametrize("name", RIGS)
def test_a_missing_file_is_named(tmp_path, name):
    module, file, _, _ = RIGS[name]
    missing = "intri.yml" if name == "easymocap" else file
    with pytest.raises(UserError, match=re.escape(missing) + " is missing"):
        module.FORMAT.read(tmp_path / file)


def test_krt_of_a_wrong_count_of_lines(written):
    module, path = written("krt")
    path.write_text("\n".join(path.read_text().split("\n")[:-4]))
    with pytest.raises(UserError, match="has 30 lines with text, expected 8 for each camera"):
        module.read(path)


def test_matrices_that_are_not_transposed_are_no_goliath(written):
    module, path = written("goliath")
    table = json.loads(path.read_text())
    for item in table["KRT"]:
        item["K"] = np.transpose(item["K"]).tolist()
    path.write_text(json.dumps(table))
    with pytest.raises(UserError, match="K and T of camera cam0 are not stored transposed"):
        module.read(path)


def test_easymocap_needs_both_files_and_one_rotation(written):
    module, path = written("easymocap")
    other = rig()
    writers.write_easymocap(path.parent / "turned", [other[1], other[0]])
    text = path.read_text()
    turned = (path.parent / "turned" / "extri.yml").read_text()
    wrong = turned.split("Rot_cam1:")[1].split("T_cam1")[0]
    right = text.split("Rot_cam0:")[1].split("T_cam0")[0]
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(UserError, match="Rot_cam0 and R_cam0 are different rotations"):
        module.read(path)
    path.write_text(text)
    (path.parent / "intri.yml").unlink()
    with pytest.raises(UserError, match=r"intri.yml is missing; .* are it and extri.yml"):
        module.read(path)
