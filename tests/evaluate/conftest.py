"""Two hands whose reconstruction is perfect, in folders as the stages leave them."""

import pytest
import torch

from models.ham.reconstruction import load_reconstruction
from tests.scenes.captures import ring_of_cameras
from tests.scenes.evaluation import VIEWS, write_reconstruction
from tests.scenes.ham import hand_scene
from utils.captures.camera_files import save_cameras
from utils.io.meshes import save_mesh
from utils.keypoints.order import save_keypoints


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=VIEWS, pixels=120)


@pytest.fixture(scope="module")
def one_hand():
    return hand_scene(sides=("right",), views=VIEWS, pixels=80)


@pytest.fixture
def folders(scene, tmp_path):
    """D with scan 1 of two hands, and O with a perfect reconstruction."""
    scene.write_capture(tmp_path / "data" / "1")
    write_reconstruction(tmp_path / "out" / "demo_sfs" / "1", scene)
    return tmp_path / "data", tmp_path / "out"


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny images: threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def keypoints(folders):
    """The true keypoints (2, 21, 3)."""
    return load_reconstruction(folders[1] / "demo_sfs" / "1", "1").keypoints()


@pytest.fixture
def truth(scene, keypoints, tmp_path):
    """Options that name the scene's own ground truth."""
    save_mesh(tmp_path / "gt.ply", scene.true.numpy(), scene.faces)
    save_keypoints(tmp_path / "gt.xyz", keypoints)
    return ["--gt_mesh", str(tmp_path / "gt.ply"), "--gt_keypoints", str(tmp_path / "gt.xyz")]


@pytest.fixture
def cameras_file(tmp_path):
    path = tmp_path / "held" / "param.npz"
    save_cameras(path, ring_of_cameras(2, (100, 140), 200.0), None)
    return path
