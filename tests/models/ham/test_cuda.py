"""HAM's parts on CUDA against the same on the CPU."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import mesh_sfs_optim
from models.appearance.shading import render_mesh
from models.ham.refine import Terms, refine_level
from models.ham.state import HamState
from models.hand.fitted import load_hands
from tests.scenes.cuda import needs_cuda
from tests.scenes.ham import HamScene, hand_scene, sphere_scene
from utils.captures import load_capture
from utils.io.files import load_json
from utils.io.images import save_image
from utils.photos.crops import Photos, pack_photos
from utils.stage.config import Config, load_config
from utils.stage.progress import Progress

pytestmark = needs_cuda

LEVEL = Config(steps=40, lr=0.01, smoothness=20.0)


@pytest.fixture(scope="module")
def scene() -> HamScene:
    return sphere_scene(level=3, views=6, pixels=64)  # 642 vertices


def level_of(scene: HamScene, device: str) -> tuple[HamState, Photos]:
    smooth, _, cameras = scene.in_hand_units()
    smooth = smooth.to(device)
    state = HamState(smooth, smooth, scene.faces, torch.zeros(6, 6, device=device))
    return state, pack_photos(scene.crops(), cameras, 1.0, device)


def test_terms_and_their_gradients(scene):
    """All terms but camera, from a start that is off the true surface and bent."""
    found = []
    for device in ("cpu", "cuda"):
        state, photos = level_of(scene, device)
        terms = Terms(state, photos, load_config())
        appearance = terms.start_appearance(state)
        bent = state.verts * (1 + 0.02 * torch.sin(4 * state.verts.sum(1, keepdim=True)))
        bent.requires_grad_()
        values = terms(bent, appearance, state.correction)
        torch.stack(list(values.values())).sum().backward()
        numbers = {name: value.item() for name, value in values.items()}
        found.append((numbers, bent.grad.cpu(), appearance.albedo.cpu()))
    (own, own_grad, own_albedo), (other, other_grad, other_albedo) = found
    for name, value in own.items():
        # nvdiffrast snaps vertices to 1/16 pixel, so some pixels at the outlines differ: 1 % of
        # the mask's term with an emulation of it.
        assert other[name] == pytest.approx(value, rel=0.03, abs=1e-5), name
    assert (own_albedo - other_albedo).abs().mean() < 2e-3
    cosine = torch.nn.functional.cosine_similarity(own_grad.ravel(), other_grad.ravel(), dim=0)
    assert cosine > 0.98  # 0.9895 with the emulation


def test_the_same_surface_is_found(scene):
    found = []
    for device in ("cpu", "cuda"):
        state, photos = level_of(scene, device)
        refined = refine_level(state, photos, load_config(), LEVEL)
        assert refined.verts.device.type == device
        found.append(refined)
    own, other = found
    # The surface moved by up to 0.03, and 0.0005 apart with an emulation of snapped vertices.
    apart = (own.verts - other.verts.cpu()).norm(dim=1)
    assert apart.mean() < 1.5e-3 and apart.max() < 0.01
    for name in ("sfs", "mask", "total"):  # 0.11 of the mask's term with the emulation
        assert other.history[-1][name] == pytest.approx(own.history[-1][name], rel=0.25)


def test_cameras_move_on_cuda_too(scene):
    state, photos = level_of(scene, "cuda")
    freed = refine_level(
        replace(state, corrects_cameras=True), photos, load_config(), Config(LEVEL, steps=3)
    )
    assert freed.correction.is_cuda and freed.correction.abs().max() > 0


def test_renderings(scene):
    """Colours within 1/255 nearly everywhere; outlines differ in few pixels."""
    drawn = []
    for device in ("cpu", "cuda"):
        appearance = replace(
            scene.appearance,
            **{k: getattr(scene.appearance, k).to(device) for k in ("albedo", "sh_coeff", "gain")},
        )
        cameras = scene.cameras.to(dtype=torch.float32)
        drawn.append(render_mesh(scene.true.to(device), scene.faces, appearance, cameras))
    for own, other in zip(*drawn):
        assert (own.covered != other.covered).sum() <= 0.005 * own.covered.sum()
        both = own.covered & other.covered
        assert (np.abs(own.image - other.image)[both].max(1) < 1 / 255).mean() > 0.99


def test_a_run_stopped_on_cuda_goes_on(tmp_path, capsys):
    """Kept states know no device: this one goes on from level 1 on CUDA, then on the CPU."""
    scene, coarse = sphere_scene(level=4, views=4, pixels=48), sphere_scene(level=2, views=4)
    scene.write_capture(tmp_path / "data" / "1")
    coarse.write_fit(tmp_path / "out")
    for view, mask in enumerate(scene.masks):
        save_image(tmp_path / "out" / "trust_1" / f"{view:02d}.png", np.ones_like(mask))
    inputs = load_capture(tmp_path / "data", "1"), load_hands(tmp_path / "out", "1")
    levels = [
        Config(verts=100, image_scale=0.5, steps=8, lr=0.01, smoothness=20.0),
        Config(verts=600, image_scale=1.0, steps=6, lr=0.005, smoothness=20.0),
    ]
    first = Config(load_config(), ham_levels=levels[:1])
    both = Config(load_config(), ham_levels=levels)
    mesh_sfs_optim.refine_mesh(*inputs, first, "cuda", Progress(tmp_path / "p.pt", 0))
    capsys.readouterr()
    for device in ("cuda", "cpu"):
        kept = tmp_path / f"{device}.pt"
        kept.write_bytes((tmp_path / "p.pt").read_bytes())
        result = mesh_sfs_optim.refine_mesh(*inputs, both, device, Progress(kept, 0))
        assert "going on after level 1" in capsys.readouterr().out
        assert result.state.verts.device.type == device and len(result.reports) == 2
        assert result.verts_world().shape == (642, 3)


@pytest.mark.slow
def test_the_stage_on_cuda(tmp_path):
    """All files of the stage, and the device in its record."""
    scene = written_hand(tmp_path)
    arguments = ["--data_path", str(tmp_path / "data"), "--out_path", str(tmp_path / "out")]
    level = "ham_levels=[{verts=1000, image_scale=0.5, steps=2, lr=0.005, smoothness=20}]"
    assert mesh_sfs_optim.main([*arguments, "--device", "cuda", "--set", level]) == 0
    folder = tmp_path / "out" / "demo_sfs" / "1"
    for name in ("1.obj", "ori_1.obj", "1_c.obj", "1.ply", "1.pt", "1_right_tpose.obj"):
        assert (folder / name).is_file(), name
    assert not any(t.is_cuda for t in _tensors(torch.load(folder / "1.pt", weights_only=True)))
    record = load_json(tmp_path / "out" / "runs" / "1_mesh_sfs_optim.json")
    assert record["device"] == "cuda"
    assert load_json(folder / "metrics.json")["fitted_views"]["iou"] > 0.8
    assert len(scene.images) == len(list((folder / "rerender").glob("mesh_*.png")))


def written_hand(folder: Path) -> HamScene:
    scene = hand_scene(sides=("right",), views=3, pixels=80)
    scene.write_capture(folder / "data" / "1")
    scene.write_fit(folder / "out" / "mano_out")
    return scene


def _tensors(value) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [
        t for part in parts if isinstance(part, (dict, list, torch.Tensor)) for t in _tensors(part)
    ]
