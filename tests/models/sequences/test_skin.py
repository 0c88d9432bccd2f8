"""Fine meshes at rest, and means over frames that are no worse than the frames."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.appearance.model import Appearance
from models.ham.mending import bad_faces
from models.ham.results import HamResult
from models.ham.state import HamState
from models.hand.fitted import FittedHand
from models.sequences.resting import RestingMesh
from models.sequences.skin import RefinedFrame, shared_skin
from tests.scenes.captures import ring_of_cameras
from tests.scenes.hands import hand_scene
from utils.cameras import Similarity


@pytest.fixture(scope="module")
def hand() -> FittedHand:
    (hand,) = hand_scene(["right"]).hands
    return hand


@pytest.fixture(scope="module")
def mesh(hand):
    return RestingMesh(hand.model, 1)


def test_offsets_go_with_the_pose(hand, mesh):
    offsets = 0.001 * torch.sin(mesh.weights @ torch.randn(16, 3).double())
    other = replace(hand, pose=hand.pose + 0.1, trans=hand.trans + 1)
    for own in (hand, other):
        assert torch.allclose(mesh.offsets(own, mesh.posed(own, offsets)), offsets, atol=1e-9)
    assert torch.allclose(mesh.posed(hand, 0 * offsets), mesh.reference(hand), atol=1e-9)


def refined(hand: FittedHand, mesh: RestingMesh, offsets: torch.Tensor, tint: float):
    """A frame as it comes from a refinement, in cameras of which some see nothing of it."""
    frame = Similarity(0.1, hand.trans[0])
    verts = frame.inverse().apply(mesh.posed(hand, offsets)).float()
    reference = frame.inverse().apply(mesh.reference(hand)).float()
    cameras = ring_of_cameras(3, size=(150, 200), focal=310.0).normalised(frame)
    looks = Appearance(torch.full((len(verts), 3), tint), torch.ones(3, 9), torch.ones(3, 3))
    still = torch.zeros(3, 6)
    state = HamState(verts, reference, mesh.faces, still, subdivisions=1, appearance=looks)
    names = ["0", "1", "2"]
    return RefinedFrame([hand], HamResult(state, frame, cameras, [], [], [], names), range(3))


def test_the_mean_lies_between_the_frames_and_has_no_folds(hand, mesh):
    """Views see each vertex in another number of pixels, which must not tear neighbours apart."""
    other = replace(hand, pose=hand.pose + 0.15)
    apart = torch.zeros(len(mesh.weights), 3).double()
    apart[:, 0] = 0.002
    frames = [refined(hand, mesh, apart, 0.4), refined(other, mesh, -apart, 0.6)]
    skin = shared_skin(frames, {"right": mesh}, 4)
    detail, albedo = skin.detail["right"], skin.albedo["right"]
    assert (detail[:, 0].abs() <= 0.002 + 1e-6).all() and (detail[:, 1:].abs() < 1e-6).all()
    assert (albedo >= 0.4 - 1e-6).all() and (albedo <= 0.6 + 1e-6).all()
    posed, start = (x.numpy() for x in (mesh.posed(hand, detail), mesh.reference(hand)))
    new = np.setdiff1d(bad_faces(posed, mesh.faces), bad_faces(start, mesh.faces))
    assert len(new) == 0
    assert skin.gain.shape == (4, 3) and torch.allclose(skin.gain, torch.ones(4, 3))
    looks = skin.appearance(["right"], [0, 3])
    assert looks.sh_coeff.shape == (2, 9) and looks.albedo.shape == (len(mesh.weights), 3)
