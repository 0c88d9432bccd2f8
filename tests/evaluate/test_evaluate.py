"""evaluate.py on hands whose scores are known: its numbers and its files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate
from models.evaluation.judge import evaluate_reconstruction
from models.ham.reconstruction import load_reconstruction
from tests.scenes.captures import ring_of_cameras
from tests.scenes.evaluation import metrics_of, results, run, write_reconstruction
from utils.cameras import Cameras
from utils.captures.camera_files import save_cameras
from utils.io.files import load_json, save_json
from utils.io.images import load_image, load_mask, save_image
from utils.io.meshes import load_mesh, save_mesh
from utils.photos.masks import MaskVerdict

ROOT = Path(__file__).parents[2]


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
    from utils.geometry.mesh import vertex_normals

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
    whole = MaskVerdict(0, True, True, 1.0, 0.0, 0.0, "agrees").as_dict()
    verdicts = [whole | {"believed": False}, whole, whole | {"made": True}]
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
    from models.evaluation.results import save_evaluation
    from utils.captures import load_capture
    from utils.captures.evaluation_views import own_views

    reconstruction = load_reconstruction(folders[1] / "demo_sfs" / "1", "1")
    views = own_views(load_capture(folders[0], "1"), reconstruction.cameras)
    grey = {"nr": lambda cameras: [np.full((*cameras.sizes[0].tolist(), 3), 0.4, np.float32)]}
    found = evaluate_reconstruction(reconstruction, views, renderers=grey)
    mean = found.metrics["mean"]
    assert mean["nr"]["psnr"] < 25 < mean["mesh"]["psnr"]
    save_evaluation(results(folders), reconstruction, views, found)
    image, mask = (results(folders) / f"{name}_00.png" for name in ("nr", "mesh_mask"))
    image, mask = load_image(image), load_mask(mask)
    assert image[mask] == pytest.approx(0.4, abs=0.01) and (image[~mask] == 0).all()


def test_a_neural_renderer_that_was_trained_is_scored(folders, truth, capsys, monkeypatch):
    """It and its mesh; one that can't be read, or is of another mesh, is left out and said."""
    from models.neural import checkpoint, painter

    path = folders[1] / "demo_sfs" / "1" / "checkpoints" / "unet_1.pth"
    path.parent.mkdir()
    path.write_bytes(b"not a checkpoint")
    assert "nr" not in metrics_of(folders)["mean"]
    assert "neural renderer left out: " in capsys.readouterr().out

    class Grey:
        def __init__(self, hands, found):
            self.verts = found.verts + np.array([0.001, 0, 0])

        def extended(self, camera):
            return [np.full((*camera.sizes[0].tolist(), 3), 0.4, np.float32)]

    monkeypatch.setattr(checkpoint, "load_checkpoint", lambda *args: None)
    monkeypatch.setattr(painter, "WorldPainter", Grey)
    path.touch()
    metrics = metrics_of(folders, "--overwrite", *truth)
    assert metrics["mean"]["nr"]["psnr"] < 25
    surface = metrics["truth"]["surface"]
    assert surface["all"]["chamfer_mm"] < 1e-4 < 0.3 < surface["nr's mesh"]["chamfer_mm"] < 1
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


def test_help_teaches():
    command = [sys.executable, "evaluate.py", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0 and "--gt_mesh" in shown.stdout and "%02d.png" in shown.stdout


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
