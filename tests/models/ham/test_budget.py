"""How much memory a refinement takes, and which scale of the photos follows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.ham.budget import (
    HAM,
    LARGEST_WHOLE,
    LONGEST_EDGE,
    NEURAL,
    SMALLEST_SHRUNK,
    Cost,
    Pass,
    Workload,
    choose_scale,
    refinement_scale,
    workload,
)
from models.hand.fitted import load_hands
from tests.scenes.ham import hand_scene, sphere_scene
from utils.captures import load_capture
from utils.errors import UserError
from utils.photos.crops import crop_boxes
from utils.stage.config import load_config

GB = 1e9
COST = Cost(fixed=1, covered=300, cropped=100, view_vertex=10, vertex=50, photo=20)
LEVELS = (Pass(0.5, 13_000), Pass(1.0, 52_000))
# Six photos of 4900x4900 filled by two hands, as measured on the demo made so large.
LARGE = Workload(6, 24.0e6, 107.9e6, 41.2e6, LEVELS, edge=16.9)
DEMO = Workload(12, 0.16e6, 1.42e6, 0.54e6, LEVELS, edge=1.4)
ROOM = Workload(13, 1.31e6, 3.68e6, 1.34e6, LEVELS, edge=2.1)


def test_the_greatest_pass_counts():
    load = Workload(2, 0, 1000, 400, [Pass(0.5, 90), Pass(1.0, 10), Pass(0.1, 100)], 1)
    assert load.memory(COST, 1.0) == 300 * 400 + 100 * 1000 + (20 + 50) * 10 + 1
    assert load.memory(COST, 0.5) == 0.25 * (300 * 400 + 100 * 1000) + 70 * 10 + 1
    assert load.memory(COST, 0.0) == 70 * 100 + 1


def test_one_whole_photo_must_fit_in():
    load = Workload(2, 5000, 10, 4, [Pass(1.0, 1)], 1)
    assert load.memory(COST, 1.0) == load.memory(COST, 0.1) == 20 * 5000 + 1


# Peaks above what was there before, GB: whole runs of mesh_sfs_optim.py, then meshes of more
# vertices in small photos.
MEASURED = [
    (Workload(6, 0.16e6, 0.724e6, 0.274e6, LEVELS, 1), 0.45),
    (Workload(6, 1.44e6, 6.486e6, 2.477e6, LEVELS, 1), 1.30),
    (Workload(6, 5.02e6, 22.55e6, 8.611e6, LEVELS, 1), 3.62),
    (Workload(6, 24.0e6, 107.9e6, 41.19e6, [Pass(0.36, 51_858)], 1), 2.40),
    (Workload(6, 0.16e6, 0.065e6, 0.025e6, [Pass(1.0, 207_266)], 1), 0.92),
    (Workload(6, 0.16e6, 0.065e6, 0.025e6, [Pass(1.0, 828_738)], 1), 3.04),
    (Workload(12, 0.16e6, 0.128e6, 0.049e6, [Pass(1.0, 207_266)], 1), 1.22),
]


@pytest.mark.parametrize("load, peak", MEASURED)
def test_the_estimate_is_what_was_measured_and_a_little_more(load, peak):
    assert peak * GB < load.memory(HAM, 1.0) < 1.2 * peak * GB + HAM.fixed


@pytest.mark.parametrize("free", [1.5 * GB, 3 * GB, 8 * GB])
def test_the_largest_scale_just_fits(free):
    load = replace(LARGE, photo=0)
    scale = load.largest_scale(HAM, free)
    assert 0 < scale < 1
    assert load.memory(HAM, scale) <= free < load.memory(HAM, scale + 0.001)


def test_the_largest_scale_is_one_or_nothing_at_the_ends():
    assert LARGE.largest_scale(HAM, 1e12) == 1
    assert LARGE.largest_scale(HAM, 1e8) == 0


@pytest.mark.parametrize("cost", [HAM, NEURAL])
@pytest.mark.parametrize("load", [DEMO, ROOM, replace(DEMO, photo=5e6, edge=7.8)])
def test_photos_of_up_to_five_megapixels_are_taken_whole(load, cost, capsys):
    assert choose_scale(load, cost, None, free=int(100 * GB)) == 1
    assert choose_scale(load, cost, None, free=None) == 1  # a system that does not say
    assert capsys.readouterr().out == ""


def test_larger_ones_are_shrunk_to_what_the_mesh_can_carry(capsys):
    scale = choose_scale(LARGE, HAM, None, free=int(100 * GB))
    assert scale == pytest.approx(np.sqrt(SMALLEST_SHRUNK / LARGE.photo), abs=0.01)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "photos of 24.0 MP in 6 views" in said and "working at photo_scale 0.36" in said
    assert "`--set photo_scale=1`" in said


def test_hands_that_fill_little_of_a_large_photo_are_not_shrunk():
    far = replace(LARGE, edge=LONGEST_EDGE)
    assert far.useful_scale() == 1
    nearer = replace(LARGE, edge=1.25 * LONGEST_EDGE)
    assert nearer.useful_scale() == pytest.approx(0.8)
    assert replace(LARGE, photo=LARGEST_WHOLE).useful_scale() == 1


def test_what_memory_does_not_hold_is_shrunk_further(capsys):
    scale = choose_scale(LARGE, HAM, None, free=int(2.4 * GB))
    assert 0.2 < scale < 0.36
    assert LARGE.memory(HAM, scale) <= 2.4 * GB
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "photo_scale 0.36 would need about" in said and "2.4 GB are free" in said
    assert f"working at photo_scale {scale:g}" in said


def test_a_scale_that_was_asked_for_is_taken(capsys):
    assert choose_scale(LARGE, HAM, 0.8, free=int(100 * GB)) == 0.8
    assert choose_scale(LARGE, HAM, 1.0, free=None) == 1.0
    assert capsys.readouterr().out == ""


def test_or_refused_with_need_have_and_what_would_do():
    with pytest.raises(UserError) as refused:
        choose_scale(LARGE, HAM, 1.0, free=int(6 * GB))
    need, fits = LARGE.memory(HAM, 1.0) / GB, LARGE.largest_scale(HAM, 6 * GB)
    assert f"would need about {need:.1f} GB, 6.0 GB are free" in str(refused.value)
    assert f"`--set photo_scale={np.floor(100 * fits) / 100:g}` would do" in str(refused.value)


def test_settings_of_the_users_own_are_not_weakened():
    with pytest.raises(UserError, match=r"photo_scale=0\.\d+` would do"):
        choose_scale(LARGE, HAM, None, firm=True, free=int(2.4 * GB))


def test_a_mesh_that_no_memory_holds():
    load = replace(DEMO, passes=[Pass(1.0, 6_400_000)])
    with pytest.raises(UserError) as refused:
        choose_scale(load, HAM, None, firm=True, free=int(8 * GB))
    assert "8.0 GB are free; a mesh of 6,400,000 vertices in 12 views is too much" in str(
        refused.value
    )
    most = int(str(refused.value).split("about ")[2].split()[0].replace(",", ""))
    fits = replace(load, passes=[Pass(1.0, most)])
    assert fits.memory(HAM, 1.0) < 8 * GB


def test_a_photo_that_no_memory_holds():
    with pytest.raises(UserError, match="one photo alone is too large: shrink the photos"):
        choose_scale(LARGE, HAM, None, free=int(1 * GB))


def test_a_workload_counts_pixels_vertices_and_edges():
    """The sphere fills its crops as a disc does; its edges are short at the rim."""
    scene = sphere_scene(level=2, views=3, pixels=96)
    verts, cameras = scene.smooth.double(), scene.cameras
    boxes = crop_boxes(cameras.project(verts).numpy(), cameras.sizes.numpy(), 0.0)
    load = workload(cameras, boxes, verts.numpy(), scene.faces, [(0.5, 500), (1.0, 2000)])
    assert load.views == 3 and load.photo == 96 * 96
    assert [p.verts for p in load.passes] == [642, 2562]  # of an icosphere's 162
    assert load.covered == pytest.approx(sum(mask.sum() for mask in scene.masks), rel=0.06)
    assert load.covered / load.cropped == pytest.approx(np.pi / 4, rel=0.06)
    radius = (boxes[0, 2] - boxes[0, 0]) / 2
    # An icosphere's 162 vertices are about 0.3 radii apart, less as they are seen. A mesh of 642
    # has half of that in photos half as large, one of 2562 a quarter in whole ones.
    assert 0.7 * 0.3 * radius / 4 < load.edge < 0.3 * radius / 4


def test_views_beside_the_hands_count_for_nothing():
    scene = sphere_scene(level=1, views=3, pixels=64)
    boxes = np.array([[0, 0, 64, 64]] * 2 + [[0, 0, 1, 1]])
    cameras = scene.cameras
    away = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    cameras = replace(cameras, R=torch.cat([cameras.R[:2], (away @ cameras.R[2])[None]]))
    cameras = replace(cameras, t=torch.cat([cameras.t[:2], -cameras.t[2:]]))
    load = workload(cameras, boxes, scene.smooth.double().numpy(), scene.faces, [(1.0, 1)])
    assert np.isfinite(load.edge) and load.cropped == 2 * 64 * 64 + 1


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder, scene = tmp_path_factory.mktemp("budget"), hand_scene(("right",), views=3, pixels=64)
    scene.write_capture(folder / "data" / "1")
    scene.write_fit(folder / "out")
    capture, hands = load_capture(folder / "data", "1"), load_hands(folder / "out", "1")
    return capture, np.array([[0, 0, 64, 64]] * 3), hands


def with_free(monkeypatch, free: float) -> None:
    monkeypatch.setattr("models.ham.budget.free_memory", lambda device: int(free))


def test_a_small_capture_is_as_it_was(fitted, monkeypatch, capsys):
    with_free(monkeypatch, 2 * GB)
    assert refinement_scale(*fitted, load_config(), "cpu") == 1
    assert capsys.readouterr().out == ""


def test_more_vertices_than_memory_holds_are_refused(fitted, monkeypatch):
    with_free(monkeypatch, 2 * GB)
    levels = "ham_levels=[{verts=2000000, image_scale=1.0, steps=1, lr=0.01, smoothness=5}]"
    with pytest.raises(UserError, match=r"2\.0 GB are free; a mesh of [\d,]+ vertices"):
        refinement_scale(*fitted, load_config(overrides=[levels]), "cpu")
