"""What is written in other programs' forms is what was there, read back by our own readers."""

import numpy as np
import pytest
import torch

from tests.scenes.captures import ring_of_cameras
from utils.captures.calibrations import cameras_json as read_json
from utils.captures.calibrations import colmap as read_colmap
from utils.captures.calibrations import nerfstudio as read_nerfstudio
from utils.captures.convert import cameras_json, colmap, nerfstudio
from utils.errors import UserError
from utils.io.files import load_json

FORMS = {
    "colmap": (colmap, read_colmap),
    "nerfstudio": (nerfstudio, read_nerfstudio),
    "cameras_json": (cameras_json, read_json),
}
NAMES = [f"cam {view}" for view in range(5)]
PHOTOS = [f"{view:02d}.png" for view in range(5)]


def rig(same_lens: bool = False):
    """5 cameras, of 5 lenses and 2 sizes or of one."""
    cameras = ring_of_cameras(5)
    if not same_lens:
        rng = np.random.default_rng(2)
        cameras.K[:, :2] *= torch.from_numpy(rng.uniform(0.9, 1.1, (5, 2, 1)))
        cameras.sizes[3] = torch.tensor([720, 1280])
    return cameras


@pytest.mark.parametrize("same_lens", [False, True])
@pytest.mark.parametrize("write, read", FORMS.values(), ids=FORMS)
def test_cameras_come_back_to_all_digits(tmp_path, write, read, same_lens):
    cameras = rig(same_lens)
    files = write.write(tmp_path, cameras, NAMES, PHOTOS, "mm")
    assert files and all(path.is_file() for path in files)
    calibration = read.FORMAT.read(read.FORMAT.find([tmp_path]))
    for view, back in enumerate(calibration.cameras):
        for before, after in ((cameras.K, back.K), (cameras.R, back.R), (cameras.t, back.t)):
            assert np.abs(before[view].numpy() - after).max() < 1e-9
        assert back.size == tuple(cameras.sizes[view].tolist())
        assert back.lens.is_none
        assert back.photo.removeprefix("images/") == PHOTOS[view]
    assert len(calibration.cameras) == 5
    assert calibration.names_photos and not calibration.notes


def test_our_own_form_keeps_names_unit_and_skew(tmp_path):
    cameras = rig()
    cameras.K[2, 0, 1] = 3.5
    cameras_json.write(tmp_path, cameras, NAMES, PHOTOS, "cm")
    calibration = read_json.FORMAT.read(tmp_path / "cameras.json")
    assert calibration.unit == "cm"
    assert [camera.name for camera in calibration.cameras] == NAMES
    assert calibration.cameras[2].K[0, 1] == 3.5
    cameras_json.write(tmp_path, cameras, NAMES, PHOTOS, None)
    assert read_json.FORMAT.read(tmp_path / "cameras.json").unit is None


@pytest.mark.parametrize("form", ["colmap", "nerfstudio"])
def test_a_skew_that_a_form_cannot_state_is_refused(tmp_path, form):
    cameras = rig()
    cameras.K[2, 0, 1] = 1e-7  # as matrices that were decomposed have it
    FORMS[form][0].write(tmp_path, cameras, NAMES, PHOTOS, None)
    cameras.K[2, 0, 1] = 3.5
    with pytest.raises(
        UserError, match=r"K of camera cam 2 has a skew of 0\.99 pixels.*cameras_json"
    ):
        FORMS[form][0].write(tmp_path, cameras, NAMES, PHOTOS, None)


def test_files_are_as_their_programs_read_them(tmp_path):
    """COLMAP reads two lines an image; nerfstudio wants intrinsics at one place."""
    colmap.write(tmp_path, rig(), NAMES, PHOTOS, "mm")
    folder = tmp_path / "sparse" / "0"
    images = (folder / "images.txt").read_text()
    lines = [line for line in images.splitlines() if line[:1] != "#"]
    assert len(lines) == 10 and lines[1::2] == [""] * 5 and "# Unit: mm" in images
    assert len(lines[0].split()) == 10 and lines[0].endswith(" 1 00.png")
    sensors = [line.split() for line in (folder / "cameras.txt").read_text().splitlines()[2:]]
    assert [s[:4] for s in sensors][2:4] == [
        ["3", "PINHOLE", "800", "600"],
        ["4", "PINHOLE", "1280", "720"],
    ]
    assert (folder / "points3D.txt").read_text().count("\n") == 1
    nerfstudio.write(tmp_path, rig(), NAMES, PHOTOS, None)
    data = load_json(tmp_path / "transforms.json")
    assert data.keys() == {"camera_model", "frames"} and "fl_x" in data["frames"][0]
    nerfstudio.write(tmp_path, rig(same_lens=True), NAMES, PHOTOS, None)
    data = load_json(tmp_path / "transforms.json")
    assert data["w"] == 800 and data["h"] == 600 and data["fl_x"] == 1000
    assert data["frames"][0].keys() == {"file_path", "transform_matrix"}
    assert data["frames"][0]["file_path"] == "images/00.png"
