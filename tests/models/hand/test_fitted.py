import re
from pathlib import Path

import numpy as np
import pytest
import torch

from models.hand.fitted import load_hands
from utils.errors import UserError
from utils.io.files import save_torch
from utils.io.meshes import save_mesh


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


def test_a_mesh_that_the_hands_cannot_share_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has 9 vertices, which .* 2 hands cannot share"):
        load_hands(write(tmp_path, [hand("left"), hand("right")], 9), "1")
