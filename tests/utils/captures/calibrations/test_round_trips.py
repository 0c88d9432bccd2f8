"""One made-up rig, written as other programs do, sees its points where OpenCV says."""

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
    panoptic,
)


def test_krt(tmp_path):
    writers.write_krt(tmp_path / "KRT", rig())
    calibration = krt.read(tmp_path / "KRT")
    assert_same_pixels(calibration, rig())
    assert calibration.unit == "mm" and calibration.cameras[0].size is None
    assert "k1 k2 p1 p2 k3" in calibration.notes[0]


def test_krt_of_windows_with_a_byte_order_mark(tmp_path):
    writers.write_krt(tmp_path / "unix", rig())
    text = (tmp_path / "unix").read_text().replace("\n", "\r\n").rstrip()
    (tmp_path / "KRT").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert_same_pixels(krt.read(tmp_path / "KRT"), rig())


def test_goliath(tmp_path):
    off = np.array([[0, 0, 1000], [0, 0, 1800], [0, 0, 0]])
    studio = [replace(made, K=made.K + off) for made in rig()]
    writers.write_goliath(tmp_path / "camera_calibration.json", studio)
    calibration = goliath.read(tmp_path / "camera_calibration.json")
    assert_same_pixels(calibration, studio)
    assert calibration.unit == "mm" and calibration.cameras[0].size == (4096, 2668)
    writers.write_goliath(tmp_path / "small.json", rig())  # not of the studio's full photos
    small = goliath.read(tmp_path / "small.json")
    assert small.cameras[0].size is None and small.notes == []


@pytest.mark.parametrize("rotations", [("R",), ("Rot",), ("R", "Rot")])
def test_easymocap(tmp_path, rotations):
    writers.write_easymocap(tmp_path, rig(), rotations)
    for path in (tmp_path, tmp_path / "intri.yml", tmp_path / "extri.yml"):
        calibration = easymocap.read(path)
        assert_same_pixels(calibration, rig())
    assert calibration.unit == "m" and calibration.cameras[0].size == (480, 640)
    assert [file.name for file in calibration.files] == ["intri.yml", "extri.yml"]


def test_easymocap_leaves_out_cameras_of_one_file_only(tmp_path):
    writers.write_easymocap(tmp_path / "more", rig())
    writers.write_easymocap(tmp_path, rig()[1:3])
    (tmp_path / "intri.yml").write_bytes((tmp_path / "more" / "intri.yml").read_bytes())
    calibration = easymocap.read(tmp_path)
    assert_same_pixels(calibration, rig()[1:3])
    assert calibration.notes == [
        "2 cameras without a pose in extri.yml are left out: cam0, cam3",
    ]


@pytest.mark.parametrize("name", ["name", "cam_id"])
def test_anipose(tmp_path, name):
    writers.write_anipose(tmp_path / "calibration.toml", rig(), name)
    calibration = anipose.read(tmp_path / "calibration.toml")
    assert_same_pixels(calibration, rig())
    assert calibration.unit is None and calibration.cameras[0].size == (480, 640)


def test_anipose_fisheye(tmp_path):
    writers.write_anipose(tmp_path / "calibration.toml", rig(), fisheye=FISHEYE)
    calibration = anipose.read(tmp_path / "calibration.toml")
    assert_same_pixels(calibration, rig(), [made.fisheye_pixels(points()) for made in rig()])


def test_anipose_leaves_out_cameras_without_a_pose_and_ignored_ones(tmp_path):
    path = tmp_path / "camera_array.toml"
    writers.write_anipose(path, rig(), "port")
    text = path.read_text().replace('port = "cam0"', 'port = "cam0"\nignore = true')
    vector = f"rotation = {rig()[1].rotation_vector.tolist()}"
    text = text.replace(vector, 'rotation = "null"').replace('"cam2"', '"cam2"\nrotation_count = 1')
    path.write_text(text)
    calibration = anipose.read(path)
    assert_same_pixels(calibration, rig()[2:])
    assert calibration.notes == [
        "1 camera without a pose is left out: cam1",
        "1 camera marked to be ignored is left out: cam0",
        "camera cam2 is shown turned (rotation_count): its photos must lie as calibrated",
    ]


