"""What networks are told, and that an untrained renderer draws the mesh's own shading."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import models.neural.mesh
from models.appearance.light import LOBES, Highlights
from models.appearance.model import light_for_unseen
from models.appearance.shading import render_mesh
from models.appearance.visibility import NUMBERS
from models.neural.inputs import INPUTS, net_shape, pixel_inputs
from models.neural.networks import ImageUNet
from models.neural.painter import Painter
from models.neural.renderer import NeuralRenderer
from tests.scenes.neural import neural_scene
from utils.errors import UserError


@pytest.fixture(scope="module")
def scene():
    return neural_scene(views=3)


def inputs_at(normal, eye, names=("reflection",), lobes=None, visibility=0.0):
    """Inputs of one pixel at the origin, seen from `eye`; the sky is evenly `visibility` open."""
    harmonics = [visibility, *[0] * (NUMBERS - 1)] if "visibility" in names else []
    surface = torch.tensor([[0.0, 0, 0, *normal, 0.2, 0.3, 0.4, 1, *harmonics]])
    shape = net_shape("mlp", "small", names)
    highlights = None if lobes is None else Highlights(lobes)
    found = pixel_inputs(shape, surface, torch.tensor([eye]), highlights)
    assert found.inputs.shape == (1, shape.size)
    return found


def test_the_ray_is_mirrored_at_the_skin():
    cosine, *mirrored = inputs_at((0, 0, 1.0), (3.0, 0, 4.0)).inputs[0, :4].tolist()
    assert cosine == pytest.approx(0.8)
    assert mirrored == pytest.approx([-0.6, 0, 0.8])


def test_shading_is_told_and_what_hides_it():
    lobes, names = torch.ones(LOBES, 3), ("shading", "visibility")
    told = inputs_at((0, 0, 1.0), (0, 0, 5.0), names, lobes, 0.25).inputs[0]
    diffuse, shine, open_sky, hidden = told[:3], told[3:6], told[6:8], told[8:]
    assert torch.allclose(diffuse, torch.tensor([-0.6, -0.4, -0.2]))
    assert torch.allclose(open_sky, torch.tensor([0.25, 0.25]))  # mirrored and on the whole
    assert (shine > 0).all() and torch.allclose(hidden, 0.25 * shine)


def test_the_ray_does_not_depend_on_distance():
    near, far = (inputs_at((0, 0, 1.0), eye, names=("ray",)) for eye in ((0, 3.0, 4), (0, 6.0, 8)))
    assert torch.allclose(near.inputs, far.inputs)
    assert near.inputs[0, :3].tolist() == pytest.approx([0, 0.6, 0.8])


def test_highlights_belong_to_the_base():
    plain = inputs_at((0, 0, 1.0), (0, 0, 5.0))
    shining = inputs_at((0, 0, 1.0), (0, 0, 5.0), lobes=torch.ones(LOBES, 3))
    assert torch.equal(plain.base, torch.tensor([[0.2, 0.3, 0.4]]))
    assert (shining.base > plain.base + 0.1).all()


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("net_type", ["mlp", "unet"])
def test_every_input_alone_can_be_drawn_with(scene, name, net_type):
    model = NeuralRenderer(net_type, net_shape(net_type, "small", [name]), len(scene.start.verts))
    assert Painter(model, scene.mesh).render(scene.photos.cameras[0]).covered.any()


@pytest.mark.parametrize("preset", ["small", "paper"])
@pytest.mark.parametrize("net_type", ["mlp", "unet"])
def test_untrained_it_is_the_meshs_own_shading(scene, net_type, preset):
    lobes = 0.05 * torch.rand(LOBES, 3, generator=torch.Generator().manual_seed(0))
    appearance = replace(scene.start.appearance, lobes=lobes)
    mesh = replace(scene.mesh, appearance=light_for_unseen(appearance, 1))
    model = NeuralRenderer(net_type, net_shape(net_type, preset), len(mesh.verts))
    camera = scene.photos.cameras[1]
    drawn = Painter(model, mesh).render(camera)
    shaded = render_mesh(mesh.verts, mesh.faces, mesh.appearance, camera)[0]
    assert (drawn.covered == shaded.covered).all()
    # Highlights are shaded at pixels here and at vertices there: on this coarse mesh they differ.
    assert np.median(abs(drawn.image - shaded.image)[drawn.covered]) < 0.01


def test_a_unet_takes_images_of_any_size():
    network = ImageUNet(5, 4)
    for size in ((1, 1), (3, 8), (17, 5)):
        assert network(torch.zeros(1, 5, *size)).shape == (1, 3, *size)


def test_unknown_names_are_told():
    with pytest.raises(UserError, match=r"preset = tiny: expected small or paper"):
        net_shape("mlp", "tiny")
    with pytest.raises(UserError, match=r"unknown noise; expected some of normal, albedo"):
        net_shape("mlp", "small", ["noise"])


def test_nothing_is_added_to_the_caps_of_wrists(scene):
    model = NeuralRenderer("mlp", net_shape("mlp", "small"), len(scene.start.verts))
    with torch.no_grad():
        model.features.fill_(0.3)
        model.network.last.bias.fill_(0.3)
    camera = scene.photos.cameras[0]
    shaded = render_mesh(scene.mesh.verts, scene.mesh.faces, scene.mesh.appearance, camera)[0]
    fragments, colors = Painter(model, scene.mesh).paint(camera)
    same = (colors - torch.from_numpy(shaded.image[shaded.covered])).abs().amax(1) < 1e-3
    at_caps = fragments.face >= len(scene.mesh.faces)
    assert (same[at_caps]).all() and not same[~at_caps].any()


def test_visibility_is_worked_out_once_a_mesh(scene, monkeypatch):
    calls, work_out = [], models.neural.mesh.visibility_harmonics
    monkeypatch.setattr(
        "models.neural.mesh.visibility_harmonics",
        lambda *surface: calls.append(1) or work_out(*surface),
    )
    mesh = replace(scene.mesh)  # another object: nothing is worked out for it yet
    tables = [mesh.table(net_shape("mlp", "small")).columns for _ in range(2)]
    assert len(calls) == 1 and torch.equal(*tables)
    moved = replace(mesh, verts=1.5 * mesh.verts)
    moved.table(net_shape("mlp", "small"))
    assert len(calls) == 2  # what was worked out for one mesh is not another's
