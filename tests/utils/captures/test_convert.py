"""A capture written in another layout is the same capture when it is read there."""

import numpy as np
import pytest

from tests.scenes.rigs import cameras_of, opened, through_lens
from utils.captures import load_capture
from utils.captures.convert.capture import LAYOUTS, convert_capture
from utils.errors import UserError
from utils.io.images import save_image


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_cameras_photos_masks_and_keypoints(capture_dir, tmp_path, layout):
    original = load_capture(capture_dir, "1")
    convert_capture(original, tmp_path / "out", layout)
    capture = load_capture(tmp_path / "out", "1", {"data_type": layout})
    for key in ("K", "R", "t"):
        assert np.allclose(getattr(capture.cameras, key), getattr(original.cameras, key), atol=1e-9)
    assert np.array_equal(capture.image(2), original.image(2))
    assert np.array_equal(capture.mask(2), original.mask(2))
    assert np.allclose(capture.keypoints[0], original.keypoints[0], atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_distorted_photos_become_undistorted_ones(capture_dir, tmp_path, layout):
    plain = load_capture(capture_dir, "1")
    for camera, view in zip(cameras_of(plain), plain.views):
        save_image(
            tmp_path / "rig" / "1" / "img" / f"{camera.name}.png",
            through_lens(view.image(), camera),
        )
    rig = opened(tmp_path / "rig", cameras_of(plain))
    view = rig.views[0]
    view.save_keypoints(view.pose_path, plain.keypoints[0][0], plain.keypoints[1][0])
    view.save_mask(view.mask_path, plain.mask(0))
    rig = opened(tmp_path / "rig", cameras_of(plain))
    convert_capture(rig, tmp_path / "out", layout)
    capture = load_capture(tmp_path / "out", "1", {"data_type": layout})
    assert np.abs(capture.image(1) - rig.image(1)).max() <= 0.5 / 255 + 1e-6
    xy = capture.views[0].keypoints()[0]
    assert np.allclose(xy, plain.keypoints[0][0], atol=1e-3, equal_nan=True)
    differs = (capture.mask(0) != plain.mask(0)).mean()
    assert differs < 0.01  # resampled twice


def test_what_is_there_stays(capture_dir, tmp_path):
    original = load_capture(capture_dir, "1")
    convert_capture(original, tmp_path / "out", "demo")
    with pytest.raises(UserError, match=r"is not empty; choose another folder, or --overwrite"):
        convert_capture(original, tmp_path / "out", "colmap")
    convert_capture(original, tmp_path / "out", "demo", overwrite=True)
