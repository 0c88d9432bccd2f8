"""All of a capture or nothing; the files hold what was given."""

import numpy as np
import pytest
import torch
import trimesh

from utils.cameras import Cameras, Similarity
from utils.captures import load_capture
from utils.errors import UserError
from utils.io.files import load_json
from utils.keypoints.order import load_keypoints
from utils.synthetic.capture_files import RecordedViews, appearing_folder, write_capture


def test_folder_appears_only_when_complete(tmp_path):
    target = tmp_path / "1"
    with pytest.raises(ZeroDivisionError), appearing_folder(target, False) as folder:
        (folder / "half").write_text("")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with appearing_folder(target, False) as folder:
        (folder / "whole").write_text("")
        assert not target.exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["1", "whole"]


def test_existing_captures_are_kept_unless_asked(tmp_path):
    target = tmp_path / "1"
    target.mkdir()
    (target / "mine").write_text("")
    with pytest.raises(UserError, match="--overwrite"), appearing_folder(target, False):
        pass
    with pytest.raises(ZeroDivisionError), appearing_folder(target, True):
        raise ZeroDivisionError
    assert (target / "mine").exists()
    with appearing_folder(target, True):
        pass
    assert list(tmp_path.rglob("*")) == [target]


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="cannot write"),
        appearing_folder(tmp_path / "file" / "1", False),
    ):
        pass


def test_capture_reads_back(tmp_path, hands):
    rng = np.random.default_rng(0)
    K = torch.tensor([[[100.0, 0, 8], [0, 100, 6], [0, 0, 1]]], dtype=torch.float64)
    R = torch.eye(3, dtype=torch.float64)[None]
    cameras = Cameras(
        K, R, torch.tensor([[0.0, 0, 2]], dtype=torch.float64), torch.tensor([[12, 16]])
    )
    image, mask = rng.integers(0, 255, (12, 16, 3), np.uint8), rng.random((12, 16)) > 0.5
    views = RecordedViews(cameras, [image], [mask])
    frame = Similarity(0.2, torch.tensor([0.0, 0, 1], dtype=torch.float64))
    pose = {"Left": np.linspace(-0.5, 0.5, 63).tolist(), "Right": []}
    left = hands[0]
    write_capture(tmp_path / "1", views, views, frame, [pose], [left], {"seed": 1})
    capture = load_capture(tmp_path, "1")
    assert (np.round(255 * capture.image(0)) == image).all()
    assert (capture.mask(0) == mask).all()
    assert torch.allclose(capture.cameras.K, K)
    assert capture.world_from_norm[0, 0] == pytest.approx(0.2)
    assert np.isfinite(capture.keypoints[0]).all((0, 2, 3)).tolist() == [True, False]
    keypoints = load_keypoints(tmp_path / "1" / "gt" / "keypoints3d.xyz")
    assert (keypoints[0] == left.keypoints).all()
    assert np.isnan(keypoints[1]).all()
    mesh = trimesh.load(tmp_path / "1" / "gt" / "mesh.ply", process=False)
    assert (np.asarray(mesh.vertices) == left.verts).all()  # float32 numbers already
    assert (mesh.faces == left.faces).all()
    assert load_json(tmp_path / "1" / "gt" / "params.json") == {"seed": 1}
