"""Gradients of interpolation, barycentrics and depth against float64 autograd and differences."""

import pytest
import torch

from utils.cameras import Cameras
from utils.render import Fragments, Renderer
from utils.render.cpu.functions import transform

SIZE = (24, 30)


def soup(views: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random triangles: verts_px (B, 18, 3), faces (6, 3), sizes."""
    generator = torch.Generator().manual_seed(seed)
    z = 1 + 2 * torch.rand(views, 18, generator=generator)
    x = SIZE[1] * torch.rand(views, 18, generator=generator)
    y = SIZE[0] * torch.rand(views, 18, generator=generator)
    faces = torch.arange(18).reshape(6, 3)
    return torch.stack([x * z, y * z, z], -1), faces, torch.tensor([SIZE] * views)


def reference(
    fragments: Fragments, verts_px: torch.Tensor, faces: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Barycentrics and depths from solving M b = z p in float64, with torch's own autograd."""
    M = verts_px[fragments.view[:, None], faces[fragments.face]].transpose(1, 2)
    pixels = torch.stack([fragments.x, fragments.y, torch.ones_like(fragments.x)], -1).double()
    weights = torch.linalg.solve(M, pixels[:, :, None])[:, :, 0]
    depth = 1 / weights.sum(-1)
    return weights * depth[:, None], depth


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("channels", [1, 3, 7, 8, 9, 17])
@pytest.mark.parametrize("per_view", [False, True])
def test_against_float64_autograd(views, channels, per_view):
    """Channel counts around the kernels' groups of eight; one view is dealt out to threads."""
    verts_px, faces, sizes = soup(views)
    shape = (views, 18, channels) if per_view else (18, channels)
    attributes = torch.rand(shape).requires_grad_()
    verts_px.requires_grad_()
    renderer = Renderer(faces, backend="cpu")
    fragments = renderer.rasterize_px(verts_px, sizes, torch.ones(views))
    values = renderer.interpolate(fragments, attributes)
    weights = [torch.rand_like(t) for t in (values, fragments.bary, fragments.depth)]
    outputs = [values, fragments.bary, fragments.depth]
    got = torch.autograd.grad(outputs, [verts_px, attributes], weights)

    verts64 = verts_px.detach().double().requires_grad_()
    attributes64 = attributes.detach().double().requires_grad_()
    bary, depth = reference(fragments, verts64, faces)
    corners = faces[fragments.face]
    picked = attributes64[fragments.view[:, None], corners] if per_view else attributes64[corners]
    expected_values = (bary[:, :, None] * picked).sum(1)
    outputs64 = [expected_values, bary, depth]
    expected = torch.autograd.grad(
        outputs64, [verts64, attributes64], [w.double() for w in weights]
    )
    assert len(fragments) > 100
    for value, exact in zip(outputs, outputs64):
        torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=1e-5)
    for value, exact in zip(got, expected):
        # float32 sums over hundreds of pixels
        assert (value - exact).abs().max() < 1e-5 * exact.abs().max()


