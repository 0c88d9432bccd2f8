"""The demo layout: what is read, and what is said about every way in which it can be broken."""

import json
import re

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from tests.scenes.captures import project, ring_of_cameras, two_hands
from utils.cameras import Similarity
from utils.captures import load_capture
from utils.captures.camera_files import decompose, load_cameras, save_cameras
from utils.errors import UserError
from utils.io.images import load_image, save_image


@pytest.fixture
def scan(capture_dir):
    return capture_dir / "1"


def change_cameras(scan, **arrays):
    """Rewrite param.npz with some arrays changed; None removes one."""
    path = scan / "camera" / "param.npz"
    data = {**np.load(path), **arrays}
    np.savez(path, **{key: value for key, value in data.items() if value is not None})


def changed(scan, key, row, column, value):
    array = np.load(scan / "camera" / "param.npz")[key].copy()
    array[row, column] = value
    return {key: array}


def test_views_and_sizes(capture_dir):
    capture = load_capture(capture_dir, "1")
    assert len(capture) == 5 and capture.views[0].size == (120, 160)
    assert capture.cameras.sizes.tolist() == [[120, 160]] * 5
    assert capture.image(3).shape == (120, 160, 3)
    assert capture.mask(3).dtype == bool and capture.mask(3).any()
    assert capture.names == ["00", "01", "02", "03", "04"] and not capture.cameras_corrected
    assert load_capture(capture_dir, "1", {"num": 5, "w": 160, "h": 120}).camera_files[0].is_file()


def test_keypoints_are_pixels(capture_dir):
    xy, confidence = load_capture(capture_dir, "1").keypoints
    cameras = ring_of_cameras(5, size=(120, 160), focal=200.0)
    truth = project(cameras, two_hands(np.random.default_rng(0)))
    np.testing.assert_allclose(xy, truth, atol=1e-9)
    assert (confidence == 1).all()


def test_keypoints_not_seen_and_confidence(capture_dir, scan):
    path = scan / "pose" / "02.json"
    data = json.loads(path.read_text())
    data["Left"] = []
    data["Right"][3 * 4] = float("nan")
    data["Right_confidence"] = [0.5] * 21
    path.write_text(json.dumps(data))
    xy, confidence = load_capture(capture_dir, "1").keypoints
    assert np.isnan(xy[2, 0]).all() and (confidence[2, 0] == 0).all()
    assert confidence[2, 1, 4] == 0 and confidence[2, 1, 5] == 0.5


def test_cameras_survive_the_file(tmp_path):
    cameras = ring_of_cameras(3)
    frame = Similarity(0.25, torch.tensor([1.0, 2, 3]).double())
    save_cameras(tmp_path / "p.npz", cameras, frame.matrix())
    K, R, t, world_from_norm = load_cameras(tmp_path / "p.npz", 3)
    for found, expected in ((K, cameras.K), (R, cameras.R), (t, cameras.t)):
        np.testing.assert_allclose(found, expected, atol=1e-10)
    frame = [[0.25, 0, 0, 1], [0, 0.25, 0, 2], [0, 0, 0.25, 3], [0, 0, 0, 1]]
    assert world_from_norm.tolist() == frame


def test_corrected_cameras_replace_the_capture_s_own(capture_dir, tmp_path):
    save_cameras(tmp_path / "other.npz", ring_of_cameras(5, focal=333.0), None)
    capture = load_capture(capture_dir, "1").with_corrected_cameras(tmp_path / "other.npz")
    assert capture.cameras.K[0, 0, 0] == pytest.approx(333) and capture.cameras_corrected
    assert capture.files("camera") == [tmp_path / "other.npz"]


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-4, -250.0])
def test_decompose_takes_either_sign(scale):
    K = np.array([[900.0, 3, 320], [0, 950, 240], [0, 0, 1]])
    R = Rotation.random(random_state=3).as_matrix()
    t = np.array([0.1, -0.2, 2.0])
    found = decompose(scale * K @ np.concatenate([R, t[:, None]], 1))
    for value, expected in zip(found, (K, R, t)):
        np.testing.assert_allclose(value, expected, atol=1e-9)


def test_intrinsics_and_extrinsics_alone_suffice(capture_dir, scan):
    before = load_capture(capture_dir, "1").cameras
    change_cameras(scan, **{f"world_mat_{view}": None for view in range(5)})
    torch.testing.assert_close(load_capture(capture_dir, "1").cameras.t, before.t)


