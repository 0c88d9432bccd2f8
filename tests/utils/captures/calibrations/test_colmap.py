"""Models of COLMAP: made-up ones of every camera model, and broken ones."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from tests.scenes import calibrations as scene
from utils.captures.calibrations.colmap import FORMAT
from utils.errors import UserError

TWO = [scene.FX, scene.FY, scene.CX + scene.HALF, scene.CY + scene.HALF]
ONE = [scene.FX, *TWO[2:]]
PRISM = [0.05, -0.02, 0.003, -0.004, 0.01, -0.005, 0.006, -0.002]
LENSES = {  # number: name, parameters, projection
    0: ("SIMPLE_PINHOLE", ONE, scene.brown([], scene.FX)),
    1: ("PINHOLE", TWO, scene.brown([])),
    2: ("SIMPLE_RADIAL", [*ONE, -0.2], scene.brown([-0.2], scene.FX)),
    3: ("RADIAL", [*ONE, -0.2, 0.1], scene.brown([-0.2, 0.1], scene.FX)),
    4: ("OPENCV", [*TWO, *scene.BROWN[:4]], scene.brown(scene.BROWN[:4])),
    5: ("OPENCV_FISHEYE", [*TWO, *scene.FISHEYE], scene.fisheye(scene.FISHEYE)),
    6: ("FULL_OPENCV", [*TWO, *scene.BROWN], scene.brown(scene.BROWN)),
    7: ("FOV", [*TWO, 0.9], scene.fov(0.9)),
    8: ("SIMPLE_RADIAL_FISHEYE", [*ONE, 0.08], scene.fisheye([0.08], scene.FX)),
    9: ("RADIAL_FISHEYE", [*ONE, 0.08, -0.03], scene.fisheye([0.08, -0.03], scene.FX)),
    10: ("THIN_PRISM_FISHEYE", [*TWO, *PRISM], scene.thin_prism_fisheye(PRISM)),
    14: ("SIMPLE_FISHEYE", ONE, scene.fisheye([], scene.FX)),
    15: ("FISHEYE", TWO, scene.fisheye([])),
}


def write_text(folder: Path, model: int = 1, names=("a.jpg", "b.jpg", "c.jpg"), between="\n"):
    """A model in text; `between`: what stands between the poses."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = scene.SIZE
    name, parameters, _ = LENSES[model]
    line = f"7 {name} {width} {height} {' '.join(map(repr, parameters))}\n"
    (folder / "cameras.txt").write_text("# CAMERA_ID, MODEL, ...\n" + line)
    images = "# Image list with two lines of data per image:\n"
    for index, ((R, t), name) in enumerate(zip(scene.poses(), names)):
        pose = " ".join(repr(float(x)) for x in (*scene.quaternion(R), *t))
        images += f"{index + 3} {pose} 7 {name}\n{between}"
    (folder / "images.txt").write_text(images)
    return folder


def write_binary(folder: Path, model: int = 1, names=("a.jpg", "b.jpg", "c.jpg"), points=5):
    folder.mkdir(parents=True, exist_ok=True)
    height, width = scene.SIZE
    parameters = LENSES[model][1]
    cameras = struct.pack("<QiiQQ", 1, 7, model, width, height)
    (folder / "cameras.bin").write_bytes(cameras + struct.pack(f"<{len(parameters)}d", *parameters))
    images = struct.pack("<Q", len(names))
    for index, ((R, t), name) in enumerate(zip(scene.poses(), names)):
        images += struct.pack("<i7di", index, *scene.quaternion(R), *t, 7)
        images += name.encode() + b"\0" + struct.pack("<Q", points) + b"\x01" * 24 * points
    (folder / "images.bin").write_bytes(images)
    return folder


def misses(cameras, project) -> float:
    """The largest distance, pixels, between a reader's projections and the scene's own."""
    return max(
        np.abs(camera.project(scene.points()) - project(scene.points() @ R.T + t)).max()
        for camera, (R, t) in zip(cameras, scene.poses())
    )


@pytest.mark.parametrize("write", [write_text, write_binary])
@pytest.mark.parametrize("model", LENSES)
def test_every_camera_model_projects_as_its_formula(tmp_path, model, write):
    calibration = FORMAT.read(write(tmp_path / "sparse" / "0", model))
    assert misses(calibration.cameras, LENSES[model][2]) < 0.01  # pixels; a half one is missed
    camera = calibration.cameras[0]
    assert (camera.name, camera.photo, camera.size) == ("a.jpg", "a.jpg", scene.SIZE)
    assert calibration.names_photos and calibration.unit is None and not calibration.notes


