"""export.py as users run it, its messages, and its .glb under other programs."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from models.export.scene import scene_frame
from models.export.skinned import skinned_hand
from models.hand import load_hand_model
from tests.scenes.evaluation import write_reconstruction
from tests.scenes.export import NO_VALIDATOR, refined_hands, validator_folder, validator_issues
from tests.scenes.ham import hand_scene
from utils.io.files import load_torch, save_json, save_torch
from utils.io.images import save_image

ROOT = Path(__file__).parents[1]
SIZE = 64
NEEDS_GLB = pytest.mark.skipif(
    importlib.util.find_spec("pygltflib") is None, reason="pygltflib is not installed"
)


@pytest.fixture(scope="module")
def scene():
    return hand_scene(views=3, pixels=60)


@pytest.fixture
def folder(scene, tmp_path):
    """O/demo_sfs/1 with two hands."""
    write_reconstruction(tmp_path / "out" / "demo_sfs" / "1", scene)
    return tmp_path / "out" / "demo_sfs" / "1"


@pytest.fixture
def export(folder, tmp_path, run_main):
    """Run export.py on it."""
    common = ("--data_path", tmp_path / "data", "--out_path", tmp_path / "out", "--device", "cpu")
    return lambda *more: run_main("export.py", *common, *more)


def write_textures(folder: Path, hands: tuple[str, ...] = ("left", "right"), **facts) -> None:
    """Textures as bake_textures.py leaves them: one colour a hand, all of it seen."""
    sheet = np.zeros((SIZE, SIZE * len(hands), 3), np.float32)
    sheet[:, :SIZE, 0], sheet[:, SIZE:, 1] = 1, 1
    save_image(folder / "1_albedo.png", sheet)
    normal = np.full_like(sheet, 0.5)
    normal[..., 2] = 1
    save_image(folder / "1_normal.png", normal)
    save_image(folder / "1_occlusion.png", np.ones(sheet.shape[:2], np.float32))
    save_image(folder / "1_seen.png", np.ones(sheet.shape[:2], bool))
    faces = len(load_torch(folder / "1.pt")["faces"])
    known = {"size": SIZE, "hands": list(hands), "roughness": 0.5, "faces": faces}
    save_json(folder / "1_textures.json", known | facts)


@NEEDS_GLB
def test_the_files_and_that_trimesh_reads_them(folder, export):
    write_textures(folder)
    done = export("--format", "glb,obj,ply,bvh")
    assert done.returncode == 0, done.stderr
    for name in ("1.glb", "1_left.glb", "1_right.glb", "1_left.obj", "1_left.mtl", "1_right.ply"):
        assert name in done.stdout and (folder / name).is_file()
    assert (folder / "1_right.bvh").read_text().startswith("HIERARCHY\nROOT right_wrist")
    loaded = trimesh.load(folder / "1.glb")
    assert sorted(loaded.geometry) == ["left_hand", "right_hand"]
    for side, color in (("left", [255, 0, 0]), ("right", [0, 255, 0])):
        image = loaded.geometry[f"{side}_hand"].visual.material.baseColorTexture
        assert image.size == (SIZE, SIZE)  # its own tile alone
        assert np.asarray(image)[5, 5, :3].tolist() == color
    assert "up to date" in export("--format", "glb,obj,ply,bvh").stdout
    fine = export("--detail", "fine", "--no_textures")
    assert fine.returncode == 0 and (folder / "1_left_fine.glb").is_file()


@NEEDS_GLB
def test_without_textures_it_says_who_makes_them(export):
    done = export()
    assert done.returncode == 0
    assert "vertex colours only; bake_textures.py gives textures" in done.stdout


@NEEDS_GLB
def test_poses_become_a_motion(folder, export, tmp_path):
    hands = load_torch(folder / "1.pt")["hands"]
    save_torch(tmp_path / "wave.pt", [hands, hands, hands])
    done = export("--format", "glb,bvh", "--poses", tmp_path / "wave.pt", "--fps", 30)
    assert done.returncode == 0, done.stderr
    assert "Frames: 3\nFrame Time: 0.0333333333\n" in (folder / "1_left.bvh").read_text()
    assert b'"animations"' in (folder / "1_left.glb").read_bytes()


def no_results(folder):
    (folder / "1.pt").unlink()


def of_mano(folder):
    data = load_torch(folder / "1.pt")
    data["hands"] = [hand | {"hand_model": "mano"} for hand in data["hands"]]
    save_torch(folder / "1.pt", data)


def of_other_mesh(folder):
    data = load_torch(folder / "1.pt")
    save_torch(folder / "1.pt", data | {"faces": data["faces"][:-2]})


def textures_of_one(folder):
    write_textures(folder, ("left",))


def textures_of_other_mesh(folder):
    write_textures(folder, faces=7)


def textures_of_other_size(folder):
    write_textures(folder, size=32)


def textures_with_rough_roughness(folder):
    write_textures(folder, roughness=3)


def textures_unseen(folder):
    write_textures(folder)
    seen = np.zeros((SIZE, 2 * SIZE), bool)
    seen[:, :SIZE] = True
    save_image(folder / "1_seen.png", seen)


def textures_lost(folder):
    write_textures(folder)
    (folder / "1_normal.png").unlink()


@NEEDS_GLB
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_results, "1.pt is missing; run mesh_sfs_optim.py on this scan first"),
        (of_mano, "MANO_LEFT.pkl is missing"),
        (of_other_mesh, "is not a mesh of the hand models that it names"),
        (textures_of_one, "it is of another reconstruction; run bake_textures.py"),
        (textures_of_other_mesh, "it is of another reconstruction; run bake_textures.py"),
        (textures_of_other_size, "1_albedo.png is 128x64 pixels, expected 64x32"),
        (textures_with_rough_roughness, "roughness is 3, expected a number from 0 to 1"),
        (textures_unseen, "no photo shows the right hand, whose texture is made up"),
        (textures_lost, "1_normal.png is missing; run bake_textures.py"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(folder, export, spoil, message):
    spoil(folder)
    before = sorted(path.name for path in folder.iterdir())
    done = export("--format", "glb,obj")
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("glb", "--format glb needs a package that is missing: pip install -r requirements-export"),
        ("usd", "--format usd needs a package that is missing: pip install usd-core"),
    ],
)
def test_packages_that_are_missing_are_named(folder, export, monkeypatch, name, message):
    monkeypatch.setattr("models.export.files.find_spec", lambda package: None)
    done = export("--format", f"obj,{name}")
    assert done.returncode == 2 and message in done.stderr
    assert not list(folder.glob("*.obj"))


def test_unknown_formats_are_named(export):
    done = export("--format", "glb,fbx")
    assert done.returncode == 2
    assert "--format glb,fbx: 'fbx' is none of glb, usd, obj, ply, bvh" in done.stderr


def without_uv(*args, **options):
    model = load_hand_model(*args, **options)
    model.uv = model.face_uv = None
    return model


def test_a_model_without_uvs(folder, export, monkeypatch):
    monkeypatch.setattr("models.hand.fitted.load_hand_model", without_uv)
    monkeypatch.setitem(sys.modules, "xatlas", None)
    done = export("--format", "obj")
    assert done.returncode == 2
    assert "need xatlas: pip install -r requirements-export.txt" in done.stderr


def test_a_model_without_uvs_is_unwrapped(monkeypatch):
    pytest.importorskip("xatlas", reason="xatlas is not installed")
    monkeypatch.setattr("models.hand.fitted.load_hand_model", without_uv)
    reconstruction = refined_hands(0)
    hand = skinned_hand(reconstruction, "left", scene_frame(reconstruction))
    assert ((hand.uv >= 0) & (hand.uv <= 1)).all()
    assert np.unique(hand.uv, axis=0).shape[0] > 0.9 * len(hand.uv)


@NEEDS_GLB
@pytest.mark.skipif(validator_folder() is None, reason=NO_VALIDATOR)
@pytest.mark.parametrize("options", [(), ("--no_textures",), ("--detail", "fine")])
def test_khronos_validator_has_nothing_against_it(folder, export, tmp_path, options):
    write_textures(folder)
    save_torch(tmp_path / "poses.pt", [load_torch(folder / "1.pt")["hands"]] * 2)
    assert export(*options, "--poses", tmp_path / "poses.pt").returncode == 0
    for path in folder.glob("*.glb"):
        issues = validator_issues(path)
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues


def blender_python() -> str | None:
    """A Python with bpy: BLENDER_PYTHON, or this one."""
    if "BLENDER_PYTHON" in os.environ:
        return os.environ["BLENDER_PYTHON"]
    return sys.executable if importlib.util.find_spec("bpy") else None


@NEEDS_GLB
@pytest.mark.slow
@pytest.mark.skipif(blender_python() is None, reason="no Python with bpy (CONTRIBUTING.md)")
def test_blender_imports_it_and_bends_a_finger(folder, export, tmp_path):
    write_textures(folder)
    assert export().returncode == 0
    script, picture = ROOT / "tests" / "scenes" / "blender_frame.py", tmp_path / "frame.png"
    done = subprocess.run(
        [blender_python(), str(script), str(folder / "1.glb"), str(picture), "left"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FACTS ")]
    facts = json.loads(line.removeprefix("FACTS "))
    assert sorted(facts["bones"]) == ["left_hand", "right_hand"]
    assert len(facts["bones"]["left_hand"]) == 16
    assert 0.15 < facts["size"] < 0.6  # metres, of two hands 0.2 m apart
    assert 0.05 < facts["moved_share"] < 0.5  # the index finger, and what its root drags along
    assert 0.02 < facts["moved_most"] < 0.12
    assert "left_albedo" in facts["images"]
    from utils.io.images import load_image

    frame = load_image(picture)
    hands = np.abs(frame - frame[0, 0]).max(-1) > 0.1
    assert 0.03 < hands.mean() < 0.7


def test_help_is_quick(run_script):
    done = run_script("export.py", "--help")
    assert done.returncode == 0 and "--detail" in done.stdout
