"""cameras.json, our own form: every way to state a camera, every mistake."""

import json

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.scenes import calibrations as scene
from utils.captures.calibrations import cameras_json
from utils.captures.calibrations.cameras_json import FORMAT
from utils.errors import UserError

HEIGHT, WIDTH = scene.SIZE
PRISM = [0.05, -0.02, 0.003, -0.004, 0.01, -0.005, 0.006, -0.002]
THIN = [*scene.BROWN, 0.01, -0.004, 0.006, 0.002]
K1_TO_P4 = [-0.2, 0.1, 0.02, 0.3, -0.003, 0.004, 0, 0]  # Metashape's p1, p2 are OpenCV's p2, p1
LENSES = {
    "none": ({}, scene.brown([])),
    "no lens": ({"model": "none", "dist": []}, scene.brown([])),
    "brown 0": ({"dist": []}, scene.brown([])),
    **{
        f"brown {count}": ({"dist": THIN[:count]}, scene.brown(THIN[:count]))
        for count in (4, 5, 8, 12)
    },
    "brown 14": ({"dist": [*THIN, 0.01, -0.02]}, scene.brown([*THIN, 0.01, -0.02])),
    "fisheye": ({"model": "fisheye", "dist": scene.FISHEYE}, scene.fisheye(scene.FISHEYE)),
    "fov": ({"model": "fov", "dist": [0.9]}, scene.fov(0.9)),
    "metashape": (
        {"model": "metashape", "dist": K1_TO_P4},
        scene.radial_to_the_eighth(K1_TO_P4[:4], 0.004, -0.003),
    ),
    "prism": ({"model": "thin_prism_fisheye", "dist": PRISM}, scene.thin_prism_fisheye(PRISM)),
}


def camera(view: int = 0, **keys) -> dict:
    R, t = scene.poses()[view]
    made = {"name": f"cam{view}", "size": [WIDTH, HEIGHT], "K": scene.matrix().tolist()}
    return {**made, "R": R.tolist(), "t": t.tolist(), **keys}


def write(path, **keys):
    path.write_text(json.dumps({"cameras": [camera(view) for view in range(3)], **keys}))
    return path


def misses(cameras, project) -> float:
    """The largest distance, pixels, between a reader's projections and the scene's own."""
    return max(
        np.abs(camera.project(scene.points()) - project(scene.points() @ R.T + t)).max()
        for camera, (R, t) in zip(cameras, scene.poses())
    )


@pytest.mark.parametrize("keys, project", LENSES.values(), ids=LENSES)
def test_every_lens_projects_as_its_formula(tmp_path, keys, project):
    cameras = [camera(view, **keys) for view in range(3)]
    calibration = FORMAT.read(write(tmp_path / "cameras.json", cameras=cameras, unit="mm"))
    assert misses(calibration.cameras, project) < 0.01  # pixels
    assert calibration.unit == "mm" and not calibration.names_photos
    first = calibration.cameras[0]
    assert (first.name, first.photo, first.size) == ("cam0", None, scene.SIZE)


def test_every_way_to_state_a_pose_and_a_matrix(tmp_path):
    cameras = []
    for view, (R, t) in enumerate(scene.poses()):
        stated = camera(view, comment="as calibrated in May")
        del stated["R"], stated["t"], stated["K"], stated["size"]
        cameras.append(stated | {"center": (-R.T @ t).tolist()})
        intrinsics = (scene.FX, scene.FY, scene.CX, scene.CY)
        cameras[-1] |= dict(zip(("fx", "fy", "cx", "cy"), intrinsics))
    cameras[0]["R"] = scene.poses()[0][0].tolist()
    cameras[1]["rvec"] = cv2.Rodrigues(scene.poses()[1][0])[0][:, 0].tolist()
    cameras[2]["quaternion"] = scene.quaternion(scene.poses()[2][0]).tolist()
    calibration = FORMAT.read(write(tmp_path / "cameras.json", cameras=cameras))
    assert misses(calibration.cameras, scene.brown([])) < 1e-6
    assert calibration.unit is None and calibration.cameras[0].size is None