@pytest.mark.parametrize(
    "between",
    ["", "\n", "# a comment\n\n", "1.5 2.5 -1 3.5 4.5 12\n", "1.5, 2.5, -1, 3.5, 4.5, 12\n\n\n"],
    ids=["left out", "empty", "comment", "points", "commas"],
)
def test_the_lines_of_points_are_passed_over(tmp_path, between):
    calibration = FORMAT.read(write_text(tmp_path, between=between))
    assert [camera.name for camera in calibration.cameras] == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize("write", [write_text, write_binary])
def test_names_of_photos_are_kept_as_they_are(tmp_path, write):
    names = ["left hand/take 2, 00.jpg", "hände.png", "c 12 3"]
    cameras = FORMAT.read(write(tmp_path, names=names)).cameras
    assert [camera.name for camera in cameras] == names


def test_commas_line_ends_and_a_byte_order_mark(tmp_path):
    write_text(tmp_path)
    for name in ("cameras.txt", "images.txt"):
        lines = (tmp_path / name).read_text().splitlines()
        text = "\r\n".join(
            line.replace(" ", ", ") if line[:1].isdigit() else line for line in lines
        )
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert misses(FORMAT.read(tmp_path).cameras, LENSES[1][2]) < 0.01


def test_of_several_models_the_one_of_most_images_is_read(tmp_path):
    write_binary(tmp_path / "sparse" / "0", names=["a.jpg"])
    write_text(tmp_path / "sparse" / "1")
    write_binary(tmp_path / "sparse" / "10", names=["a.jpg", "b.jpg"])
    calibration = FORMAT.read(FORMAT.find([tmp_path / "none", tmp_path]))
    assert [path.parent.name for path in calibration.files] == ["1", "1"]
    assert len(calibration.cameras) == 3
    (note,) = calibration.notes
    assert "holds the most images (3)" in note and "0 (1), 10 (2)" in note
    assert len(FORMAT.read(tmp_path / "sparse" / "0").cameras) == 1  # as named


@pytest.mark.parametrize(
    "place", ["sparse/0", "sparse", "dense/0/sparse", "colmap/sparse/0", "0", "."]
)
def test_the_model_is_found_where_programs_put_it(tmp_path, place):
    write_binary(tmp_path / place)
    (tmp_path / place / "rigs.bin").write_bytes(b"\0" * 8)  # of newer versions
    (tmp_path / place / "frames.bin").write_bytes(b"\0" * 8)
    assert len(FORMAT.read(FORMAT.find([tmp_path])).cameras) == 3
    assert len(FORMAT.read(tmp_path / place / "images.bin").cameras) == 3


def test_binary_is_read_where_text_is_there_too_unless_it_is_named(tmp_path):
    write_binary(tmp_path, names=["a.jpg"])
    write_text(tmp_path)
    assert len(FORMAT.read(tmp_path).cameras) == 1
    assert len(FORMAT.read(tmp_path / "images.txt").cameras) == 3


def test_a_count_that_is_not_true_is_said(tmp_path):
    write_text(tmp_path)
    text = (tmp_path / "images.txt").read_text()
    (tmp_path / "images.txt").write_text("# Number of images: 23, mean observations: 5.\n" + text)
    (note,) = FORMAT.read(tmp_path).notes
    assert "holds 3 images and says that there are 23" in note


def test_points_are_passed_over_in_no_time(tmp_path):
    write_binary(tmp_path / "bin", points=400_000)  # 29 MB
    write_text(tmp_path / "txt", between="101.25 202.5 -1 " * 1_000_000 + "\n")  # 48 MB
    start = time.process_time()
    with (tmp_path / "txt" / "images.txt").open() as file:
        _ = [float(word) for line in file if len(line) > 1000 for word in line.split()]
    parsing = time.process_time() - start
    for folder in ("bin", "txt"):
        start = time.process_time()
        FORMAT.read(tmp_path / folder)
        assert time.process_time() - start < parsing / 2


def replace(old: str, new: str):
    return lambda data: data.replace(old.encode(), new.encode(), 1)


