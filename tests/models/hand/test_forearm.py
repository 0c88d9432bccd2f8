import pytest
import torch

from models.hand import load_hand_model
from models.hand.forearm import fan_directions, forearm_fan, wrist_faces
from utils.geometry.mesh import open_edges


@pytest.fixture(scope="module")
def model():
    return load_hand_model("right", "open", dtype=torch.float64)


def test_the_wrist_is_a_small_end_of_the_hand(model):
    wrist = wrist_faces(model)
    joint = model.rest_joints(torch.zeros(10).double())[0]
    centres = model.v_template[model.faces].mean(1)
    assert 0.01 < wrist.double().mean() < 0.15
    # Fingers point to -x; nothing of the wrist's end reaches far beyond the joint.
    assert (centres[wrist][:, 0] > joint[0] - 0.01).all()


def test_open_edges_form_one_loop(model):
    edges = open_edges(model.faces)
    assert len(edges) == 20  # the open hand's rim
    assert edges[:, 0].sort().values.equal(edges[:, 1].sort().values)


def test_the_fan_leaves_the_hand_behind(model):
    verts, rim = model.v_template, open_edges(model.faces)
    points, faces = forearm_fan(verts, rim)
    assert faces.max() == len(points) - 1
    away = points.mean(0) - verts[rim.flatten()].mean(0)
    assert away @ (verts.mean(0) - verts[rim.flatten()].mean(0)) < 0
    length = (points - verts[rim.flatten()].mean(0)).norm(dim=1).max()
    assert 0.15 < length < 0.3  # metres, about a hand


def test_directions_are_unit_and_within_the_fan():
    normal = torch.tensor([0.0, 0.6, 0.8]).double()
    found = fan_directions(normal)
    assert torch.allclose(found.norm(dim=1), torch.ones(len(found)).double())
    assert (found @ normal).min() > 0.64  # cos 50 degrees
    assert torch.equal(found[0], normal)