def test_pixel_centres_at_a_half(tmp_path):
    K = scene.matrix() + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    cameras = [camera(view, K=K.tolist()) for view in range(3)]
    path = write(tmp_path / "cameras.json", cameras=cameras, pixel_center=0.5)
    assert misses(FORMAT.read(path).cameras, scene.brown([])) < 1e-6


def test_photos_name_cameras(tmp_path):
    cameras = [camera(view, file=f"photos/{view}.jpg") for view in range(3)]
    del cameras[0]["name"], cameras[1]["file"]
    path = write(tmp_path / "cameras.json", cameras=cameras)
    found = FORMAT.read(FORMAT.find([tmp_path]))
    assert [c.name for c in found.cameras] == ["0", "cam1", "cam2"]
    assert [c.photo for c in found.cameras] == ["photos/0.jpg", None, "photos/2.jpg"]
    assert not found.names_photos
    write(path, cameras=cameras[::2])
    assert FORMAT.read(path).names_photos


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = write(tmp_path / "cameras.json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(FORMAT.read(path).cameras) == 3


TURN = np.array(scene.matrix()).T.tolist()
CAMERA_FAULTS = {
    "K": ({"K": [[1, 2], [3, 4]]}, "K of camera cam0 is a list of 2, expected 3 rows of 3"),
    "K nan": ({"K": [[float("nan")] * 3] * 3}, "K of camera cam0 is a list of 3"),
    "K words": ({"K": "610"}, "K of camera cam0 is '610'"),
    "K turned": ({"K": TURN}, r"is not \[fx s cx; 0 fy cy; 0 0 1\]; is it transposed"),
    "K huge": ({"K": [[10**400] * 3] * 3}, "K of camera cam0 is a list of 3"),
    "K large": ({"K": [[1e300] * 3] * 3}, "holds nan or numbers beyond"),
    "focal": ({"K": np.diag([-1, -1, -1]).tolist()}, "K of camera cam0 is not"),
    "zero": ({"K": np.diag([0, 1, 1]).tolist()}, "camera cam0 has focal lengths 0, 1"),
    "both": ({"fx": 3}, "camera cam0 has K, fx, expected K, or fx, fy, cx, cy"),
    "dist": ({"dist": [1, 2, 3]}, "dist of camera cam0 holds 3 numbers, expected 0 or 4 or 5"),
    "dist nan": ({"dist": [0, 0, 0, float("inf")]}, "dist of camera cam0 is a list of 4"),
    "dist kind": ({"dist": 0.1}, "dist of camera cam0 is 0.1, expected a list"),
    "fov": ({"model": "fov", "dist": [1, 2]}, "expected 1 for the model fov"),
    "model": ({"model": "kannala"}, "model of camera cam0 is 'kannala', expected none or brown"),
    "model kind": ({"model": ["brown"]}, "model of camera cam0 is a list of 1"),
    "R": ({"R": np.ones((3, 3)).tolist()}, "camera cam0 holds no rotation"),
    "mirror": ({"R": np.diag([1, 1, -1]).tolist()}, "det -1"),
    "two R": ({"rvec": [0, 0, 0]}, "has R and rvec of R, rvec, quaternion, expected one"),
    "t": ({"t": [0, 1]}, "t of camera cam0 is a list of 2, expected 3 finite numbers"),
    "center": ({"center": [0, 0, 0]}, "has t and center of t, center, expected one"),
    "size": ({"size": [640]}, r"size of camera cam0 is a list of 1, expected \[width, height\]"),
    "half": ({"size": [640.5, 480]}, "not whole pixels"),
    "large": ({"size": [10**12, 480]}, "camera cam0 is of 1000000000000 x 480 pixels"),
    "name": ({"name": 3}, "name of camera 0 is 3, expected a text"),
    "file": ({"file": ""}, "file of camera 0 is '', expected a text"),
    "twice": ({"name": "cam1"}, "2 cameras are called cam1"),
    "typo": ({"distortion": [0]}, "camera cam0 has an unknown key 'distortion'"),
    "near": ({"centre": [0]}, "unknown key 'centre'; did you mean center"),
}


@pytest.mark.parametrize("keys, said", CAMERA_FAULTS.values(), ids=CAMERA_FAULTS)
def test_mistakes_in_a_camera_are_named(tmp_path, keys, said):
    cameras = [camera(0, **keys), camera(1)]
    path = write(tmp_path / "cameras.json", cameras=cameras)
    with pytest.raises(UserError, match=f"{path}.*{said}"):
        FORMAT.read(path)


@pytest.mark.parametrize(
    "key, said",
    [
        ("K", "camera cam0 has no intrinsics, expected K, or fx, fy, cx, cy"),
        ("R", "camera cam0 has none of R, rvec, quaternion, expected one"),
        ("t", "camera cam0 has none of t, center, expected one"),
    ],
)
def test_what_is_missing_is_named(tmp_path, key, said):
    entry = camera()
    del entry[key]
    path = write(tmp_path / "cameras.json", cameras=[entry])
    with pytest.raises(UserError, match=f"{path}.*{said}"):
        FORMAT.read(path)


def test_a_quaternion_has_length_one(tmp_path):
    entry = camera(quaternion=[1, 1, 0, 0])
    del entry["R"]
    path = write(tmp_path / "cameras.json", cameras=[entry])
    with pytest.raises(UserError, match=f"{path}: quaternion of camera cam0 has length 1.41"):
        FORMAT.read(path)


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"unit": "inch"}, "unit is 'inch', expected m or cm or mm"),
        ({"pixel_center": 1}, "pixel_center is 1, expected 0 or 0.5"),
        ({"pixel_center": True}, "pixel_center is True"),
        ({"cameras": []}, "holds no camera"),
        ({"cameras": {}}, r"""expected {"cameras": \[...\]}"""),
        ({"cameras": [3]}, "camera 0 is 3, expected {...}"),
        ({"units": "m"}, "the file has an unknown key 'units'; did you mean unit"),
        ({"zzz": "m"}, "unknown key 'zzz'; known are unit, pixel_center, cameras, comment"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, keys, said):
    path = write(tmp_path / "cameras.json", **keys)
    with pytest.raises(UserError, match=f"{path}.*{said}"):
        FORMAT.read(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '[{"img_name": "a"}]', "[" * 5000, "1" * 5000])