TEXT_FAULTS = {
    "model": (
        "cameras.txt",
        replace("PINHOLE", "RAD_TAN"),
        "is of model RAD_TAN; known are SIMPLE",
    ),
    "count": ("cameras.txt", replace("PINHOLE", "OPENCV"), "has 4 parameters, expected 8"),
    "nan": ("cameras.txt", replace("610.0", "nan"), "camera 7 holds nan"),
    "focal": ("cameras.txt", replace("610.0", "0"), "has focal lengths 0, 615.5"),
    "word": ("cameras.txt", replace("610.0", "f"), "line 2, is not CAMERA_ID MODEL"),
    "huge": ("cameras.txt", replace("640", "9" * 5000), "line 2, is not CAMERA_ID MODEL"),
    "size": ("cameras.txt", replace("640", "9" * 30), "pixels"),
    "camera": ("images.txt", replace(" 7 a", " 8 a"), "is of camera 8, which cameras.txt lacks"),
    "short": ("images.txt", lambda data: data[:-40], "line 6, is not IMAGE_ID QW"),
    "empty": ("images.txt", lambda data: b"# none\n", "holds no images"),
    "foreign": ("images.txt", lambda data: bytes(range(256)) * 9, "images.txt, line 1, is not"),
}


@pytest.mark.parametrize("name, change, said", TEXT_FAULTS.values(), ids=TEXT_FAULTS)
def test_broken_text_is_refused(tmp_path, name, change, said):
    path = write_text(tmp_path) / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=f"{tmp_path}.*{said}"):
        FORMAT.read(tmp_path)


def at(place: int, form: str, value: object):
    size = struct.calcsize(form)
    return lambda data: data[:place] + struct.pack(form, value) + data[place + size :]


NAME_AT = 8 + struct.calcsize("<i7di")  # of the first image
BINARY_FAULTS = {
    "cut cameras": ("cameras.bin", lambda data: data[:-1], "ends after 63 bytes"),
    "cut images": ("images.bin", lambda data: data[:-50], "ends within the points of image c.jpg"),
    "cut pose": ("images.bin", lambda data: data[:50], "ends after 50 bytes"),
    "empty": ("images.bin", lambda data: b"", "ends after 0 bytes"),
    "cameras": ("cameras.bin", at(0, "<Q", 10**18), "ends after 64 bytes"),
    "images": ("images.bin", at(0, "<Q", 2**64 - 1), "ends after"),
    "points": ("images.bin", at(NAME_AT + 6, "<Q", 10**18), "within the points of image a.jpg"),
    "width": ("cameras.bin", at(16, "<Q", 10**18), "pixels"),
    "model": ("cameras.bin", at(12, "<i", 11), "is of model 11; known are"),
    "nan": ("cameras.bin", at(32, "<d", np.nan), "camera 7 holds nan"),
    "pose": ("images.bin", at(8 + 4 + 32, "<d", np.inf), "t of camera a.jpg holds nan"),
    "turn": ("images.bin", at(8 + 4, "<d", 7.0), "the quaternion of image a.jpg has length 7"),
    "name": ("images.bin", lambda data: data[:NAME_AT] + b"x" * 9000, "a name without an end"),
}


@pytest.mark.parametrize("name, change, said", BINARY_FAULTS.values(), ids=BINARY_FAULTS)
def test_broken_binaries_are_refused_at_once(tmp_path, name, change, said):
    path = write_binary(tmp_path) / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=f"{tmp_path}.*{said}"):
        FORMAT.read(tmp_path)


def test_every_cut_and_many_flipped_bytes_are_told_apart(tmp_path):
    """Whatever is done to a binary, it is read or refused by a UserError."""
    rng = np.random.default_rng(0)
    for name in ("cameras.bin", "images.bin"):
        whole = (write_binary(tmp_path) / name).read_bytes()
        flipped = [bytearray(whole) for _ in range(200)]
        for data in flipped:
            data[rng.integers(len(data))] = rng.integers(256)
        for data in [whole[:end] for end in range(len(whole))] + flipped:
            (tmp_path / name).write_bytes(data)
            try:
                FORMAT.read(tmp_path)
            except UserError as error:
                assert str(tmp_path) in str(error)
        (tmp_path / name).write_bytes(whole)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no model of COLMAP; expected cameras"):
        FORMAT.read(tmp_path)
    (tmp_path / "cameras.txt").write_text("")
    with pytest.raises(UserError, match=r"expected cameras\.txt and images\.txt"):
        FORMAT.read(tmp_path / "cameras.txt")
    with pytest.raises(UserError, match="holds no calibration of COLMAP"):
        FORMAT.find([tmp_path / "nowhere"])
