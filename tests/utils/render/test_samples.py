"""Points within pixels: the CPU's kernel against a finer drawing, and against the rasteriser."""

import pytest
import torch

from utils.render import Renderer
from utils.render.benchmark import HAND, load_hand, surround
from utils.render.cpu.backend import CpuBackend
from utils.render.samples import samples_of_drawing

NEAR = 1e-6


@pytest.fixture(scope="module")
def drawn():
    """A hand in two views of different sizes, and the fragments at its occlusions."""
    verts, faces = load_hand(HAND, 778)
    cameras = surround(verts, 2, (120, 160)).to(dtype=torch.float32)
    cameras = cameras.resize(torch.tensor([[120, 160], [90, 110]]))
    renderer = Renderer(torch.from_numpy(faces), backend="cpu")
    fragments = renderer.rasterize(cameras, torch.from_numpy(verts).float())
    return renderer, fragments, renderer.occlusions(fragments)


def mean_depths(samples, pixels):
    return torch.zeros(pixels).index_add_(0, samples.pixel, samples.depth) / torch.bincount(
        samples.pixel, minlength=pixels
    ).clamp(min=1)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_the_kernel_equals_a_finer_drawing(drawn, side):
    renderer, fragments, chosen = drawn
    assert len(chosen) > 100
    own = renderer.samples(fragments, chosen, side)
    fine = samples_of_drawing(CpuBackend().rasterize, fragments, chosen, side, NEAR)
    depths = [mean_depths(s, len(chosen)) for s in (own, fine)]
    counts = [torch.bincount(s.pixel, minlength=len(chosen)) for s in (own, fine)]
    # The rasteriser snaps corners to a grid; a point on an edge may fall to either side.
    assert (counts[0] == counts[1]).float().mean() > 0.97
    assert ((depths[0] - depths[1]).abs() < 1e-4).float().mean() > 0.97


def test_one_sample_is_the_fragment(drawn):
    renderer, fragments, _ = drawn
    every = torch.arange(len(fragments))
    own = renderer.samples(fragments, every, 1)
    corners = fragments.faces[fragments.face[own.pixel].long()].long()
    same = (corners == own.corners).all(1)
    assert len(own.pixel) > 0.995 * len(fragments) and same.float().mean() > 0.995
    torch.testing.assert_close(own.bary[same], fragments.bary[own.pixel][same], atol=1e-3, rtol=0)


def test_behind_the_near_plane_nothing_is_seen():
    """A face that reaches behind the camera hides nothing there, and its front part is seen."""
    verts_px = torch.tensor([[[-20.0, -20, 1], [40, -20, 1], [-20, -40, -1], [0, 0, 2], [80, 0, 2],
                              [0, 80, 2]]])  # fmt: skip
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    renderer = Renderer(faces, backend="cpu")
    fragments = renderer.rasterize_px(verts_px, torch.tensor([[12, 12]]), torch.tensor([50.0]))
    every = torch.arange(len(fragments))
    own = renderer.samples(fragments, every, 2)
    fine = samples_of_drawing(CpuBackend().rasterize, fragments, every, 2, NEAR)
    assert len(own.pixel) == len(fine.pixel) > 0
    assert torch.equal(own.corners, fine.corners)


def test_no_pixels_no_samples(drawn):
    renderer, fragments, _ = drawn
    own = renderer.samples(fragments, torch.zeros(0, dtype=torch.int64), 2)
    assert len(own.pixel) == 0 and own.surfaces().interpolate(torch.rand(778, 5)).shape == (0, 5)
