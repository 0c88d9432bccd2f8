"""What all readers of calibrations share: bounds, notes on copies, where files are looked for."""

import json

import pytest

from tests.utils.captures.calibrations import writers
from tests.utils.captures.calibrations.made_up_rig import rig
from utils.captures.calibrations import easymocap, filestorage, kalibr, panoptic, reading
from utils.errors import UserError


def test_kalibr_without_cameras(tmp_path):
    (tmp_path / "imu.yaml").write_text("imu0:\n  rate: 200\n")
    with pytest.raises(UserError, match="holds no cam0; expected a camera chain"):
        kalibr.read(tmp_path / "imu.yaml")


def test_sizes_of_files_are_bounded(tmp_path):
    path = tmp_path / "huge.yml"
    with open(path, "wb") as file:
        file.truncate(filestorage.LARGEST + 1)
    with pytest.raises(UserError, match="is larger than 16 MiB; expected a file of OpenCV's"):
        filestorage.load_filestorage(path)


def test_cameras_with_the_same_numbers_are_told(tmp_path):
    path = tmp_path / "calibration_1.json"
    writers.write_panoptic(path, rig())
    table = json.loads(path.read_text())
    first, second, third, _ = table["cameras"]
    second |= {"R": first["R"], "t": first["t"]}
    path.write_text(json.dumps(table))
    copied = "cam0 and cam1 have the same pose: one may be a copy of another"
    assert panoptic.read(path).notes == [copied]
    writers.write_panoptic(path, rig())
    table = json.loads(path.read_text())
    for camera in table["cameras"][1:3]:
        camera |= {"K": third["K"], "distCoef": third["distCoef"]}
    path.write_text(json.dumps(table))
    assert panoptic.read(path).notes == ["cam1 and cam2 have the same intrinsics"]


def test_long_lists_of_names_are_cut():
    assert reading.listed([str(number) for number in range(9)]) == "0, 1, 2, 3, 4, 5 and 3 more"


def test_a_calibration_is_found_by_its_places(tmp_path):
    scan = tmp_path / "scan"
    (scan / "cameras").mkdir(parents=True)
    writers.write_easymocap(scan / "cameras", rig())
    assert easymocap.FORMAT.find([scan, tmp_path]) == scan / "cameras" / "intri.yml"
    with pytest.raises(UserError, match="holds no calibration of Kalibr"):
        kalibr.FORMAT.find([scan])
