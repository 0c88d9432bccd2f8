"""evaluate.py on hands whose scores are known: its numbers, its files and its messages."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate
from models.reconstruction import load_reconstruction
from tests.evaluation_scenes import write_reconstruction
from tests.ham_scenes import hand_scene
from tests.scenes import ring_of_cameras
from utils.captures.demo import save_cameras
from utils.files import (
    load_image,
    load_json,
    load_mask,
    load_mesh,
    save_image,
    save_json,
    save_mesh,
)
from utils.keypoints import save_keypoints

ROOT = Path(__file__).parents[1]
VIEWS = 3


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


def run(folders, *more: object) -> int:
    data, out = map(str, folders)
    return evaluate.main(
        ["--data_path", data, "--out_path", out, "--device", "cpu", *map(str, more)]
    )


def results(folders, name="fitted"):
    return folders[1] / "demo_sfs" / "1" / "eval" / name


def metrics_of(folders, *more: object, name="fitted") -> dict:
    assert run(folders, *more) == 0
    return load_json(results(folders, name) / "metrics.json")


# --- numbers -------------------------------------------------------------------------------------
def test_a_perfect_reconstruction(folders, truth, capsys):
    found = metrics_of(folders, *truth)
    mean = found["mean"]
    assert mean["mask"]["iou"] == mean["mask"]["precision"] == mean["mask"]["recall"] == 1
    # Photos are rounded to 8 bits: 20 log10(255 sqrt(12)) = 58.9 dB.
    assert mean["mesh"]["psnr"] > 55 and mean["mesh"]["psnr_aligned"] > 55
    assert mean["mesh"]["ssim"] > 0.999 and (mean["mesh"]["flip"] or 0) < 0.01
    surface = found["truth"]["surface"]
    for name in ("all", "left", "right"):
        assert surface[name]["chamfer_mm"] < 1e-4  # .ply holds doubles, the scene single precision
        assert surface[name]["f_score"]["0.5_mm"] == 1
    assert found["truth"]["unit"] == "metre"
    assert found["truth"]["keypoints"]["all"]["max_mm"] < 1e-3
    shown = capsys.readouterr().out
    assert "the capture's own cameras" in shown and "LPIPS:" in shown and "Chamfer" in shown


def test_another_light_is_aligned(folders, scene):
    """Photos of 0.8 times the brightness plus 0.05: 20 dB or so as they are, exact when aligned."""
    for view, image in enumerate(scene.images):
        save_image(folders[0] / "1" / "img" / f"{view:02d}.png", 0.8 * image + 0.05)
    mean = metrics_of(folders)["mean"]["mesh"]
    assert mean["psnr"] < 30 and mean["psnr_aligned"] > 50


def test_an_inflated_mesh(folders, scene, truth):
    """1 mm outwards along the normals: error 1 mm, and masks that are too large."""
    from utils.mesh import vertex_normals

    normals = vertex_normals(scene.true, torch.from_numpy(scene.faces))
    write_reconstruction(folders[1] / "demo_sfs" / "1", scene, scene.true + 0.001 * normals)
    found = metrics_of(folders, *truth)
    surface = found["truth"]["surface"]["all"]
    # Between fingers, the other finger is nearer than the own skin: a little less.
    assert surface["to_truth"]["mean_mm"] == pytest.approx(1, abs=0.1)
    assert surface["f_score"]["0.5_mm"] < 0.2 and surface["f_score"]["2_mm"] > 0.99
    mask = found["mean"]["mask"]
    assert mask["precision"] < 0.98 and mask["recall"] > 0.999


def test_millimetres_of_a_world_in_millimetres(folders, scene, tmp_path):
    write_reconstruction(folders[1] / "demo_sfs" / "1", scene, scene.true + 0.002, unit=1000)
    save_mesh(tmp_path / "gt.ply", 1000 * scene.true.numpy(), scene.faces)
    save_cameras(tmp_path / "far.npz", scene.cameras, None)
    found = metrics_of(
        folders,
        "--gt_mesh",
        tmp_path / "gt.ply",
        "--cameras",
        mm_cameras(scene, tmp_path),
        name="mm",
    )
    assert found["truth"]["unit"] == "millimetre"
    assert 0.5 < found["truth"]["surface"]["all"]["chamfer_mm"] < 2 * 3**0.5


def mm_cameras(scene, folder):
    from utils.cameras import Cameras

    cameras = scene.cameras
    path = folder / "mm.npz"
    save_cameras(path, Cameras(cameras.K, cameras.R, 1000 * cameras.t, cameras.sizes), None)
    return path


def test_a_hand_that_the_truth_lacks(folders, scene, one_hand, tmp_path, capsys):
    size = len(scene.true) // 2
    right = scene.faces[scene.faces[:, 0] >= size] - size
    save_mesh(tmp_path / "gt.ply", scene.true.numpy()[size:], right)
    found = metrics_of(folders, "--gt_mesh", tmp_path / "gt.ply")
    assert found["truth"]["surface"]["all"]["absent_in_truth"] == ["left"]
    assert found["truth"]["surface"]["all"]["chamfer_mm"] < 1e-4
    assert "the truth holds no left hand" in capsys.readouterr().out


# --- what there may be to compare with -----------------------------------------------------------
@pytest.fixture
def cameras_file(tmp_path):
    path = tmp_path / "held" / "param.npz"
    save_cameras(path, ring_of_cameras(2, (100, 140), 200.0), None)
    return path


def test_any_cameras_without_photos(folders, cameras_file):
    found = metrics_of(folders, "--cameras", cameras_file, name="held")
    assert len(found["views"]) == 2 and found["mean"] == {"mask": None}
    assert {view["status"] for view in found["views"]} == {"no photo"}
    assert "average" in found["light"]
    names = {path.name for path in results(folders, "held").iterdir()}
    assert {"mesh_00.png", "mesh_01.png", "mesh_mask_01.png", "metrics.json"} <= names
    assert "sheet.png" not in names
    assert load_mask(results(folders, "held") / "mesh_mask_00.png").any()


@pytest.mark.parametrize(
    ("stated", "size"),
    [(None, (120, 120)), ([(90, 130), (80, 120)], (90, 130))],
)
def test_sizes_of_cameras_without_photos(folders, scene, tmp_path, stated, size):
    """Principal points near the middle of the capture's images, or the file says."""
    save_cameras(tmp_path / "c.npz", scene.cameras[:2], None)
    if stated:
        with np.load(tmp_path / "c.npz") as file:
            np.savez(tmp_path / "c.npz", **dict(file), sizes=stated)
    found = metrics_of(folders, "--cameras", tmp_path / "c.npz", name="c")
    image = load_image(results(folders, "c") / "mesh_00.png")
    assert image.shape[:2] == size
    assert found["image_size_from"] == ("the cameras' file" if stated else "the capture")


