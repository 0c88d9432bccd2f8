"""What mesh_sfs_optim.py writes: all of its contract, in world coordinates."""

import numpy as np
import pytest
import torch
import trimesh

import mesh_sfs_optim
from models.ham.results import save_results
from models.hand import load_hand_model
from models.hand.fitted import load_hands
from tests.scenes.ham import hand_scene
from utils.captures import load_capture
from utils.draw import STRIP
from utils.io.files import load_json
from utils.io.images import load_image
from utils.io.meshes import load_mesh
from utils.stage.config import Config, load_config

VIEWS = 4
OBJ = 1e-9  # metres, of a hand's 0.1: eight digits of its size in an .obj


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two hands after one short level on a mesh subdivided once, and all files of that."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny images: threads would only wait for each other
    folder = tmp_path_factory.mktemp("results")
    scene = hand_scene(views=VIEWS, pixels=100)
    scene.write_capture(folder / "data" / "7")
    scene.write_fit(folder / "mano_out", "7")
    capture, hands = load_capture(folder / "data", "7"), load_hands(folder / "mano_out", "7")
    level = Config(verts=2000, image_scale=1.0, steps=4, lr=0.005, smoothness=20.0)
    config = Config(load_config(), ham_levels=[level], albedo_lr=0.002, sh_lr=0.002)  # few steps
    result = mesh_sfs_optim.refine_mesh(capture, hands, config)
    outputs = save_results(folder / "out", "7", hands, result, config)
    torch.set_num_threads(threads)
    return folder / "out", outputs, result, hands, scene


def test_every_file_of_the_contract_is_there(written):
    folder, outputs, *_ = written
    names = {"ori_7.obj", "7.obj", "7_c.obj", "7.ply", "7.pt", "metrics.json", "config.json"}
    names |= {"7_left_tpose.obj", "7_right_tpose.obj", "losses.png"}
    names |= {f"rerender/mesh_{view:02d}.png" for view in range(VIEWS)}
    names |= {f"overlay/{view:02d}.png" for view in range(VIEWS)}
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found == names  # and no temporary file is left
    assert all(path.is_file() for path in outputs)
    assert {path.name for path in outputs} >= {"7.obj", "7.pt", "7.ply", "metrics.json"}


def test_meshes_share_topology_and_stand_in_the_world(written):
    folder, _, result, hands, _ = written
    verts, faces = load_mesh(folder / "7.obj")
    start, start_faces = load_mesh(folder / "ori_7.obj")
    np.testing.assert_array_equal(faces, start_faces)
    np.testing.assert_array_equal(faces, result.state.faces)
    np.testing.assert_allclose(verts, result.verts_world(), rtol=0, atol=OBJ)
    # The start is the fitted hands, subdivided: each one's old vertices come first, moved by
    # Loop's rule by less than an edge (some 8 mm), and stand where the hands are, in metres.
    assert len(verts) == len(start) > 2 * 2000
    size, old = len(start) // 2, len(hands.verts) // 2
    placed = np.concatenate([start[:old], start[size : size + old]])
    moved = np.linalg.norm(placed - hands.verts, axis=1)
    assert moved.max() < 0.008 and np.median(moved) < 0.001
    # Four steps of 0.005 of a hand's radius (0.1 m) are 2 mm.
    assert 0 < np.linalg.norm(verts - start, axis=1).max() < 0.0025


def test_left_hand_comes_first(written):
    folder, _, _, hands, _ = written
    verts, _ = load_mesh(folder / "7.obj")
    half = len(verts) // 2
    centres = [part.mean(0) for part in (verts[:half], verts[half:])]
    for centre, part in zip(centres, hands.slices()):
        np.testing.assert_allclose(centre, hands.verts[part].mean(0), atol=0.003)


def test_coloured_meshes_hold_the_albedo(written):
    folder, _, result, *_ = written
    albedo = result.state.appearance.albedo.clamp(0, 1).numpy()
    for name in ("7_c.obj", "7.ply"):
        mesh = trimesh.load(folder / name, process=False)
        # 8 bits in the PLY, and in what trimesh makes of the OBJ's floats
        np.testing.assert_allclose(mesh.visual.vertex_colors[:, :3] / 255, albedo, atol=1 / 255)
        np.testing.assert_allclose(mesh.vertices, result.verts_world(), rtol=0, atol=OBJ)


