from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import trimesh

from models.appearance.model import Appearance
from models.ham.mending import Soundness
from models.ham.results import HamResult
from models.ham.state import HamState, LevelReport, start_state
from models.hand.fitted import HandsMesh
from utils.cameras import Similarity
from utils.io.files import load_torch, save_torch

SPHERE = trimesh.creation.icosphere(1)
VERTS = torch.tensor(np.array(SPHERE.vertices), dtype=torch.float32)
FACES = np.array(SPHERE.faces)
SOUND = Soundness(1, 2, 0)
STILL = torch.zeros(2, 6)  # two views whose cameras are not corrected


def refined(history: list | None = None) -> HamState:
    """A state after a level, with some appearance."""
    appearance = Appearance(VERTS.abs(), torch.ones(2, 9), torch.ones(2, 3))
    return HamState(
        1.1 * VERTS, VERTS, FACES, STILL, False, 1, 1, appearance, history or [{"total": 0.5}]
    )


def two_spheres(tmp_path) -> HandsMesh:
    verts = np.concatenate([3 * SPHERE.vertices + [100, 0, 0], 2 * SPHERE.vertices])
    faces = np.concatenate([FACES, FACES + len(VERTS)])
    return HandsMesh(verts, faces, [{}, {}], tmp_path, "1")


def test_start_is_in_units_of_the_larger_hand_and_goes_back(tmp_path):
    hands = two_spheres(tmp_path)
    state, frame = start_state(hands, 2, False, "cpu")
    assert frame.scale == pytest.approx(3)
    assert state.verts.dtype == torch.float32 and torch.equal(state.verts, state.reference)
    back = frame.apply(state.verts.double()).numpy()
    # float32 rounding of numbers up to 20 hand units, times 3
    np.testing.assert_allclose(back, hands.verts, atol=3 * 20 * 6e-8)


@pytest.mark.parametrize(("least", "levels"), [(1, 0), (42, 0), (43, 1), (162, 1), (163, 2)])
def test_subdivision_gives_at_least_what_is_asked_for(least, levels):
    # icospheres: 42, 162, 642 vertices
    finer = HamState(VERTS, VERTS, FACES, STILL).subdivided(least)
    assert len(finer.verts) >= least
    assert (finer.subdivisions, len(finer.verts)) == (levels, {0: 42, 1: 162, 2: 642}[levels])
    assert len(finer.faces) == len(FACES) * 4**levels


def test_subdivision_carries_everything_along():
    state = refined()
    finer = state.subdivided(100)
    assert finer.subdivisions == 2 and finer.history == state.history
    # Loop subdivision is linear: what was 1.1 times the reference stays so.
    torch.testing.assert_close(finer.verts, 1.1 * finer.reference)
    assert finer.appearance.albedo.shape == finer.verts.shape
    # One constant appearance remains constant.
    state.appearance.albedo[:] = 0.3
    carried = state.subdivided(100).appearance.albedo
    torch.testing.assert_close(carried, torch.full_like(carried, 0.3))


@pytest.mark.parametrize("least", [100, 700])
def test_two_hands_stay_one_after_another(tmp_path, least):
    """Vertex i of a hand is the same spot whether the other hand is there or not."""
    both, _ = start_state(two_spheres(tmp_path), 2, False, "cpu")
    finer = both.subdivided(least)
    size = len(VERTS)
    for hand in range(2):
        own = both.verts[hand * size : (hand + 1) * size]
        alone = HamState(own, own, FACES, STILL).subdivided(least // 2)
        count = len(alone.verts)
        hand_slice = slice(hand * count, (hand + 1) * count)
        torch.testing.assert_close(finer.verts[hand_slice], alone.verts)
        faces = np.split(finer.faces, 2)[hand]
        np.testing.assert_array_equal(faces - hand * count, alone.faces)


def test_report_of_a_level_speaks_of_its_own_steps():
    steps = [{"sfs": s, "mask": 2 * s, "total": 3 * s} for s in (0.9, 0.5, 0.4, 0.1)]
    report = LevelReport.of(refined(steps), SOUND, first_step=2)
    assert (report.vertices, report.steps) == (42, 2)
    assert (report.first, report.last) == (steps[2], steps[3])
    assert report.summary() == (
        "42 vertices, 2 steps, sfs 0.4000 -> 0.1000, mask 0.8000 -> 0.2000, "
        "bad faces 1 at the start, 2 found, 0 left"
    )


def test_report_of_a_level_without_steps():
    report = LevelReport.of(refined(), SOUND, first_step=1)
    assert report.first == report.last == {}
    assert report.summary().startswith("42 vertices, 0 steps, bad faces")


def test_results_are_in_world_units(tmp_path):
    frame = Similarity(3.0, torch.tensor([10.0, 0, 0], dtype=torch.float64))
    result = HamResult(refined(), frame, None, [], [], [], [])
    expected = 3 * 1.1 * VERTS.double().numpy() + [10, 0, 0]
    np.testing.assert_allclose(result.verts_world(), expected, rtol=1e-6)
    np.testing.assert_allclose(result.reference_world(), 3 * VERTS.double().numpy() + [10, 0, 0])
    assert result.verts_world().dtype == np.float64


# --- as plain data -------------------------------------------------------------------------------
def test_state_and_report_come_back_whole_from_a_file(tmp_path):
    expected = replace(refined(), corrects_cameras=True, hands=2)
    report = LevelReport.of(expected, SOUND, 0)
    save_torch(tmp_path / "kept.pt", {"state": expected.as_dict(), "report": asdict(report)})
    kept = load_torch(tmp_path / "kept.pt")
    state = HamState.from_dict(kept["state"], "cpu")
    assert torch.equal(state.verts, expected.verts)
    assert torch.equal(state.reference, expected.reference)
    assert torch.equal(state.correction, expected.correction)
    np.testing.assert_array_equal(state.faces, expected.faces)
    for found, wanted in zip(state.appearance.parameters(), expected.appearance.parameters()):
        assert torch.equal(found, wanted)
    assert (state.subdivisions, state.history) == (expected.subdivisions, expected.history)
    assert (state.corrects_cameras, state.hands) == (True, 2)
    assert LevelReport.from_dict(kept["report"]) == report


def test_a_state_without_appearance_is_plain_data_too():
    state = HamState.from_dict(HamState(VERTS, VERTS, FACES, STILL).as_dict(), "cpu")
    assert state.appearance is None and torch.equal(state.verts, VERTS)


def test_another_order_is_the_same_mesh():
    state, order = refined(), np.random.default_rng(0).permutation(len(VERTS))
    other = state.in_order(order)
    for name in ("verts", "reference"):
        assert torch.equal(getattr(other, name), getattr(state, name)[order])
    assert torch.equal(other.appearance.albedo, state.appearance.albedo[order])

    def triangles(one: HamState) -> list:
        return sorted(one.verts[torch.from_numpy(one.faces)].tolist())

    assert triangles(other) == triangles(state)
    back = other.in_order(np.argsort(order))
    assert torch.equal(back.verts, state.verts)