@pytest.mark.parametrize(
    "version, focal",
    [((1, 2, 0), "pixels"), ((1, 2, 1), "pixels"), ((1, 2, 4), "mm"), ((1, 2, 6), "mm")],
)
def test_alicevision(tmp_path, version, focal):
    """Each version's principal point, focal length and pixel ratio."""
    writers.write_alicevision(tmp_path / "cameras.sfm", rig(), version, focal)
    calibration = alicevision.read(tmp_path / "cameras.sfm")
    assert_same_pixels(calibration, rig())
    assert calibration.names_photos and calibration.unit is None
    assert calibration.cameras[1].photo == "cam1.jpg"


@pytest.mark.parametrize(
    "lens, numbers, brown",
    [
        ("pinhole", (), (0, 0, 0, 0, 0)),
        ("radial1", (-0.1,), (-0.1, 0, 0, 0, 0)),
        ("radial3", (-0.1, 0.05, 0.01), (-0.1, 0.05, 0, 0, 0.01)),
    ],
)
def test_alicevision_lenses(tmp_path, lens, numbers, brown):
    path = tmp_path / "cameras.sfm"
    writers.write_alicevision(path, rig(), (1, 2, 6), "mm", lens, list(numbers))
    table = json.loads(path.read_text())
    if not numbers:
        table["intrinsics"][0].pop("distortionParams")
    for intrinsic in table["intrinsics"]:
        intrinsic["distortionParams"] = [str(number) for number in numbers]
    path.write_text(json.dumps(table))
    pixels = [made.pixels(points(), brown) for made in rig()]
    assert_same_pixels(alicevision.read(path), rig(), pixels)


def test_alicevision_fisheye(tmp_path):
    path = tmp_path / "cameras.sfm"
    writers.write_alicevision(path, rig(), (1, 2, 6), "mm", "fisheye4", FISHEYE)
    expected = [made.fisheye_pixels(points()) for made in rig()]
    assert_same_pixels(alicevision.read(path), rig(), expected)
    newer = json.loads(path.read_text())
    for intrinsic in newer["intrinsics"]:  # as versions after 2023 say it
        intrinsic |= {"type": "pinhole", "distortionType": "fisheye", "undistortionType": "none"}
    path.write_text(json.dumps(newer))
    assert_same_pixels(alicevision.read(path), rig(), expected)


def test_alicevision_names_photos_of_several_folders_by_them(tmp_path):
    path = tmp_path / "cameras.sfm"
    writers.write_alicevision(path, rig()[:2], (1, 2, 6), "mm")
    table = json.loads(path.read_text())
    for view, photo in zip(table["views"], ("/data/a/0001.jpg", "/data/b/0001.jpg")):
        view["path"] = photo
    table["views"].append({**table["views"][0], "rigId": "3", "isPoseIndependant": "false"})
    path.write_text(json.dumps(table))
    calibration = alicevision.read(path)
    assert [camera.name for camera in calibration.cameras] == ["a/0001", "b/0001"]
    assert calibration.cameras[1].photo == "b/0001.jpg"
    assert calibration.notes == ["1 camera whose pose is that of a rig is left out: 0001.jpg"]


def test_metashape(tmp_path):
    """k1 to k4, p1 to p4, b1, b2 and the half pixel, against the manual's formula."""
    writers.write_metashape(tmp_path / "cameras.xml", rig())
    calibration = metashape.read(tmp_path / "cameras.xml")
    expected = [writers.metashape_pixels(made, points()) for made in rig()]
    assert_same_pixels(calibration, rig(), expected)
    assert calibration.names_photos and calibration.unit is None
    assert calibration.cameras[0].K[0, 1] == 2.5 and calibration.cameras[0].photo == "cam0"


@pytest.mark.parametrize("component", [False, True])
def test_metashape_scaled_and_moved_chunk(tmp_path, component):
    R, t, scale = rig()[3].R, np.array([5.0, -2.0, 0.5]), 0.25
    transform = (
        f"<transform><rotation>{' '.join(map(str, R.ravel()))}</rotation>"
        f"<translation>{' '.join(map(str, t))}</translation><scale>{scale}</scale></transform>"
    )
    if component:
        transform = f'<components><component id="7">{transform}</component></components>'
    path = tmp_path / "cameras.xml"
    writers.write_metashape(path, rig(), placing=transform)
    if component:
        path.write_text(path.read_text().replace(" sensor_id", ' component_id="7" sensor_id'))
    calibration = metashape.read(path)
    expected = [writers.metashape_pixels(made, points()) for made in rig()]
    assert_same_pixels(calibration, rig(), expected, scale * points() @ R.T + t)
    assert calibration.unit == "m"


