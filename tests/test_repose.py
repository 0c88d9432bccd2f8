"""Hands in other poses against the truth: one skin, posed by the hand model itself."""

import pytest
import torch

from models.export.reposing import repose
from models.ham.reconstruction import load_reconstruction
from models.hand import load_hand_model
from tests.scenes.neural import SHORT, neural_scene
from utils.errors import UserError
from utils.io.files import save_torch
from utils.io.meshes import load_mesh
from utils.motion.load import load_motion

SETTINGS = [part for each in SHORT for part in ("--set", f"neural_render.{each}")]


@pytest.fixture(scope="module")
def scene():
    return neural_scene(views=4)


@pytest.fixture
def folders(scene, tmp_path):
    scene.write(tmp_path / "data", tmp_path / "out")
    return tmp_path / "data", tmp_path / "out"


def other_pose(seed: int = 1) -> dict:
    generator = torch.Generator().manual_seed(seed)
    pose = 0.25 * torch.randn(1, 48, generator=generator)
    return {"type": "right", "pose": pose, "trans": torch.tensor([[0.05, 0.02, -0.03]])}


def truth_in(scene, target: dict) -> torch.Tensor:
    """The scene's skin, bulges included, in another pose, by way of the rest pose."""
    model = load_hand_model("right", "open", dtype=torch.float64)
    hand = {k: v.double() for k, v in scene.scene.parameters[0].items() if k in ("pose", "shape")}
    scale = scene.scene.parameters[0]["scale"].double()
    trans = scene.scene.parameters[0]["trans"].double()
    own = hand["pose"], hand["shape"], trans, scale
    rest = model.unpose(scene.scene.true[None].double(), *own, None, model.pose_offsets(own[0]))
    pose = target["pose"].double()
    to = pose, hand["shape"], target["trans"].double(), scale
    return model.repose(rest, *to, None, model.pose_offsets(pose))[0]


def test_the_same_skin_in_a_second_pose(scene, folders):
    found = load_reconstruction(folders[1] / "demo_sfs" / "1", "1")
    moved = repose(found, [other_pose()])
    true = truth_in(scene, other_pose()).numpy()
    assert abs(moved - true).max() < 1e-6  # metres; both by the same skinning, files are float64
    assert abs(moved - found.verts).max() > 0.02


def test_its_own_pose_changes_nothing(folders):
    found = load_reconstruction(folders[1] / "demo_sfs" / "1", "1")
    assert abs(repose(found, found.hands) - found.verts).max() < 1e-6


def test_a_pose_relative_to_the_flat_hand(folders):
    found = load_reconstruction(folders[1] / "demo_sfs" / "1", "1")
    mean = load_hand_model("right", "open").hands_mean
    target = other_pose()
    flat = target | {"pose": target["pose"].clone(), "flat_hand_mean": True}
    flat["pose"][:, 3:] += mean
    assert abs(repose(found, [flat]) - repose(found, [target])).max() < 1e-6


@pytest.mark.slow
def test_the_script_draws_by_mesh_and_by_network(scene, folders, run_main, tmp_path):
    save_torch(tmp_path / "wave.pt", [[other_pose(1)], [other_pose(2)]])
    common = ("--data_path", folders[0], "--out_path", folders[1], "--device", "cpu")
    assert run_main("neural_render.py", *common, *SETTINGS).returncode == 0
    for renderer in ("mesh", "mlp"):
        options = ("--poses", tmp_path / "wave.pt", "--renderer", renderer, "--name", renderer)
        done = run_main("repose.py", *common, *options)
        assert done.returncode == 0, done.stderr
        folder = folders[1] / "demo_sfs" / "1" / "repose" / renderer
        names = {"000.obj", "000.png", "001.obj", "001.png", "repose.mp4"}
        assert {path.name for path in folder.iterdir()} >= names
    verts, _ = load_mesh(folders[1] / "demo_sfs" / "1" / "repose" / "mesh" / "000.obj")
    assert abs(verts - truth_in(scene, other_pose(1)).numpy()).max() < 1e-6


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"pose": 1}, "holds no list of hands"),
        ([], "holds no list of hands"),
        ([[{"type": "right", "pose": torch.zeros(45)}]], "frame 0: expected a list of dicts"),
        ([{"type": "foot", "pose": torch.zeros(48)}], "frame 0: expected a list of dicts"),
        ([{"type": "left", "pose": torch.full((48,), torch.nan)}], "a finite 'pose' of 48"),
    ],
)
def test_files_that_hold_no_poses(tmp_path, data, message):
    save_torch(tmp_path / "poses.pt", data)
    with pytest.raises(UserError, match=message) as error:
        load_motion(tmp_path / "poses.pt")
    assert "mano_out/S.pt" in str(error.value) and "delete" not in str(error.value)


def test_the_other_hand_is_refused(folders, run_main, tmp_path):
    save_torch(tmp_path / "left.pt", [other_pose() | {"type": "left"}])
    common = ("--data_path", folders[0], "--out_path", folders[1], "--device", "cpu")
    done = run_main("repose.py", *common, "--poses", tmp_path / "left.pt")
    assert done.returncode == 2
    assert "poses are of the left hand, the reconstruction has the right one" in done.stderr


def test_help_is_quick(run_script):
    done = run_script("repose.py", "--help")
    assert done.returncode == 0 and "--poses" in done.stdout
