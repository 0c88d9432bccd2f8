"""Which backend is taken, and that what CUDA backends share equals the CPU backend."""

import importlib.util

import pytest
import torch

from utils.errors import UserError
from utils.render import Fragments, Pairs, Renderer, dense
from utils.render.backend_pytorch3d import ndc_from_px
from utils.render.benchmark import HAND, load_hand, surround
from utils.render.cpu.backend import CpuBackend


def hand_scene(views: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """verts_px, faces, sizes (one smaller than the others) and focal lengths of a hand."""
    verts, faces = load_hand(HAND, 1600)
    cameras = surround(verts, views, (90, 120)).to(dtype=torch.float32)
    verts_px = cameras.px_from_world(torch.from_numpy(verts).float())
    sizes = cameras.sizes.clone()
    sizes[1] = torch.tensor([50, 70])
    return verts_px, torch.from_numpy(faces).int(), sizes, cameras.K[:, 0, 0]


def id_maps(fragments: Fragments) -> torch.Tensor:
    ids = torch.full((len(fragments.sizes), *fragments.sizes.amax(0).tolist()), -1)
    pixel = fragments.view.cpu(), fragments.y.cpu(), fragments.x.cpu()
    ids[pixel] = fragments.face.cpu().long()
    return ids


def as_set(pairs: Pairs, fragments: Fragments) -> set:
    """Pairs as pixels, whatever the order in which they were found."""
    place = torch.stack([fragments.pixel_view, fragments.pixel_y, fragments.pixel_x], 1)
    rows = zip(place[pairs.p.long()].tolist(), place[pairs.q.long()].tolist(), pairs.axis.tolist())
    return {(*p, *q, axis) for p, q, axis in rows}


def test_dense_fragments_equal_the_cpu_backend():
    """From the CPU backend's own ids: the same fragments, pairs, values and gradients."""
    verts_px, faces, sizes, focal = hand_scene()
    own, other = verts_px.clone().requires_grad_(), verts_px.clone().requires_grad_()
    fragments = CpuBackend().rasterize(own, faces, sizes, 1 / focal, 1e-6)
    again = dense.fragments_from_ids(id_maps(fragments), other, faces, sizes, 1 / focal)
    for name in ("view", "y", "x", "face", "front", "offsets", "pixel_view"):
        assert torch.equal(getattr(fragments, name), getattr(again, name)), name
    torch.testing.assert_close(fragments.bary, again.bary, rtol=0, atol=1e-5)
    torch.testing.assert_close(fragments.depth, again.depth, rtol=1e-5, atol=0)
    assert as_set(fragments.rim_pairs, fragments) == as_set(again.rim_pairs, again)
    found = [as_set(b.surface_pairs(f), f) for b, f in ((CpuBackend(), fragments), (dense, again))]
    assert len(found[0]) > 100
    assert len(found[0] ^ found[1]) <= 0.01 * len(found[0])  # rounding at the threshold

    attributes = torch.rand(verts_px.shape[1], 5)
    weights = torch.rand(len(fragments), 5)
    renderer = Renderer(faces, backend="cpu")
    grads = []
    for backend, f, leaf in ((CpuBackend(), fragments, own), (dense, again, other)):
        values = backend.interpolate(f, attributes)
        rows = backend.interpolate(f, attributes, background=0.5)
        assert torch.equal(rows[: len(f)], values)
        assert rows[len(f) :].tolist() == [[0.5] * 5] * (len(f.pixel_x) - len(f))
        rim = renderer.coverage(f)
        loss = (values * weights).sum() + (rim.value * rim.x).sum() + f.depth.sum()
        grads.append(torch.autograd.grad(loss, leaf)[0])
    # float32 against float64 in sub-pixel and grazing faces
    assert (grads[0] - grads[1]).norm() < 1e-3 * grads[1].norm()


@pytest.mark.parametrize(("beyond", "believed"), [(-0.3, True), (0.03, True), (0.3, False)])
def test_pixels_beside_thin_faces_have_no_gradient(beyond, believed):
    """A face one pixel wide whose edge lies `beyond` pixels left of the pixel's centre (4, 4).

    Such pixels come of snapped vertices. What they show stays within the face.
    """
    x = torch.tensor([4.0, 3.0, 4.0]) - beyond
    y, z = torch.tensor([0.0, 4.0, 8.0]), torch.tensor([2.0, 2.0, 3.0])
    verts_px = torch.stack([x * z, y * z, z], 1)[None].requires_grad_()
    ids = torch.full((1, 9, 9), -1)
    ids[0, 4, 4] = 0
    fragments = dense.fragments_from_ids(
        ids, verts_px, torch.tensor([[0, 1, 2]]), torch.tensor([[9, 9]]), torch.ones(1)
    )
    assert fragments.bary.min() >= 0 and 2 <= fragments.depth <= 3
    weights = torch.tensor([1.0, 2.0, 4.0])
    gradient = torch.autograd.grad((fragments.bary @ weights).sum() + fragments.depth, verts_px)[0]
    assert gradient.isfinite().all() and bool(gradient.any()) == believed


def test_unknown_backend():
    with pytest.raises(UserError, match="expected one of auto, cpu"):
        Renderer(torch.zeros(0, 3), backend="opengl")


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    verts_px = torch.ones(1, 3, 3)
    for name in ("nvdiffrast", "pytorch3d"):
        with pytest.raises(UserError, match="not installed"):
            Renderer(torch.tensor([[0, 1, 2]]), backend=name).rasterize_px(
                verts_px, torch.tensor([[4, 4]]), torch.ones(1)
            )


def test_ndc_of_a_wide_image():
    """PyTorch3D: the upper left pixel's centre is at (+, +), the shorter side spans [-1, 1]."""
    corners = torch.tensor([[[-0.5, -0.5, 1], [199.5, 99.5, 1]]]) * 2
    ndc = ndc_from_px(corners, (100, 200))
    assert ndc[0].tolist() == [[2, 1, 2], [-2, -1, 2]]


@pytest.mark.parametrize("name", ["nvdiffrast", "pytorch3d"])
def test_foreign_rasterisers_agree(name):
    """Ids of a hand equal on 99 % of pixels: nvdiffrast snaps to 1/16 pixel, ours to 1/4096."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed (requirements-gpu.txt)")
    if name == "nvdiffrast" and not torch.cuda.is_available():
        pytest.skip("nvdiffrast needs a CUDA device")
    device = "cuda" if name == "nvdiffrast" else "cpu"
    verts_px, faces, sizes, focal = hand_scene()
    own = Renderer(faces, backend="cpu").rasterize_px(verts_px, sizes, focal)
    other = Renderer(faces, backend=name).rasterize_px(verts_px.to(device), sizes, focal)
    a, b = id_maps(own), id_maps(other).cpu()
    assert (a == b).float().mean() > 0.99
    assert ((a >= 0) == (b >= 0)).float().mean() > 0.999