def test_parameters_load_without_pickled_code(written):
    folder, _, result, *_ = written
    data = torch.load(folder / "7.pt", weights_only=True)
    assert set(data) == {
        "albedo", "sh_coeff", "gain", "lobes", "verts", "faces", "subdivisions", "hands",
        "world_from_hand_units", "cameras", "view_names",
    }  # fmt: skip
    count = len(result.state.verts)
    assert data["albedo"].shape == data["verts"].shape == (count, 3)
    assert data["sh_coeff"].shape == (VIEWS, 9) and data["gain"].shape == (VIEWS, 3)
    assert data["subdivisions"] == 1
    assert [hand["type"] for hand in data["hands"]] == ["left", "right"]
    np.testing.assert_array_equal(data["verts"].numpy(), result.verts_world())
    np.testing.assert_array_equal(data["faces"].numpy(), result.state.faces)


def test_stored_cameras_and_frame_project_as_the_captures_do(written):
    folder, *_, scene = written
    data = torch.load(folder / "7.pt", weights_only=True)
    scale, *offset = data["world_from_hand_units"]
    verts = data["verts"]
    in_hand_units = (verts - torch.tensor(offset, dtype=torch.float64)) / scale
    cameras = data["cameras"]
    px = in_hand_units @ (cameras["K"] @ cameras["R"]).transpose(1, 2)
    px = px + (cameras["K"] @ cameras["t"][..., None]).transpose(1, 2)
    found = px[..., :2] / px[..., 2:]
    torch.testing.assert_close(found, scene.cameras.project(verts), atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_rest_pose_is_posed_back_into_the_result(written, side):
    folder, *_ = written
    data = torch.load(folder / "7.pt", weights_only=True)
    rest, faces = load_mesh(folder / f"7_{side}_tpose.obj")
    hand = data["hands"][("left", "right").index(side)]
    model = load_hand_model(side, hand["hand_model"], dtype=torch.float64)
    finer = model.subdivide(data["subdivisions"])
    np.testing.assert_array_equal(faces, finer.faces)
    pose, shape, trans, scale = (
        hand[name].double().reshape(1, -1) for name in ("pose", "shape", "trans", "scale")
    )
    posed = model.repose(
        torch.from_numpy(rest)[None] / scale,
        *(pose, shape, trans, scale),
        weights=finer.carry(model.weights),
        offsets=finer.carry(model.pose_offsets(pose)),
    )[0]
    size = len(rest)
    first = 0 if side == "left" else size
    expected = data["verts"][first : first + size]
    # The .obj's nine digits of some 0.1 m, through inverse and forward skinning.
    torch.testing.assert_close(posed, expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_rest_pose_is_near_the_models_own(written, side):
    folder, *_ = written
    rest, _ = load_mesh(folder / f"7_{side}_tpose.obj")
    hand = torch.load(folder / "7.pt", weights_only=True)["hands"][side == "right"]
    model = load_hand_model(side, hand["hand_model"], dtype=torch.float64)
    expected = model.subdivide(1).carry(model.rest_verts(hand["shape"].double())[0])
    difference = rest - float(hand["scale"]) * expected.numpy()
    # The refinement moved vertices by up to 2 mm, and skinning bends that by little.
    assert np.linalg.norm(difference, axis=1).max() < 0.004


def test_metrics_tell_of_levels_views_and_improvement(written):
    folder, *_ = written
    metrics = load_json(folder / "metrics.json")
    (level,) = metrics["levels"]
    assert level["steps"] == 4 and level["last"]["total"] < level["first"]["total"]
    assert set(level["soundness"]) == {"start", "found", "left"}
    assert [view["view"] for view in metrics["views"]] == list(range(VIEWS))
    fitted = metrics["fitted_views"]
    assert fitted["iou"] > 0.9 and fitted["iou"] > fitted["iou_start"] - 0.005
    assert fitted["psnr"] == pytest.approx(np.mean([v["psnr"] for v in metrics["views"]]))
    assert metrics["views"][0]["mask"]["believed"] is True
    assert 0 < metrics["displacement_world_units"]["max"] < 0.0025


def test_rerenderings_have_the_photos_size_and_look_like_them(written):
    folder, *_, scene = written
    for view, (photo, mask) in enumerate(zip(scene.images, scene.masks)):
        rendering = load_image(folder / "rerender" / f"mesh_{view:02d}.png")
        assert rendering.shape == photo.shape
        both = mask & (rendering.max(2) > 0)
        assert both.sum() > 0.9 * mask.sum()
        # The texture is finer than this mesh, so colours agree only roughly.
        assert np.abs(rendering - photo)[both].mean() < 0.06
        comparison = load_image(folder / "overlay" / f"{view:02d}.png")
        assert comparison.shape[1] % 3 == 0 and comparison.shape[0] <= photo.shape[0] + STRIP


def test_config_of_the_run_is_kept(written):
    folder, *_ = written
    config = load_json(folder / "config.json")
    assert config["ham_levels"][0]["steps"] == 4 and config["degree"] == 3