@pytest.mark.parametrize("kind", ["fisheye", "equidistant_fisheye"])
def test_metashape_fisheye(tmp_path, kind):
    """Without p1, p2, b1, b2 it is OpenCV's fisheye."""
    k1, k2, k3, k4 = FISHEYE

    def numbers(made):
        named = writers.metashape_numbers(made) | {"k1": k1, "k2": k2, "k3": k3, "k4": k4}
        return named | dict.fromkeys(("p1", "p2", "p3", "p4", "b2"), 0.0)

    writers.write_metashape(tmp_path / "cameras.xml", rig(), kind, numbers)
    expected = [made.fisheye_pixels(points()) for made in rig()]
    assert_same_pixels(metashape.read(tmp_path / "cameras.xml"), rig(), expected)


@pytest.mark.parametrize("chain", [True, False])
@pytest.mark.parametrize("header, dashes", [("", "  "), ("%YAML:1.0 # as OpenCV", "    ")])
def test_kalibr(tmp_path, chain, header, dashes):
    path = tmp_path / "camchain.yaml"
    four = [replace(made, brown=made.brown[:4]) for made in rig()]
    path.write_text(
        writers.kalibr_text(four, "radtan", lambda made: made.brown, chain, header, dashes)
    )
    calibration = kalibr.read(path)
    pixels = [made.pixels(points()) for made in four]
    assert_same_pixels(calibration, four, pixels, in_frame_of_first(four))
    assert calibration.unit == "m" and calibration.cameras[0].size == (480, 640)


def test_kalibr_equidistant(tmp_path):
    path = tmp_path / "camchain.yaml"
    path.write_text(writers.kalibr_text(rig(), "equidistant", lambda made: FISHEYE))
    pixels = [made.fisheye_pixels(points()) for made in rig()]
    assert_same_pixels(kalibr.read(path), rig(), pixels, in_frame_of_first(rig()))


def test_kalibr_leaves_out_cameras_that_nothing_ties_to_the_first(tmp_path):
    text = writers.kalibr_text(rig(), "equidistant", lambda made: FISHEYE)
    head, tail = text.split("cam2:")
    path = tmp_path / "camchain.yaml"
    path.write_text(head + "cam2:" + tail.replace("T_cn_cnm1", "T_lost", 1))
    calibration = kalibr.read(path)
    assert [camera.name for camera in calibration.cameras] == ["cam0", "cam1"]
    assert calibration.notes == [
        "2 cameras without T_cn_cnm1 and T_cam_imu are left out: cam2, cam3"
    ]


def test_panoptic(tmp_path):
    writers.write_panoptic(tmp_path / "calibration_1.json", rig())
    calibration = panoptic.read(tmp_path / "calibration_1.json")
    assert_same_pixels(calibration, rig())
    assert calibration.unit == "cm" and calibration.cameras[0].size == (480, 640)


def test_multical(tmp_path):
    """The pose of cam2_to_cam1 leads from cam1 to cam2, also along a chain."""
    first = rig()[0]
    writers.write_multical(tmp_path / "calibration.json", rig())
    calibration = multical.read(tmp_path / "calibration.json")
    assert_same_pixels(calibration, rig())
    assert np.allclose(calibration.cameras[0].t, first.t) and calibration.unit is None


def test_assemblyhands(tmp_path):
    writers.write_assemblyhands(tmp_path / "nimble.json", rig())
    items = json.loads((tmp_path / "nimble.json").read_text())
    items.append({"Camera": {"SerialNo": "head"}, "MountingLocation": "Egocentric"})
    (tmp_path / "nimble.json").write_text(json.dumps(items))
    calibration = assemblyhands.read(tmp_path / "nimble.json")
    assert_same_pixels(calibration, rig())
    assert calibration.unit == "mm"
    assert calibration.notes == ["1 camera on the moving head is left out: head"]