def test_sizes_from_principal_points(folders, cameras_file, tmp_path):
    far = ring_of_cameras(2, (300, 400), 600.0)
    save_cameras(cameras_file, far, None)
    found = metrics_of(folders, "--cameras", cameras_file, name="held")
    assert found["image_size_from"] == "the principal points"
    # 2 c + 1 of ring_of_cameras's principal point (W / 2 - 3, H / 2 + 2)
    assert load_image(results(folders, "held") / "mesh_00.png").shape[:2] == (305, 395)


def test_photos_without_masks(folders, scene, capsys):
    for path in (folders[0] / "1" / "mask").glob("*.png"):
        path.unlink()
    found = metrics_of(folders)
    assert found["mean"]["mask"] is None and found["mean"]["mesh"]["psnr"] > 55
    assert "no masks" in capsys.readouterr().out


def test_masks_without_photos(folders, scene, tmp_path):
    save_cameras(tmp_path / "own.npz", scene.cameras, None)
    masks = folders[0] / "1" / "mask"
    found = metrics_of(folders, "--cameras", tmp_path / "own.npz", "--masks", masks, name="own")
    assert found["mean"]["mask"]["iou"] == 1 and "mesh" not in found["mean"]
    assert (results(folders, "own") / "compare_00.png").is_file()


