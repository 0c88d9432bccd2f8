import pytest
import torch

from models.neural.mesh import with_cap_colors
from tests.scenes.neural import neural_scene


@pytest.fixture(scope="module")
def scene():
    return neural_scene()


def test_caps_get_the_colour_that_photos_show(scene):
    """The start is grey; in the photos, a cap has the median albedo of its hand."""
    true = scene.scene.appearance.albedo.median(0).values
    mesh = with_cap_colors(scene.mesh, scene.photos)
    assert mesh.cap_albedo.shape == (1, 3)
    # Half as far off as grey is: the photos' lights differ, and a cap is seen in few of them.
    assert (mesh.cap_albedo[0] - true).abs().max() < 0.5 * (true - 0.5).abs().max()
    own = mesh.closed()[2].albedo[len(mesh.verts) :]
    assert torch.equal(own, mesh.cap_albedo.expand_as(own))


def test_a_cap_that_no_photo_shows_gets_that_of_its_hand(scene):
    table = scene.photos.table.clone()
    table[:, 4] = 0
    hidden = type(scene.photos)(scene.photos.cameras, table, scene.photos.starts)
    assert with_cap_colors(scene.mesh, hidden).cap_albedo[0].tolist() == [0.5] * 3