def error_of(capture_dir, **config) -> str:
    """The error of opening the capture and reading all of it."""
    with pytest.raises(UserError) as error:
        capture = load_capture(capture_dir, "1", config)
        for view in range(len(capture)):
            capture.image(view), capture.mask(view)
        _ = capture.keypoints
    assert "\n" not in str(error.value)
    return str(error.value)


def test_missing_folders_and_files(capture_dir, scan):
    with pytest.raises(UserError, match=r"7 is no folder; check --data_path and --scan_id"):
        load_capture(capture_dir, "7")
    (scan / "pose" / "01.json").unlink()
    assert "pose/01.json is missing; put detected keypoints there" in error_of(capture_dir)
    (scan / "img" / "02.png").unlink()
    assert "02.png is missing; 4 images found" in error_of(capture_dir)
    (scan / "camera" / "param.npz").unlink()
    (scan / "img" / "02.png").write_bytes((scan / "img" / "01.png").read_bytes())
    assert "param.npz is missing" in error_of(capture_dir)
    for path in (scan / "img").iterdir():
        path.unlink()
    assert "holds no images; expected 00.png" in error_of(capture_dir)


@pytest.mark.parametrize(
    "config, message",
    [
        ({"num": 4}, "holds 5 images, but the config says num = 4"),
        ({"num": 6}, "05.png is missing; 5 images found"),
        ({"w": 161}, "00.png is 160x120, but the config says w = 161"),
        ({"w": 160, "h": 100}, "the config says w = 160, h = 100"),
    ],
)
def test_config_that_contradicts_the_capture(capture_dir, config, message):
    assert message in error_of(capture_dir, **config)


def test_truncated_image(capture_dir, scan):
    path = scan / "img" / "03.png"
    path.write_bytes(path.read_bytes()[:-50])
    assert "03.png is truncated" in error_of(capture_dir)


def test_image_and_mask_of_another_size(capture_dir, scan):
    save_image(scan / "mask" / "01.png", np.ones((60, 90), bool))
    assert "mask/01.png is 90x60, expected 160x120" in error_of(capture_dir)


def test_views_may_differ_in_size(capture_dir, scan):
    save_image(scan / "img" / "01.png", load_image(scan / "img" / "01.png")[:100])
    save_image(scan / "mask" / "01.png", np.ones((100, 160), bool))
    capture = load_capture(capture_dir, "1")
    assert capture.image(1).shape[:2] == capture.mask(1).shape == (100, 160)


def test_a_mask_may_be_missing(capture_dir, scan):
    (scan / "mask" / "01.png").unlink()
    assert load_capture(capture_dir, "1").mask(1) is None


@pytest.mark.parametrize(
    "content, message",
    [
        ({"left": [0.0] * 63}, "has no 'Left' list and no 'Right' list"),
        ([1, 2], "has no 'Left' list"),
        ({"Left": [0.0] * 60, "Right": []}, "'Left' holds 60 numbers, expected 63"),
        ({"Left": [], "Right": ["x"] * 63}, "'Right' holds something other than numbers"),
        ({"Left": [], "Right": [0] * 63, "Right_confidence": [1, 1]}, "21 numbers in [0, 1]"),
        ({"Left": [], "Right": [0] * 63, "Right_confidence": 7}, "21 numbers in [0, 1]"),
        ({"Left": [], "Right": [0] * 63, "Right_confidence": "a"}, "other than numbers"),
    ],
)
def test_keypoint_files(capture_dir, scan, content, message):
    (scan / "pose" / "04.json").write_text(json.dumps(content))
    error = error_of(capture_dir)
    assert message in error and "04.json" in error


def test_wrong_number_of_cameras(capture_dir, scan):
    change_cameras(scan, world_mat_4=None)
    assert "holds 4 cameras for 5 images" in error_of(capture_dir)
    change_cameras(scan, world_mat_9=np.eye(4), ext_4=None)
    assert "has no world_mat_4; views are numbered" in error_of(capture_dir)


def test_cameras_with_nan(capture_dir, scan):
    change_cameras(scan, **changed(scan, "world_mat_2", 0, 0, np.nan))
    assert "world_mat_2 is not a finite 4x4 matrix" in error_of(capture_dir)


def test_singular_camera(capture_dir, scan):
    change_cameras(scan, world_mat_2=np.diag([1.0, 1, 0, 1]))
    assert "world_mat_2 is singular" in error_of(capture_dir)


