from dataclasses import replace

import numpy as np
import pytest
import torch

from models.evaluation.views import image_in_own_light
from models.ham.reconstruction import load_reconstruction
from tests.scenes.evaluation import write_reconstruction
from tests.scenes.ham import hand_scene
from utils.metrics.image import psnr


@pytest.fixture(scope="module")
def scene():
    return hand_scene(sides=("right",), views=1, pixels=80)


def test_another_light_and_tint_are_explained(scene, tmp_path):
    """The photo's light is not the reconstruction's, and each channel has its own."""
    write_reconstruction(tmp_path, scene)
    own = load_reconstruction(tmp_path, "1")
    light = torch.tensor([[0.5, 0.2, -0.1, 0.1, 0.0, 0.05, 0.0, 0.0, 0.0]])
    lit = replace(own.appearance, sh_coeff=light, gain=torch.tensor([[1.2, 1.0, 0.7]]))
    photo = own.render(own.cameras, lit)[0]
    found = image_in_own_light(own, own.cameras, photo.image, photo.covered)
    # Normals are interpolated here and colours there: a little less than exact where it curves.
    assert psnr(found, photo.image, photo.covered) > 40
    assert psnr(scene.images[0], photo.image, photo.covered) < 25


def test_a_wrong_albedo_is_not(scene, tmp_path):
    write_reconstruction(tmp_path, scene)
    own = load_reconstruction(tmp_path, "1")
    shuffled = replace(own.appearance, albedo=own.appearance.albedo.flip(0))
    wrong = replace(own, appearance=shuffled)
    shown = own.render(own.cameras, own.appearance)[0]
    found = image_in_own_light(wrong, own.cameras, shown.image, shown.covered)
    assert psnr(found, shown.image, shown.covered) < 30
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
