import re
from pathlib import Path

import numpy as np
import pytest
import torch

from models.ham.state import start_state
from models.hand import load_hand_model
from models.hand.fitted import FittedHand, joined_mesh, load_hands
from tests.scenes.captures import ring_of_cameras
from utils.cameras import Cameras, Similarity
from utils.captures.camera_files import load_cameras, save_cameras
from utils.errors import UserError
from utils.io.files import save_torch
from utils.io.meshes import load_mesh, save_mesh


def hand(side: str) -> dict:
    return {
        "type": side,
        "pose": torch.zeros(1, 48),
        "shape": torch.zeros(1, 10),
        "trans": torch.zeros(1, 3),
        "scale": torch.ones(1),
        "hand_model": "open",
    }


def write(folder: Path, parameters: object, vertices: int) -> Path:
    save_torch(folder / "1.pt", parameters)
    verts = np.random.default_rng(0).random((vertices, 3))
    save_mesh(folder / "1.obj", verts, np.arange(vertices // 3 * 3).reshape(-1, 3))
    return folder


def test_two_hands_share_the_vertices_left_first(tmp_path):
    hands = load_hands(write(tmp_path, [hand("left"), hand("right")], 12), "1")
    assert len(hands) == 2 and hands.slices() == [slice(0, 6), slice(6, 12)]
    assert [p["type"] for p in hands.parameters] == ["left", "right"]
    assert hands.verts.dtype == np.float64 and hands.faces.dtype == np.int64
    # nine digits in the file
    np.testing.assert_allclose(hands.verts, np.random.default_rng(0).random((12, 3)), rtol=1e-8)


def test_one_hand_is_fine(tmp_path):
    hands = load_hands(write(tmp_path, [hand("right")], 9), "1")
    assert hands.slices() == [slice(0, 9)]


@pytest.mark.parametrize(
    ("folder", "script"), [("mano_out", "mano_optim.py"), ("gcn_out", "multihands_mano.py")]
)
def test_a_missing_start_names_the_stage_that_makes_it(tmp_path, folder, script):
    message = rf"{folder}.1\.pt is missing; run {re.escape(script)}"
    with pytest.raises(UserError, match=message):
        load_hands(tmp_path / folder, "1")


def test_parameters_without_their_mesh(tmp_path):
    (write(tmp_path, [hand("left")], 9) / "1.obj").unlink()
    with pytest.raises(UserError, match=r"1\.obj is missing; run mano_optim\.py"):
        load_hands(tmp_path, "1")


@pytest.mark.parametrize(
    "foreign",
    [[], [hand("left")] * 3, {"pose": 1}, ["left"], [{"type": "left", "pose": torch.zeros(1, 48)}]],
    ids=["no hand", "three hands", "a dict", "a list of names", "keys missing"],
)
def test_foreign_parameters_are_refused(tmp_path, foreign):
    with pytest.raises(UserError, match=r"1\.pt holds no hand parameters; expected a list"):
        load_hands(write(tmp_path, foreign, 9), "1")


def test_a_file_that_is_no_torch_file_is_refused(tmp_path):
    write(tmp_path, [hand("left")], 9)
    (tmp_path / "1.pt").write_bytes(b"not a torch file")
    with pytest.raises(UserError, match=r"1\.pt"):
        load_hands(tmp_path, "1")


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "attacked"), "w"))

    write(tmp_path, [hand("left")], 9)
    torch.save([Attack()], tmp_path / "1.pt")
    with pytest.raises(UserError, match=r"1\.pt"):
        load_hands(tmp_path, "1")
    assert not (tmp_path / "attacked").exists()


def changed(**values: object) -> list[dict]:
    return [hand("left") | values, hand("right")]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (changed(pose=torch.zeros(1, 45)), r"pose is float32 of shape \(1, 45\), expected .*48\)"),
        (changed(pose=[0.0] * 48), "pose is a list of 48, expected float numbers"),
        (changed(pose=torch.zeros(1, 48).to_sparse()), "pose is float32 sparse"),
        (changed(pose=torch.zeros(1, 48) * 1j), "pose is complex64"),
        (changed(trans=torch.full((1, 3), torch.nan)), "trans holds numbers that are not finite"),
        (changed(scale=torch.zeros(1)), "scale holds 0, expected above 0"),
        (changed(type="foot"), "type is 'foot', expected left or right"),
        (changed(hand_model="smpl"), "hand_model is 'smpl', expected open or mano"),
        (changed()[::-1], "its hands are right and left"),
        (changed(type="right"), "its hands are right and right"),
    ],
)
def test_edited_parameters_are_refused(tmp_path, parameters, message):
    with pytest.raises(UserError, match=rf"1\.pt: .*{message}.*; run mano_optim\.py on this scan"):
        load_hands(write(tmp_path, parameters, 12), "1")


def test_a_vertex_far_off_is_refused(tmp_path):
    write(tmp_path, [hand("left"), hand("right")], 12)
    verts, faces = load_mesh(tmp_path / "1.obj")
    verts[8] += 100
    save_mesh(tmp_path / "1.obj", verts, faces)
    with pytest.raises(UserError, match=r"1\.obj: vertex 9 lies far off its hand"):
        load_hands(tmp_path, "1")


def test_hands_far_from_the_origin_lose_nothing(tmp_path):
    """In a national grid: parameters, mesh, hand units and pixels within a thousandth of a mm."""
    model, zero = load_hand_model("right", "open", dtype=torch.float64), torch.zeros(1, 10).double()
    trans = torch.tensor([[353141.23, 4820097.85, 38.678]], dtype=torch.float64)
    pose = torch.zeros(1, 48, dtype=torch.float64)
    fitted = FittedHand(model, pose, zero, trans, torch.ones(1, dtype=torch.float64))
    save_torch(tmp_path / "1.pt", [fitted.as_dict()])
    save_mesh(tmp_path / "1.obj", *joined_mesh([fitted]))
    hands = load_hands(tmp_path, "1")
    own, again = fitted.verts().numpy(), FittedHand.of_dict(hands.parameters[0], model)
    assert np.abs(hands.verts - own).max() < 1e-6
    assert np.abs(again.verts().numpy() - own).max() < 1e-6

    state, frame = start_state(hands, 1, False, "cpu")
    assert np.abs(frame.apply(state.verts.double()).numpy() - own).max() < 1e-6
    near = ring_of_cameras(1, (400, 400), focal=800.0)
    centre = torch.from_numpy(own.mean(0))
    there = near.normalised(Similarity(1.0, -centre))
    save_cameras(tmp_path / "param.npz", there, None)
    cameras = Cameras.of(*load_cameras(tmp_path / "param.npz")[:3], near.sizes)
    px = near.project(torch.from_numpy(own) - centre)
    assert (cameras.project(torch.from_numpy(own)) - px).abs().max() < 1e-3  # pixels: 1e-6 m
    in_hand_units = cameras.normalised(frame).to(dtype=torch.float32)
    assert (in_hand_units.project(state.verts) - px).abs().max() < 1e-2  # float32 there


def test_a_mesh_that_the_hands_cannot_share_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has 9 vertices, which .* 2 hands cannot share"):
        load_hands(write(tmp_path, [hand("left"), hand("right")], 9), "1")
