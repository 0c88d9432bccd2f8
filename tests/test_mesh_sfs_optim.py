"""The script from the shell: its results, its messages, and what it does when called again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mesh_sfs_optim
from tests.scenes.ham import hand_scene
from utils.io.files import load_json, save_torch
from utils.io.images import load_image, save_image
from utils.io.meshes import load_mesh, save_mesh

ROOT = Path(__file__).parents[1]
LEVELS = "ham_levels=[{verts=1000, image_scale=0.5, steps=2, lr=0.005, smoothness=20}]"


@pytest.fixture(scope="module")
def one_hand():
    return hand_scene(sides=("right",), views=3, pixels=80)


@pytest.fixture
def folders(one_hand, tmp_path):
    """D with scan 1 of one hand, and O as mano_optim.py leaves it."""
    one_hand.write_capture(tmp_path / "data" / "1")
    one_hand.write_fit(tmp_path / "out" / "mano_out")
    return tmp_path / "data", tmp_path / "out"


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Tiny images: threads would only wait for each other."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def arguments(folders, *more: str) -> list[str]:
    data, out = map(str, folders)
    return [
        "--data_path",
        data,
        "--out_path",
        out,
        "--device",
        "cpu",
        "--set",
        LEVELS,
        "textures=none",
        *more,
    ]


def run(folders, *more: str) -> int:
    return mesh_sfs_optim.main(arguments(folders, *more))


def from_the_shell(*args: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "mesh_sfs_optim.py", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_help_teaches():
    shown = from_the_shell("--help")
    assert shown.returncode == 0
    assert "python mesh_sfs_optim.py --data_path demo_data --scan_id 1" in shown.stdout


@pytest.mark.slow
def test_one_hand_from_the_shell_and_again(folders):
    first = from_the_shell(*arguments(folders))
    assert first.returncode == 0, first.stderr
    assert "level 1 of 1" in first.stdout and "PSNR" in first.stdout
    folder = folders[1] / "demo_sfs" / "1"
    for name in ("1.obj", "ori_1.obj", "1_c.obj", "1.ply", "1.pt", "1_right_tpose.obj"):
        assert (folder / name).is_file(), name
    assert not (folder / "1_left_tpose.obj").exists()
    assert not (folder / ".progress.pt").exists()
    assert len(list((folder / "rerender").glob("mesh_*.png"))) == 3
    record = load_json(folders[1] / "runs" / "1_mesh_sfs_optim.json")
    assert record["config"]["ham_levels"][0]["steps"] == 2 and record["peak_memory_gb"] > 0

    before = (folder / "1.obj").stat().st_mtime_ns
    second = from_the_shell(*arguments(folders))
    assert second.returncode == 0
    assert "up to date (--overwrite runs it again)" in second.stdout
    assert (folder / "1.obj").stat().st_mtime_ns == before


def test_textures_are_baked_at_the_end_and_evaluated(folders, capsys):
    import bake_textures
    import evaluate

    assert run(folders, "--set", "textures=all", "texture_size=64") == 0
    folder = folders[1] / "demo_sfs" / "1"
    assert (folder / "1_albedo.png").is_file() and (folder / "1_normal.png").is_file()
    data, out = map(str, folders)
    own = ["--data_path", data, "--out_path", out]
    again = [*own, "--set", "texture_size=64"]
    assert bake_textures.main(again) == 0
    assert "up to date" in capsys.readouterr().out
    (folder / "overlay" / "00.png").unlink()  # which the textures' stage draws, too
    assert bake_textures.main(again) == 0
    assert (folder / "overlay" / "00.png").is_file()
    assert evaluate.main(own) == 0
    with_texture = load_json(folder / "eval" / "fitted" / "metrics.json")["mean"]["mesh"]["psnr"]
    assert evaluate.main([*own, "--no-texture"]) == 0
    without = load_json(folder / "eval" / "fitted" / "metrics.json")["mean"]["mesh"]["psnr"]
    assert with_texture != without and with_texture > without - 0.2


def test_two_hands(tmp_path):
    scene = hand_scene(views=3, pixels=80)
    scene.write_capture(tmp_path / "data" / "1")
    scene.write_fit(tmp_path / "out" / "mano_out")
    assert run((tmp_path / "data", tmp_path / "out")) == 0
    folder = tmp_path / "out" / "demo_sfs" / "1"
    sizes = [len(load_mesh(folder / f"1_{side}_tpose.obj")[0]) for side in ("left", "right")]
    assert len(load_mesh(folder / "1.obj")[0]) == sum(sizes) and sizes[0] == sizes[1]


def test_masks_may_be_missing(one_hand, tmp_path, capsys):
    one_hand.write_capture(tmp_path / "data" / "1", masks=False)
    one_hand.write_fit(tmp_path / "out" / "mano_out")
    assert run((tmp_path / "data", tmp_path / "out")) == 0
    metrics = load_json(tmp_path / "out" / "demo_sfs" / "1" / "metrics.json")
    assert metrics["levels"][0]["last"]["mask"] == 0
    assert metrics["fitted_views"]["iou"] is None  # nothing to compare with, and said so


def test_new_inputs_and_settings_run_again(folders, capsys):
    assert run(folders) == 0
    assert run(folders) == 0
    assert "up to date" in capsys.readouterr().out
    assert run(folders, "--set", "degree=1") == 0
    assert "up to date" not in capsys.readouterr().out
    data = torch.load(folders[1] / "demo_sfs" / "1" / "1.pt", weights_only=True)
    assert data["sh_coeff"].shape == (3, 1)
    mask = folders[0] / "1" / "mask" / "00.png"
    save_image(mask, load_image(mask))
    assert run(folders, "--set", "degree=1") == 0
    assert "up to date" not in capsys.readouterr().out


# --- interruption --------------------------------------------------------------------------------
TWO_LEVELS = LEVELS.replace(
    "}]", "}, {verts=1000, image_scale=1.0, steps=1, lr=0.005, smoothness=20}]"
)


@pytest.fixture
def interrupted(folders, monkeypatch, capsys):
    """A run that Ctrl-C stops in its second level."""
    from models.ham import refine as ham

    plain, calls = ham.refine_level, []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(*args)

    monkeypatch.setattr(ham, "refine_level", stopped)
    assert run(folders, "--set", TWO_LEVELS) == 130
    assert "run the same command to go on" in capsys.readouterr().err
    monkeypatch.undo()
    folder = folders[1] / "demo_sfs" / "1"
    assert [path.name for path in folder.iterdir()] == [".progress.pt"]  # nothing half-written
    return folders


def test_an_interrupted_run_goes_on(interrupted, capsys):
    assert run(interrupted, "--set", TWO_LEVELS) == 0
    assert "going on after level 1" in capsys.readouterr().out
    folder = interrupted[1] / "demo_sfs" / "1"
    assert len(load_json(folder / "metrics.json")["levels"]) == 2
    assert not (folder / ".progress.pt").exists()


def test_overwrite_starts_afresh(interrupted, capsys):
    assert run(interrupted, "--set", TWO_LEVELS, "--overwrite") == 0
    assert "going on" not in capsys.readouterr().out


def test_a_new_mask_starts_afresh(interrupted, capsys):
    mask = interrupted[0] / "1" / "mask" / "00.png"
    save_image(mask, load_image(mask))
    assert run(interrupted, "--set", TWO_LEVELS) == 0
    assert "going on" not in capsys.readouterr().out


def test_another_setting_starts_afresh(interrupted, capsys):
    assert run(interrupted, "--set", TWO_LEVELS, "--set", "lap_weight=0.5") == 0
    assert "going on" not in capsys.readouterr().out


def test_another_fit_starts_afresh(interrupted, capsys):
    """Even one whose files are no newer: the vertices tell."""
    path = interrupted[1] / "mano_out" / "1.obj"
    before = path.stat()
    verts, faces = load_mesh(path)
    save_mesh(path, verts + 0.001, faces)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(interrupted, "--set", TWO_LEVELS) == 0
    assert "going on" not in capsys.readouterr().out


# --- messages ------------------------------------------------------------------------------------
def refused(folders, capsys, *more: str) -> str:
    """The one line that a run ends with; nothing may have been written."""
    assert run(folders, *more) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "\n" not in error
    assert not (folders[1] / "demo_sfs").exists()
    return error


def test_before_its_predecessor(one_hand, tmp_path, capsys):
    one_hand.write_capture(tmp_path / "data" / "1")
    error = refused((tmp_path / "data", tmp_path / "out"), capsys)
    assert "mano_out/1.pt is missing; run mano_optim.py on this scan first" in error


def test_before_the_predecessor_that_the_config_names(folders, capsys):
    error = refused(folders, capsys, "--set", "input_mesh_dire=gcn_out")
    assert "gcn_out/1.pt is missing; run multihands_mano.py" in error


def test_a_foreign_parameters_file(folders, capsys):
    save_torch(folders[1] / "mano_out" / "1.pt", {"weights": torch.zeros(3)})
    assert "1.pt holds no hand parameters" in refused(folders, capsys)


@pytest.mark.parametrize("size", [1629, 3258])
def test_a_mesh_of_another_topology(folders, capsys, size):
    """It would only show after minutes, when the hands are taken into their rest pose."""
    path = folders[1] / "mano_out" / "1.obj"
    verts, faces = load_mesh(path)
    if size == len(verts):
        faces = faces[::-1]
    else:
        verts, faces = verts.repeat(2, 0), faces
    save_mesh(path, verts, faces)
    error = refused(folders, capsys)
    assert "1.obj" in error and "is not the mesh of the right open hand" in error


def test_photos_that_do_not_fit_in_memory(folders, capsys, monkeypatch):
    """Told before anything is made of them: the settings are not the shipped ones."""
    monkeypatch.setattr("models.ham.budget.free_memory", lambda device: 300_000_000)
    error = refused(folders, capsys)
    assert "photo_scale 1 would need about" in error and "0.3 GB are free; " in error


def test_a_missing_photo(folders, capsys):
    (folders[0] / "1" / "img" / "01.png").unlink()
    assert "01.png is missing" in refused(folders, capsys)


def test_a_truncated_photo(folders, capsys):
    path = folders[0] / "1" / "img" / "01.png"
    path.write_bytes(path.read_bytes()[:-100])
    assert "01.png is truncated" in refused(folders, capsys)


def test_a_mask_of_another_size(folders, capsys):
    path = folders[0] / "1" / "mask" / "02.png"
    save_image(path, load_image(path)[:40])
    assert "02.png is 80x40, expected 80x80" in refused(folders, capsys)


def test_a_mistyped_setting(folders, capsys):
    assert "did you mean 'mask_weight'" in refused(folders, capsys, "--set", "mask_wieght=2")


def test_an_unwritable_output(folders, capsys):
    blocked = folders[1] / "demo_sfs"
    blocked.write_text("a file where a folder should be")
    assert run(folders) == 2
    assert "cannot write" in capsys.readouterr().err
