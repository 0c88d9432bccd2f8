import subprocess
import sys

import pytest
import torch

from models.appearance.light import LOBES
from models.appearance.model import Appearance, vertex_samples
from tests.conftest import ROOT
from tests.scenes.appearance import VIEWS, known_appearance, sphere_normals
from tests.scenes.captures import ring_of_cameras
from utils.cameras import Cameras
from utils.render import Renderer


@pytest.fixture(scope="module")
def normals():
    return sphere_normals()


@pytest.fixture
def truth(normals):
    return known_appearance(normals)


def test_colour_is_the_product_of_albedo_light_and_gain():
    appearance = Appearance(
        torch.tensor([[0.5, 0.4, 0.2]]), torch.tensor([[0.6, 0, 0.4, 0]]),
        torch.tensor([[1.1, 1.0, 0.9]]),
    )  # fmt: skip
    assert appearance.degree == 2
    found = appearance.vertex_colors(torch.tensor([[0.0, 0, 1]]))
    torch.testing.assert_close(found, torch.tensor([[[0.55, 0.4, 0.18]]]))


def test_normalise_keeps_colours_and_moves_what_is_common_into_the_albedo(normals, truth):
    truth.gain *= torch.tensor([1.3, 1.0, 0.8])
    truth.lobes = torch.rand(LOBES, 3, generator=torch.Generator().manual_seed(3))
    cameras = ring_of_cameras(VIEWS).to(dtype=torch.float32)
    before = truth.colors_in(cameras, normals, normals)
    truth.normalise_()
    torch.testing.assert_close(truth.colors_in(cameras, normals, normals), before)
    torch.testing.assert_close(truth.gain.log().mean(0), torch.zeros(3), atol=1e-6, rtol=0)


def test_vertex_samples_are_the_mean_photo_colour_of_each_vertex():
    """One triangle that fills a photo: sampling the rendering of vertex colours gives them back."""
    K = torch.tensor([[[200.0, 0, 50], [0, 200, 50], [0, 0, 1]]])
    cameras = Cameras(K, torch.eye(3)[None], torch.zeros(1, 3), torch.tensor([[100, 100]]))
    corners = torch.tensor([[-0.2, -0.2, 1.0], [0.2, -0.2, 1], [-0.2, 0.2, 1], [5, 5, -5]])
    renderer = Renderer(torch.tensor([[0, 1, 2]]))
    fragments = renderer.rasterize(cameras, corners)
    pixels = torch.full((len(fragments), 3), 0.25)
    weight = (fragments.x > 20).float()  # a strip at the first corner is not believed
    pixels[fragments.x <= 20] = 1.0
    colors, weights = vertex_samples(renderer, fragments, pixels, weight)
    assert colors.shape == (1, 4, 3) and weights.shape == (1, 4)
    torch.testing.assert_close(colors[0, :3], torch.full((3, 3), 0.25))
    # Barycentrics sum to 1, so the weights sum to the number of believed pixels.
    assert weights.sum().item() == pytest.approx(weight.sum().item(), rel=1e-5)
    assert weights[0, 3] == 0 and colors[0, 3].tolist() == [0, 0, 0]  # behind the camera


def test_their_samples_do_not_wait_for_sympy():
    """Which torch imports, for half a second, where a gradient is asked for in another way."""
    code = (
        "import sys, torch; from utils.render import Renderer; "
        "from models.appearance.model import vertex_samples; "
        "renderer = Renderer(torch.tensor([[0, 1, 2]])); "
        "corners = torch.tensor([[[0.0, 0, 1], [5, 0, 1], [0, 5, 1]]]); "
        "drawn = renderer.rasterize_px(corners, torch.tensor([[6, 6]]), torch.ones(1)); "
        "pixels = torch.ones(len(drawn), 3); "
        "_, weights = vertex_samples(renderer, drawn, pixels, pixels[:, 0]); "
        "sys.exit('sympy' in sys.modules or not weights.all())"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_file_holds_all_of_it(truth):
    again = Appearance(**truth.as_dict())
    assert again.lobes is None
    for name in ("albedo", "sh_coeff", "gain"):
        assert torch.equal(getattr(again, name), getattr(truth, name))