@pytest.mark.parametrize("views", [1, 3])
def test_a_part_of_the_fragments_is_as_they_are(views):
    """Values and gradients at some of the fragments are those of all with the others left out."""
    verts_px, faces, sizes = soup(views)
    attributes = torch.rand(18, 5).requires_grad_()
    verts_px.requires_grad_()
    renderer = Renderer(faces, backend="cpu")
    fragments = renderer.rasterize_px(verts_px, sizes, torch.ones(views))
    chosen = torch.randint(len(fragments), (len(fragments) // 3,)).sort().values
    part = fragments.part(chosen)
    values = renderer.interpolate(part, attributes)
    expected = renderer.interpolate(fragments, attributes)[chosen]
    assert (part.view == fragments.view[chosen]).all() and len(part) == len(chosen)
    torch.testing.assert_close(values, expected)
    weights = torch.rand_like(values)
    got, exact = (
        torch.autograd.grad(each, [verts_px, attributes], weights) for each in (values, expected)
    )
    for value, other in zip(got, exact):
        assert (value - other).abs().max() < 1e-5 * other.abs().max()
    empty = renderer.interpolate(fragments.part(chosen[:0]), attributes)
    assert empty.shape == (0, 5)


def test_gradient_reaches_cameras_and_vertices():
    """K, R, t and vertices against central differences of an interior image sum."""
    K = torch.tensor([[[40.0, 0, 15], [0, 42, 11], [0, 0, 1]]]).double()
    t = torch.tensor([[0.1, -0.2, 4.0]]).double()
    verts = torch.tensor([[-9.0, -9, 1], [9, -9, 0], [0, 12, -1]]).double()  # covers the image
    cameras = Cameras(K, torch.eye(3)[None].double(), t, torch.tensor([SIZE]))
    renderer = Renderer(torch.tensor([[0, 1, 2]]), backend="cpu")
    attributes = torch.tensor([[1.0, 0], [0, 2], [3, 1]])
    weights = torch.linspace(0.5, 1, SIZE[0] * SIZE[1])

    def loss(K, R, t, verts):
        fragments = renderer.rasterize(Cameras(K, R, t, cameras.sizes), verts)
        assert len(fragments) == len(weights)
        values = renderer.interpolate(fragments, attributes)
        return ((values.square().sum(1) + fragments.depth) * weights).double().sum()

    leaves = [a.clone().requires_grad_() for a in (K, cameras.R, t, verts)]
    loss(*leaves).backward()
    for leaf, step in zip(leaves, (1e-2, 1e-4, 1e-3, 1e-3)):
        for index in [(0, 0, 0), (0, 1, 1)] if leaf.ndim == 3 else [(0, 0), (0, 1)]:
            values = []
            for sign in (1, -1):
                moved = [a.detach().clone() for a in leaves]
                moved[[a is leaf for a in leaves].index(True)][index] += sign * step
                values.append(loss(*moved))
            difference = (values[0] - values[1]) / (2 * step)
            # float32 forward: sums of 720 values near 10 differ by 1e-6 of themselves
            assert leaf.grad[index] == pytest.approx(float(difference), rel=5e-3, abs=0.5)


@pytest.mark.parametrize("per_view", [False, True])
def test_homogeneous_pixels_against_torch(per_view):
    """The CPU kernel and its gradients in points and cameras equal those of `px_from_world`."""
    generator = torch.Generator().manual_seed(0)
    K, R = (torch.randn(3, 3, 3, generator=generator) for _ in range(2))
    t, points = torch.randn(3, 3, generator=generator), torch.randn(3, 50, 3, generator=generator)
    leaves = [a.requires_grad_() for a in (K, R, t, points if per_view else points[0])]
    cameras = Cameras(K, R, t, torch.tensor([SIZE] * 3))
    got, expected = transform(leaves[3], *cameras.px_matrices()), cameras.px_from_world(leaves[3])
    torch.testing.assert_close(got, expected)
    weights = torch.rand(got.shape, generator=generator)
    for value, exact in zip(*(torch.autograd.grad(a, leaves, weights) for a in (got, expected))):
        torch.testing.assert_close(value, exact, rtol=1e-4, atol=1e-4)  # sums of 150 products


def test_rows_for_the_background():
    """They follow the fragments' values, and an image of both needs no copy."""
    verts_px, faces, sizes = soup(2)
    verts_px.requires_grad_()
    renderer = Renderer(faces, backend="cpu")
    attributes, gradients = torch.rand(18, 5, requires_grad=True), []
    fragments = renderer.rasterize_px(verts_px, sizes, torch.ones(2))
    plain = renderer.interpolate(fragments, attributes)
    values = renderer.interpolate(fragments, attributes, background=0.25)
    assert torch.equal(values[: len(plain)], plain)
    assert (values[len(plain) :] == 0.25).all()
    images = [
        renderer.edge_gradient(fragments, plain, 0.25),
        renderer.edge_gradient(fragments, values),
    ]
    assert images[1].value.data_ptr() == values.data_ptr()
    for image in images:
        assert torch.equal(image.value, values)
        loss = image.value.square().sum()
        gradients.append(torch.autograd.grad(loss, [verts_px, attributes], retain_graph=True))
    for first, second in zip(*gradients):
        torch.testing.assert_close(first, second)


def test_edge_on_faces_give_finite_gradients():
    """A face nearly seen edge on still covers pixels now and then; nothing may explode to nan."""
    z = torch.tensor([1.0, 2.0, 1.5])
    x, y = torch.tensor([0.0, 9, 4]), torch.tensor([3.0, 3.0, 3.0 + 2e-4])
    verts_px = torch.stack([x * z, y * z, z], -1)[None].requires_grad_()
    renderer = Renderer(torch.tensor([[0, 1, 2]]), backend="cpu")
    fragments = renderer.rasterize_px(verts_px, torch.tensor([[8, 12]]), torch.ones(1))
    values = renderer.interpolate(fragments, torch.eye(3))
    (values.square().sum() + fragments.depth.sum()).backward()
    assert torch.isfinite(verts_px.grad).all()
    torch.testing.assert_close(fragments.bary.sum(1), torch.ones(len(fragments)))


def test_only_what_needs_a_gradient_gets_one():
    verts_px, faces, sizes = soup(2)
    renderer = Renderer(faces, backend="cpu")
    attributes = torch.rand(18, 5, requires_grad=True)
    fragments = renderer.rasterize_px(verts_px, sizes, torch.ones(2))
    renderer.interpolate(fragments, attributes).sum().backward()
    # Barycentrics sum to one, so every fragment gives one unit a channel.
    torch.testing.assert_close(attributes.grad.sum(0), torch.full((5,), float(len(fragments))))