def test_an_empty_mask_and_one_elsewhere_are_no_numbers(folders, scene, capsys):
    empty = np.zeros_like(scene.masks[0])
    save_image(folders[0] / "1" / "mask" / "00.png", empty)
    empty[:5, :5] = True
    save_image(folders[0] / "1" / "mask" / "01.png", empty)
    found = metrics_of(folders)
    first, second, third = found["views"]
    assert first["status"] == "the mask is empty" and first["mask"]["iou"] is None
    assert second["status"] == "the mask does not overlap the rendered hand"
    assert "mesh" not in first and "mesh" not in second and third["status"] == "ok"
    assert found["mean"]["mesh"]["views"] == 1
    assert "the mask is empty" in capsys.readouterr().out


def test_masks_that_the_fit_did_not_believe_have_a_mean_of_their_own(folders, scene, capsys):
    """One lies and one was made anew: the mean over what is left is that of a perfect hand."""
    half = scene.masks[0].copy()
    half[:60] = False
    save_image(folders[0] / "1" / "mask" / "00.png", half)
    verdicts = [{"believed": False}, {"believed": True}, {"believed": True, "made": True}]
    save_json(folders[1] / "mano_out" / "1_masks.json", verdicts)
    mean = metrics_of(folders)["mean"]
    assert mean["mask"]["iou"] < 0.97 and mean["mask_believed"]["iou"] == 1
    assert mean["mask_believed"]["views"] == 1
    assert "mean, believed masks" in capsys.readouterr().out


def test_a_view_without_the_hands(folders, scene, tmp_path):
    """A camera that looks away says so; the others are scored."""
    turned = scene.cameras[[0, 1]]
    turned.R[1, [0, 2]] *= -1
    turned.t[1, [0, 2]] *= -1
    save_cameras(tmp_path / "c.npz", turned, None)
    found = metrics_of(folders, "--cameras", tmp_path / "c.npz", name="c")
    assert [view["status"] for view in found["views"]] == ["no photo", "no hand in this view"]


def test_other_renderers_are_scored_beside_mesh_shading(folders, scene):
    from models.evaluation_results import save_evaluation
    from utils.captures import load_capture
    from utils.captures.evaluation_views import own_views

    reconstruction = load_reconstruction(folders[1] / "demo_sfs" / "1", "1")
    views = own_views(load_capture(folders[0], "1"), reconstruction.cameras)
    grey = {"nr": lambda cameras: [np.full((*cameras.sizes[0].tolist(), 3), 0.4, np.float32)]}
    found = evaluate.evaluate_reconstruction(reconstruction, views, renderers=grey)
    mean = found.metrics["mean"]
    assert mean["nr"]["psnr"] < 25 < mean["mesh"]["psnr"]
    save_evaluation(results(folders), reconstruction, views, found)
    assert load_image(results(folders) / "nr_00.png")[0, 0, 0] == pytest.approx(0.4, abs=0.01)


def test_a_neural_renderer_that_was_trained_is_scored(folders, scene, capsys, monkeypatch):
    """One that can't be read, or is of another mesh, is left out and that is said."""
    from models import neural_checkpoint, neural_results

    path = folders[1] / "demo_sfs" / "1" / "checkpoints" / "unet_1.pth"
    path.parent.mkdir()
    path.write_bytes(b"not a checkpoint")
    assert "nr" not in metrics_of(folders)["mean"]
    assert "neural renderer left out: " in capsys.readouterr().out

    class Grey:
        def __init__(self, hands, found):
            pass

        def extended(self, camera):
            return [np.full((*camera.sizes[0].tolist(), 3), 0.4, np.float32)]

    monkeypatch.setattr(neural_checkpoint, "load_checkpoint", lambda *args: None)
    monkeypatch.setattr(neural_results, "WorldPainter", Grey)
    path.touch()
    assert metrics_of(folders, "--overwrite")["mean"]["nr"]["psnr"] < 25
    assert (results(folders) / "nr_00.png").is_file()