@pytest.mark.parametrize("value", [np.nan, 3.0])
def test_extrinsics_without_rotation(capture_dir, scan, value):
    change_cameras(scan, **changed(scan, "ext_1", 0, 0, value))
    assert "ext_1 holds no rotation" in error_of(capture_dir)


def test_mirrored_camera(capture_dir, scan):
    ext = np.load(scan / "camera" / "param.npz")["ext_1"].copy()
    ext[0] *= -1
    change_cameras(scan, ext_1=ext)
    assert "ext_1 holds no rotation" in error_of(capture_dir)


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)])
def test_bad_normalisation(capture_dir, scan, matrix):
    change_cameras(scan, scale_mat_0=matrix)
    assert "scale_mat_0 is no uniform scale" in error_of(capture_dir)


def test_unreadable_and_empty_camera_files(capture_dir, scan):
    path = scan / "camera" / "param.npz"
    path.write_bytes(path.read_bytes()[:300])
    assert "param.npz is not a readable .npz" in error_of(capture_dir)
    np.savez(path, other=np.eye(3))
    with pytest.raises(UserError, match="holds no world_mat_0"):
        load_cameras(path)


def test_camera_file_with_code_in_it(capture_dir, scan):
    data = dict(np.load(scan / "camera" / "param.npz"))
    data["world_mat_0"] = np.array([{"an": "object"}], object)
    np.savez(scan / "camera" / "param.npz", **data)
    assert "param.npz is not a readable .npz" in error_of(capture_dir)


def test_other_arrays_in_the_camera_file_are_left_alone(capture_dir, scan):
    before = load_capture(capture_dir, "1").cameras
    others = {"names": np.array(["a", None], object), "world_mat_inv_0": np.zeros(3)}
    np.savez(
        scan / "camera" / "param.npz",
        **np.load(scan / "camera" / "param.npz"),
        **others,
        distortion=np.array([1 + 2j]),
    )
    torch.testing.assert_close(load_capture(capture_dir, "1").cameras.R, before.R)


@pytest.mark.parametrize(
    "array, message",
    [
        (np.eye(4) + 1j, "world_mat_3 holds complex128 numbers"),
        (np.zeros((4, 4), [("x", float)]), "world_mat_3 holds .* numbers of shape"),
        (np.zeros(16), r"world_mat_3 holds float64 numbers of shape \(16,\); expected a 4x4"),
        (np.eye(3), "world_mat_3 is not a finite 4x4 matrix"),
        (np.zeros((2000, 2000)), "world_mat_3 is no 4x4 matrix"),
        (np.array("text"), "world_mat_3 holds <U4 numbers"),
    ],
)
def test_matrices_of_other_kinds(capture_dir, scan, array, message):
    change_cameras(scan, world_mat_3=array)
    assert re.search(f"param.npz: {message}", error_of(capture_dir))


@pytest.mark.parametrize(
    "key, array, message",
    [
        ("ext_2", np.eye(3), "ext_2 is 3x3, expected [R | t] as 3x4 or 4x4"),
        ("int_2", np.eye(2), "int_2 is 2x2, expected K as 3x3 or 4x4"),
        ("int_2", np.diag([100.0, 0, 1]), "world_mat_2 is singular"),
    ],
)
def test_intrinsics_and_extrinsics_of_other_shapes(capture_dir, scan, key, array, message):
    change_cameras(scan, **{f"world_mat_{view}": None for view in range(5)}, **{key: array})
    assert message in error_of(capture_dir)


def test_a_single_array_for_the_cameras(capture_dir, scan):
    with open(scan / "camera" / "param.npz", "wb") as file:
        np.save(file, np.eye(4))
    assert "param.npz is a single array (.npy); expected an .npz" in error_of(capture_dir)


def test_spoilt_zlib_streams(capture_dir, scan):
    path = scan / "camera" / "param.npz"
    np.savez_compressed(path, **np.load(path))
    data = bytearray(path.read_bytes())
    data[120:140] = bytes(20)
    path.write_bytes(bytes(data))
    assert "param.npz is not a readable .npz" in error_of(capture_dir)


def test_a_photo_is_missing_of_as_many_as_there_are_cameras(capture_dir, scan):
    (scan / "img" / "01.png").unlink()
    assert "01.png is missing; 4 images found for the 5 cameras of" in error_of(capture_dir)