def test_what_is_no_such_json_is_refused(tmp_path, text):
    path = tmp_path / "cameras.json"
    path.write_text(text)
    with pytest.raises(UserError, match=str(path)):
        FORMAT.read(path)


def test_the_schema_and_the_page_state_what_the_reader_knows(tmp_path):
    schema = json.loads((ROOT / "docs" / "cameras.schema.json").read_text())
    entry = schema["$defs"]["camera"]
    assert set(schema["properties"]) == set(cameras_json.FILE_KEYS)
    assert set(entry["properties"]) == set(cameras_json.CAMERA_KEYS)
    assert tuple(schema["properties"]["unit"]["enum"]) == cameras_json.UNITS
    assert tuple(schema["properties"]["pixel_center"]["enum"]) == cameras_json.PIXEL_CENTERS
    assert set(entry["properties"]["model"]["enum"]) == set(cameras_json.COUNTS)
    page = (ROOT / "docs" / "captures.md").read_text()
    section = page.split("## cameras.json")[1].split("\n## ")[0]
    for key in (*cameras_json.FILE_KEYS, *cameras_json.CAMERA_KEYS, *cameras_json.COUNTS):
        assert f"`{key}`" in section, key
    example = section.split("```json")[1].split("```")[0]
    (tmp_path / "cameras.json").write_text(example)
    assert len(FORMAT.read(tmp_path / "cameras.json").cameras) == 2
