"""Photos of a rig: found by their cameras, undistorted when read, and left out where they lack."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.scenes.rigs import cameras_of, format_of, opened, through_lens
from utils.cameras.lens import Lens
from utils.captures.readers import rig
from utils.errors import UserError
from utils.io.images import save_image

PLAIN = Lens()


@pytest.fixture
def folder(plain, tmp_path):
    """D with D/1/img/cam%02d.png as the barrel lens took them."""
    data = tmp_path / "rig"
    for camera, view in zip(cameras_of(plain), plain.views):
        save_image(data / "1" / "img" / f"{camera.name}.png", through_lens(view.image(), camera))
    return data


def test_undistorted_photos_cameras_and_keypoints_are_the_capture_s(plain, folder):
    cameras = cameras_of(plain)
    capture = opened(folder, cameras)
    assert capture.names == [camera.name for camera in cameras]
    assert np.allclose(capture.cameras.K, plain.cameras.K)
    assert "lens distortion of 5 of 5 views is undone" in " ".join(capture.notes)
    difference = np.abs(capture.image(2) - plain.image(2))[12:-12, 12:-12]
    assert np.median(difference) < 0.02  # interpolated twice


def test_what_is_saved_of_a_view_belongs_to_the_stored_photo(plain, folder):
    capture = opened(folder, cameras_of(plain))
    xy, confidence = plain.keypoints
    view = capture.views[1]
    view.save_keypoints(view.pose_path, xy[1], confidence[1])
    again = opened(folder, cameras_of(plain)).views[1].keypoints()[0]
    assert again == pytest.approx(xy[1], abs=1e-3, nan_ok=True)
    stored = opened(folder, cameras_of(plain, PLAIN)).views[1].keypoints()[0]
    moved = np.linalg.norm(stored - xy[1], axis=-1)
    assert np.nanmax(moved) > 0.1  # the file's own pixels are those of the lens


@pytest.mark.parametrize(
    "rename",
    [
        lambda k: f"img/cam{k:02d}.png",
        lambda k: f"images/{k}.PNG",
        lambda k: f"photos/view_{k:03d}.png",
        lambda k: f"cam{k:02d}/frame0007.png",
        lambda k: f"images/{k:02d}/0007.png",
        lambda k: f"CAM{k:02d}.png",
    ],
    ids=lambda rename: rename(3),
)
def test_photos_are_found_by_their_cameras_names(plain, tmp_path, rename):
    for k, view in enumerate(plain.views):
        save_image(tmp_path / "1" / rename(k), view.image())
    capture = opened(tmp_path, cameras_of(plain, PLAIN))
    assert np.array_equal(capture.image(3), plain.image(3))


def test_names_that_say_nothing_are_paired_in_order_and_that_is_said(plain, tmp_path):
    for k, view in enumerate(plain.views):
        save_image(tmp_path / "1" / "img" / f"{'abcde'[k]}.png", view.image())
    cameras = [replace(c, name=f"dev-{n}") for c, n in zip(cameras_of(plain, PLAIN), "uvwxy")]
    capture = opened(tmp_path, cameras)
    assert "in the order of their names: a is dev-u, ..., e is dev-y" in " ".join(capture.notes)


def test_photos_that_the_calibration_names_are_found_by_file_name(plain, tmp_path):
    for k, view in enumerate(plain.views):
        save_image(tmp_path / "1" / "img" / f"IMG_{k}.png", view.image())
    photos = ["D:\\old\\disk\\IMG_0.png", "img/IMG_1.png", "IMG_2", "/x/IMG_3.png", "y/IMG_9.png"]
    cameras = [replace(c, photo=p) for c, p in zip(cameras_of(plain, PLAIN), photos)]
    capture = opened(tmp_path, cameras, names_photos=True)
    assert capture.names == ["IMG_0", "IMG_1", "IMG_2", "IMG_3"]
    assert "cam04 of 5 cameras: no photo, left out" in " ".join(capture.notes)


def sequence(plain, folder: Path, missing=()) -> None:
    """A folder a camera with frames 10, 20, 30, whose brightness tells them apart."""
    for k, view in enumerate(plain.views):
        for frame in (10, 20, 30):
            if (k, frame) not in missing:
                path = folder / "images" / f"cam{k:02d}" / f"{frame:05d}.png"
                save_image(path, np.full_like(view.image(), frame / 100))


def test_scans_of_a_sequence_are_places_of_frames(plain, tmp_path):
    sequence(plain, tmp_path, missing=[(4, 20)])
    cameras = cameras_of(plain, PLAIN)
    assert opened(tmp_path, cameras, "2").image(0).max() == pytest.approx(0.3, abs=0.01)
    by_number = opened(tmp_path, cameras, "0", {"frame": 20})
    assert by_number.image(0).max() == pytest.approx(0.2, abs=0.01)
    assert len(by_number) == 4
    assert "cam04: no frame 20" in by_number.notes
    assert rig.scans(tmp_path) == ["0", "1", "2"]
    made = opened(tmp_path, cameras, "2", made_path=tmp_path / "out" / "2")
    assert made.views[0].mask_path == tmp_path / "out" / "2" / "mask" / "cam00.png"
    with pytest.raises(UserError, match="no frame at place 3; scans are 0 to 2"):
        opened(tmp_path, cameras, "3")
    with pytest.raises(UserError, match="no photo of frame 11; there are 3 frames from 10 to 30"):
        opened(tmp_path, cameras, "0", {"frame": 11})


def test_frames_of_videos_are_taken_by_their_index(plain, tmp_path):
    height, width = plain.views[0].size
    (tmp_path / "videos").mkdir()
    for k in range(5):
        path = str(tmp_path / "videos" / f"cam{k:02d}.avi")
        writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 10, (width, height))
        for frame in range(12):
            writer.write(np.full((height, width, 3), 20 * frame, np.uint8))
        writer.release()
    cameras = cameras_of(plain, PLAIN)
    assert opened(tmp_path, cameras, "7").image(1).mean() == pytest.approx(140 / 255, abs=0.01)
    assert opened(tmp_path, cameras, "0", {"frame": 3}).image(1).mean() == pytest.approx(
        60 / 255, abs=0.01
    )
    with pytest.raises(UserError, match=r"frame 99 cannot be read; the video says it has 12"):
        opened(tmp_path, cameras, "99").image(0)


def test_a_pattern_says_where_photos_are(plain, tmp_path):
    sequence(plain, tmp_path / "shots")
    config = {"images": "shots/images/{camera}/{frame:05d}.*", "frame": 30}
    capture = opened(tmp_path, cameras_of(plain, PLAIN), "0", config)
    assert capture.image(0).max() == pytest.approx(0.3, abs=0.01)
    with pytest.raises(UserError, match=r"\{camera\}, \{scan\} and \{frame\} are known"):
        opened(tmp_path, cameras_of(plain, PLAIN), "0", {"images": "{cam}.png"})


def test_a_calibration_of_larger_photos_is_scaled_and_that_is_said(plain, folder):
    cameras = [
        replace(c, size=(c.size[0] * 2, c.size[1] * 2), K=np.diag([2, 2, 1]) @ c.K
                + np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]))
        for c in cameras_of(plain)
    ]  # fmt: skip
    capture = opened(folder, cameras)
    assert "K of 5 cameras is scaled by 0.5" in " ".join(capture.notes)
    assert np.allclose(capture.cameras.K, plain.cameras.K)
    with pytest.raises(UserError, match=r"is 160x120, camera cam00 is calibrated for 160x100"):
        opened(folder, [replace(c, size=(100, 160)) for c in cameras])
    with pytest.raises(UserError, match=r"turned by a quarter"):
        opened(folder, [replace(c, size=(160, 120)) for c in cameras])


def test_photos_and_cameras_are_resized_together(plain, folder):
    capture = opened(folder, cameras_of(plain), config={"w": 80, "h": 60})
    assert capture.image(0).shape == (60, 80, 3)
    point = np.array([[0.01, 0.02, 0.0]])
    full = opened(folder, cameras_of(plain)).cameras.project(torch.from_numpy(point))
    half = capture.cameras.project(torch.from_numpy(point))
    assert half.numpy() == pytest.approx((full.numpy() - 0.5) / 2, abs=1e-9)


def test_a_damaged_photo_is_left_out_and_named_while_three_are_left(plain, folder):
    for name in ("cam01", "cam03"):
        path = folder / "1" / "img" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:200])
    capture = opened(folder, cameras_of(plain))
    assert capture.names == ["cam00", "cam02", "cam04"]
    assert "view cam01 is left out" in " ".join(capture.notes)
    (folder / "1" / "img" / "cam04.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cam01.png is truncated"):
        opened(folder, cameras_of(plain))


def test_what_lacks_is_named(plain, folder, tmp_path):
    cameras = cameras_of(plain)
    with pytest.raises(UserError, match=r"no folder; check --data_path"):
        opened(folder, cameras, "nine")
    with pytest.raises(UserError, match=r"holds no calibration of tests; expected rig.txt"):
        rig.read(format_of(cameras), tmp_path, "1", {})
    shutil.rmtree(folder / "1" / "img")
    with pytest.raises(UserError, match=r"no photo belongs to a camera .*\(cam00, cam01"):
        opened(folder, cameras)
    with pytest.raises(UserError, match=r"cameras = calib.txt: there is no such file"):
        opened(folder, cameras, config={"cameras": "calib.txt"})


def test_the_unit_is_the_formats_or_the_configs(plain, folder):
    assert opened(folder, cameras_of(plain), unit="mm").unit == "mm"
    assert opened(folder, cameras_of(plain), config={"unit": "cm"}, unit="mm").unit == "cm"


def test_a_hundred_views_open_in_a_moment(plain, tmp_path):
    """Only headers are read: no photo is decoded before one is asked for."""
    cameras = []
    for k in range(100):
        save_image(tmp_path / "1" / "img" / f"c{k:03d}.png", np.zeros((60, 80, 3), np.uint8))
        cameras.append(replace(cameras_of(plain)[0], name=f"c{k:03d}", size=(60, 80)))
    decoded = []
    original, cv2.imdecode = cv2.imdecode, lambda *a: decoded.append(a)
    try:
        assert len(opened(tmp_path, cameras)) == 100
    finally:
        cv2.imdecode = original
    assert not decoded
