import pytest
import torch

from models.appearance.model import Appearance
from models.appearance.shading import capped
from models.hand import load_hand_model
from utils.geometry.mesh import face_normals, open_edges


@pytest.fixture(scope="module")
def hand():
    model = load_hand_model("right", "open")
    return model.v_template.float(), model.faces.long()


def volume(verts, faces):
    a, b, c = verts[faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def test_a_capped_hand_is_closed_and_faces_outward(hand):
    verts, faces = hand
    closed, own, _ = capped(verts, faces, None)
    assert torch.equal(closed[: len(verts)], verts) and torch.equal(own[: len(faces)], faces)
    # The signed volume of a closed surface does not depend on the origin.
    assert volume(closed, own) == pytest.approx(volume(closed + 3.0, own), rel=1e-2)
    assert abs(volume(verts, faces) - volume(verts + 3.0, faces)) > 1e-3
    cap = face_normals(closed, own[len(faces) :]).sum(0)
    rim = verts[open_edges(faces)].mean((0, 1))
    assert cap @ (rim - verts.mean(0)) > 0


def test_each_cap_has_the_skin_of_its_hand(hand):
    verts, faces = hand
    both = torch.cat([verts, verts + 1]), torch.cat([faces, faces + len(verts)])
    albedo = torch.cat([torch.full_like(verts, 0.3), torch.full_like(verts, 0.6)])
    albedo[:40] = 1.0  # a few wrong vertices
    appearance = Appearance(albedo, torch.ones(1, 1), torch.ones(1, 3))
    closed, _, skin = capped(*both, appearance)
    caps = skin.albedo[len(albedo) :]
    assert len(skin.albedo) == len(closed)
    assert caps.unique().tolist() == pytest.approx([0.3, 0.6])


def test_a_closed_mesh_stays_as_it_is():
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
    verts = torch.eye(4)[:, :3]
    assert all(a is b for a, b in zip(capped(verts, faces, None), (verts, faces, None)))