# --- files and reruns ----------------------------------------------------------------------------
def test_files_and_a_second_run(folders, truth, capsys):
    assert run(folders, *truth) == 0
    table = capsys.readouterr().out
    folder = results(folders)
    for name in ("compare_02.png", "sheet.png", "error.ply", "error.png", "table.txt"):
        assert (folder / name).is_file(), name
    np.testing.assert_array_equal(
        load_mask(folder / "mesh_mask_00.png"), load_image(folder / "mesh_00.png").any(-1)
    )
    assert len(load_mesh(folder / "error.ply")[0]) == len(load_mesh(truth[1])[0])
    before = (folder / "metrics.json").stat().st_mtime_ns
    assert run(folders, *truth) == 0
    again = capsys.readouterr().out
    assert "up to date" in again and (folder / "table.txt").read_text() in again
    assert (folder / "table.txt").read_text() in table
    assert (folder / "metrics.json").stat().st_mtime_ns == before
    assert run(folders) == 0  # without ground truth: other options
    assert "up to date" not in capsys.readouterr().out


def test_help_is_quick_and_teaches():
    start = time.perf_counter()
    command = [sys.executable, "evaluate.py", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    assert shown.returncode == 0 and "--gt_mesh" in shown.stdout and "%02d.png" in shown.stdout
    assert seconds < 2


# --- messages ------------------------------------------------------------------------------------
def refused(folders, capsys, *more: object) -> str:
    """The one line that a run ends with; nothing may have been written."""
    assert run(folders, *more) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert not (folders[1] / "demo_sfs" / "1" / "eval").exists()
    return error


def test_before_its_predecessor(folders, capsys):
    (folders[1] / "demo_sfs" / "1" / "1.pt").unlink()
    assert "1.pt is missing; run mesh_sfs_optim.py" in refused(folders, capsys)


def test_a_foreign_reconstruction(folders, capsys):
    from utils.files import load_torch, save_torch

    path = folders[1] / "demo_sfs" / "1" / "1.pt"
    whole = load_torch(path)
    save_torch(path, {"verts": torch.zeros(3, 3)})
    assert "1.pt has no albedo, cameras" in refused(folders, capsys)
    save_torch(path, whole | {"faces": whole["faces"][1:]})
    assert "not a mesh of the hand models" in refused(folders, capsys)


def test_another_number_of_photos(folders, capsys):
    cameras = ring_of_cameras(2, (120, 120), 400.0)
    save_cameras(folders[0] / "1" / "camera" / "param.npz", cameras, None)
    (folders[0] / "1" / "img" / "02.png").unlink()
    assert "holds 2 photos, the reconstruction 3 views" in refused(folders, capsys)


def test_more_photos_than_cameras(folders, cameras_file, capsys):
    images = folders[0] / "1" / "img"
    error = refused(folders, capsys, "--cameras", cameras_file, "--images", images)
    assert "expected 00.png to 01.png for 2 cameras, found also 02.png" in error


@pytest.mark.parametrize("option", ["--images", "--masks"])
def test_folders_that_are_not_there_or_empty(folders, option, tmp_path, capsys):
    assert "nowhere is no folder" in refused(folders, capsys, option, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "found none" in refused(folders, capsys, option, tmp_path / "empty")


def test_a_mask_of_another_size(folders, scene, capsys):
    path = folders[0] / "1" / "mask" / "01.png"
    save_image(path, scene.masks[1][:60])
    assert "01.png is 120x60, expected 120x120" in refused(folders, capsys)


def test_photos_of_another_scale_than_the_cameras(folders, scene, tmp_path, capsys):
    """Half-size photos beside full-size intrinsics."""
    save_cameras(tmp_path / "c.npz", scene.cameras, None)
    for view, image in enumerate(scene.images):
        save_image(tmp_path / "half" / f"{view:02d}.png", image[::2, ::2])
    options = ("--cameras", tmp_path / "c.npz", "--images", tmp_path / "half")
    error = refused(folders, capsys, *options)
    assert "camera 0 seems to be of images 1.9 times as large as its 60x60" in error


def test_stated_sizes_that_are_none(folders, scene, tmp_path, capsys):
    save_cameras(tmp_path / "c.npz", scene.cameras, None)
    with np.load(tmp_path / "c.npz") as file:
        np.savez(tmp_path / "c.npz", **dict(file), sizes=[(120, 120)])
    error = refused(folders, capsys, "--cameras", tmp_path / "c.npz")
    assert "sizes is (1, 2), expected (3, 2)" in error


def test_cameras_of_another_convention(folders, scene, tmp_path, capsys):
    """OpenGL's cameras look along -z: the hands lie behind them all."""
    turned = scene.cameras
    flip = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
    turned = type(turned)(turned.K, flip @ turned.R, turned.t @ flip, turned.sizes)
    save_cameras(tmp_path / "gl.npz", turned, None)
    error = refused(folders, capsys, "--cameras", tmp_path / "gl.npz")
    assert "behind every camera" in error and "expected OpenCV's K [R | t]" in error


def test_cameras_of_another_world(folders, scene, tmp_path, capsys):
    moved = type(scene.cameras)(
        scene.cameras.K, scene.cameras.R, scene.cameras.t + 2, scene.cameras.sizes
    )
    save_cameras(tmp_path / "c.npz", moved, None)
    assert "beside every image" in refused(folders, capsys, "--cameras", tmp_path / "c.npz")


def test_a_truth_in_other_units(folders, scene, tmp_path, capsys):
    save_mesh(tmp_path / "gt.ply", 1000 * scene.true.numpy(), scene.faces)
    error = refused(folders, capsys, "--gt_mesh", tmp_path / "gt.ply")
    assert "1000 times as large" in error and "divide it by 1000" in error


def test_keypoints_in_other_units_or_elsewhere(folders, truth, keypoints, capsys):
    save_keypoints(truth[3], 1000 * keypoints)
    error = refused(folders, capsys, *truth[2:])
    assert "set of true keypoints is 1000 times as large" in error
    save_keypoints(truth[3], keypoints + 1)
    assert "set of true keypoints lies 1.73 world units" in refused(folders, capsys, *truth[2:])
    save_keypoints(truth[3], np.full_like(keypoints, np.nan))
    assert "hold none of the left and right hand" in refused(folders, capsys, *truth[2:])
    Path(truth[3]).write_text("1 2 3\n")
    assert "give the true keypoints, 42 rows" in refused(folders, capsys, *truth[2:])


def test_a_truth_that_is_not_there(folders, tmp_path, capsys):
    assert "gt.ply is missing" in refused(folders, capsys, "--gt_mesh", tmp_path / "gt.ply")


def test_names_are_folder_names(folders, capsys):
    assert "--name a/b: expected a plain folder name" in refused(folders, capsys, "--name", "a/b")


# --- the ablation --------------------------------------------------------------------------------
@pytest.mark.slow
def test_an_ablation_of_the_demo_from_the_shell(tmp_path):
    """All stages on demo_data, small: a refined hand is nearer to the truth than its start."""
    level = "ham_levels=[{{verts=1600, image_scale=0.5, steps={}, lr=0.02, smoothness=20}}]"
    (tmp_path / "parts.conf").write_text(
        "parts = [{name = refined, set = ['%s']}, {name = start, set = ['%s']}]".replace("'", '"')
        % (level.format(25), level.format(0))
    )
    command = [sys.executable, "evaluate.py", "--ablation", "--device", "cpu"]
    command += ["--parts", str(tmp_path / "parts.conf"), "--out_path", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert "| refined | " in done.stdout and "held-out views" in done.stdout
    parts = load_json(tmp_path / "out" / "ablation.json")["parts"]
    start, refined = (next(iter(parts[name].values())) for name in ("start", "refined"))
    errors = [m["truth"]["surface"]["all"]["to_truth"]["mean_mm"] for m in (start, refined)]
    assert errors[1] < 0.8 * errors[0]
    assert start["mean"]["mask"]["iou"] < refined["mean"]["mask"]["iou"]
    assert start["seconds"] > 0 and len(refined["views"]) == 2


def test_an_ablation_of_nothing(tmp_path, capsys):
    assert evaluate.main(["--ablation", "--parts", str(tmp_path / "none.conf")]) == 2
    assert "no such file; see conf/ablation.conf" in capsys.readouterr().err
