from dataclasses import replace

import pytest
import torch

from models.ham.refine import refit_appearance
from tests.scenes.neural import neural_scene, short_config
from utils.geometry.mesh import vertex_normals


@pytest.fixture(scope="module")
def scene():
    return neural_scene()


def test_it_finds_the_colours_from_the_photos_alone(scene):
    """Of some views, whatever the appearance was before, which knows all of them."""
    views = [0, 2, 3, 5]
    photos, config = scene.photos.of_views(views), short_config()
    black = replace(scene.start.appearance, albedo=torch.zeros_like(scene.start.verts))
    found, same = (
        refit_appearance(start, photos, config)
        for start in (scene.start, replace(scene.start, appearance=black))
    )
    assert torch.equal(found.albedo, same.albedo)
    assert found.sh_coeff.shape == (4, 9) and found.gain.shape == (4, 3)
    normals = vertex_normals(scene.start.verts, scene.faces)
    true = scene.scene.appearance.colors_in(scene.photos.cameras, scene.start.verts, normals)
    colors = found.colors_in(photos.cameras, scene.start.verts, normals)
    assert (colors - true[views]).abs().mean() < 0.03
