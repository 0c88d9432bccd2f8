"""What networks are told, and that an untrained renderer draws the mesh's own shading."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.neural_inputs import INPUTS, net_shape, pixel_inputs
from models.neural_renderer import NeuralRenderer, Painter
from models.renderer_unet import ImageUNet
from models.rerender import render_mesh
from models.specular import LOBES
from models.unseen_light import light_for_unseen
from tests.neural_scenes import neural_scene
from utils.errors import UserError


@pytest.fixture(scope="module")
def scene():
    return neural_scene(views=3)


def inputs_at(normal, eye, front=True, names=("reflection",), lobes=None):
    """Inputs of one pixel at the origin, seen from `eye`."""
    surface = torch.tensor([[0.0, 0, 0, *normal, 0.2, 0.3, 0.4, 0.1, 0.1, 0.1]])
    shape = net_shape("mlp", "small", names)
    found = pixel_inputs(
        *(shape, surface, torch.zeros(1, 3), torch.tensor([eye]), torch.tensor([front]), lobes)
    )
    assert found.inputs.shape == (1, shape.size)
    return found


def test_the_ray_is_mirrored_at_the_skin():
    side, cosine, *mirrored = inputs_at((0, 0, 1.0), (3.0, 0, 4.0)).inputs[0, :5].tolist()
    assert (side, round(cosine, 6)) == (1, 0.8)
    assert mirrored == pytest.approx([-0.6, 0, 0.8])


def test_the_inner_side_is_seen_with_the_normal_turned():
    side, cosine, *mirrored = inputs_at((0, 0, -1.0), (3.0, 0, 4.0), front=False).inputs[0, :5]
    assert (side, cosine) == (-1, pytest.approx(0.8))
    assert torch.stack(mirrored).tolist() == pytest.approx([-0.6, 0, 0.8])


def test_the_inner_side_has_its_own_shading():
    assert inputs_at((0, 0, -1.0), (0, 0, 4.0), front=False).base.tolist()[0] == pytest.approx(
        [0.1, 0.1, 0.1]
    )


def test_the_ray_does_not_depend_on_distance():
    near, far = (inputs_at((0, 0, 1.0), eye, names=("ray",)) for eye in ((0, 3.0, 4), (0, 6.0, 8)))
    assert torch.allclose(near.inputs, far.inputs)
    assert near.inputs[0, 1:4].tolist() == pytest.approx([0, 0.6, 0.8])


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
    # Highlights are shaded at pixels here and at vertices there: on this coarse mesh they differ;
    # the inner side shows through the wrist, and is shaded with the normal turned only here.
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
