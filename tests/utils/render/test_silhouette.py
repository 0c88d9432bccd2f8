"""The boundary estimator against exact, supersampled coverage."""

import pytest
import torch

from tests.scenes.cuda import EVERY_DEVICE
from utils.cameras import Cameras
from utils.render import Renderer, silhouette
from utils.render.benchmark import HAND, load_hand, surround
from utils.render.cpu.backend import CpuBackend

SUPERSAMPLING = 8
MODES = 30


def smooth_modes(verts: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Translations, rotations, scale and random low waves: (MODES, V, 3), of about unit size."""
    offset = verts - verts.mean(0)
    offset = offset / offset.norm(dim=1).max()
    axes = torch.eye(3)
    modes = [axis.expand_as(verts) for axis in axes]
    modes += [torch.linalg.cross(axis.expand_as(offset), offset) for axis in axes]
    modes.append(offset)
    while len(modes) < MODES:
        wave, direction = torch.randn(2, 3, generator=generator)
        phase = 6.28 * torch.rand(1, generator=generator)
        modes.append(torch.cos(3 * offset @ wave + phase)[:, None] * direction / direction.norm())
    return torch.stack(modes)


def exact_coverage(renderer: Renderer, cameras: Cameras, verts: torch.Tensor) -> torch.Tensor:
    """The covered part (B, H, W) of each pixel by 8 x 8 samples."""
    big = cameras.resize(cameras.sizes * SUPERSAMPLING)
    fragments = renderer.rasterize(big, verts)
    height, width = cameras.sizes[0].tolist()
    y, x = fragments.y.long() // SUPERSAMPLING, fragments.x.long() // SUPERSAMPLING
    pixel = (fragments.view.long() * height + y) * width + x
    count = torch.bincount(pixel, minlength=len(cameras) * height * width)
    return count.reshape(-1, height, width) / SUPERSAMPLING**2


@pytest.mark.parametrize("device", EVERY_DEVICE)
@pytest.mark.parametrize(
    "vertices",
    [
        778,
        3100,
        pytest.param(12400, marks=pytest.mark.slow),
        pytest.param(49600, marks=pytest.mark.slow),
    ],
)
def test_gradient_of_a_silhouette_loss_on_a_hand(vertices, device):
    """Cosine >= 0.99 and slope 0.95-1.05 against central differences of exact coverage.

    Loss: squared difference of coverage to that of the hand moved by about a pixel a mode. The
    open hand has 1629 vertices; without fast_simplification the nearest counts are used.
    """
    verts, faces = load_hand(HAND, vertices)
    size, generator = (160, 160), torch.Generator().manual_seed(0)
    cameras = surround(verts, 3, size).to(dtype=torch.float32)
    verts = torch.from_numpy(verts).float()
    renderer = Renderer(torch.from_numpy(faces), backend="cpu")
    pixel = float((verts - verts.mean(0)).norm(dim=1).max()) / (0.4 * size[0])  # world units
    modes = smooth_modes(verts, generator) * pixel
    weights = torch.randn(MODES, 1, 1, generator=generator)
    target = exact_coverage(renderer, cameras, verts + (weights * modes).sum(0))

    leaf, drawer = verts.to(device, copy=True).requires_grad_(), Renderer(renderer.faces)
    rim = drawer.coverage(drawer.rasterize(cameras, leaf))
    (rim.value - target.to(device)[rim.view, rim.y, rim.x]).square().sum().backward()
    got = (leaf.grad.cpu() * modes).sum((1, 2))

    step = 0.3  # pixels: small to the hand, large to a sample of 1/8
    exact = []
    for mode in modes:
        ahead = exact_coverage(renderer, cameras, verts + step * mode)
        behind = exact_coverage(renderer, cameras, verts - step * mode)
        exact.append(((ahead - target).square() - (behind - target).square()).sum() / (2 * step))
    exact = torch.stack(exact)
    cosine = float(got @ exact / got.norm() / exact.norm())
    slope = float(got @ exact / exact.square().sum())
    print(f"{len(verts)} vertices: cosine {cosine:.4f}, slope {slope:.3f}")
    assert cosine >= 0.99
    assert 0.95 <= slope <= 1.05


def box(x0: float, y0: float, x1: float, y1: float, depth: float) -> torch.Tensor:
    """Four corners as homogeneous pixels (4, 3)."""
    xy = torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    return torch.cat([xy, torch.ones(4, 1)], 1) * depth


QUAD = torch.tensor([[0, 1, 2], [0, 2, 3]])


def draw(*boxes: torch.Tensor, size: tuple[int, int] = (9, 12)):
    """Renderer, fragments and the leaf they depend on, of some boxes."""
    verts_px = torch.cat(boxes)[None].requires_grad_()
    faces = torch.cat([QUAD + 4 * i for i in range(len(boxes))])
    renderer = Renderer(faces, backend="cpu")
    fragments = renderer.rasterize_px(verts_px, torch.tensor([size]), torch.tensor([50.0]))
    return renderer, fragments, verts_px


def shift_gradient(verts_px: torch.Tensor, rows: slice) -> torch.Tensor:
    """Derivative (2,) for moving the vertices `rows` by a pixel in x and in y."""
    return (verts_px.grad[0, rows, :2] * verts_px.detach()[0, rows, 2:]).sum(0)


def test_rim_and_values_of_a_box():
    renderer, fragments, _ = draw(box(2.5, 2.5, 5.5, 4.5, 2.0))
    rim = renderer.coverage(fragments)
    assert rim.covered == len(fragments) == 3 * 2
    image = [["." for _ in range(12)] for _ in range(9)]
    for y, x, value in zip(rim.y, rim.x, rim.value):
        image[y][x] = str(int(value))
    assert "\n".join("".join(row) for row in image) == (
        "............"
        "\n............"
        "\n...000......"
        "\n..01110....."
        "\n..01110....."
        "\n...000......"
        "\n............"
        "\n............"
        "\n............"
    )


def test_moving_a_box_moves_its_edges():
    """A linear image weight: the exact derivative is the difference of weights at both ends."""
    renderer, fragments, verts_px = draw(box(2.5, 2.5, 6.5, 5.5, 2.0))
    rim = renderer.coverage(fragments)
    (rim.value * (2.0 * rim.x + 3.0 * rim.y)).sum().backward()
    # d/dx of the sum over 4 x 3 pixels of 2 x + 3 y is 2 * 12, d/dy is 3 * 12.
    assert shift_gradient(verts_px, slice(0, 4)).tolist() == pytest.approx([24, 36], rel=1e-5)


def test_image_borders_have_no_gradient():
    """A box over the whole image stays so: pairs partly outside of the image are ignored."""
    renderer, fragments, verts_px = draw(box(-3, -3, 20, 20, 2.0))
    rim = renderer.coverage(fragments)
    rim.value.sum().backward()
    assert len(rim.value) == 9 * 12
    assert not verts_px.grad.any()


@pytest.mark.parametrize("near_first", [True, False])
def test_occlusion_moves_the_nearer_surface(near_first):
    """A bright box before a dark one: only the nearer is pulled, by the exact amount."""
    near, far = box(2.5, 2.5, 6.5, 5.5, 2.0), box(-1, -1, 20, 20, 3.0)
    boxes = (near, far) if near_first else (far, near)
    renderer, fragments, verts_px = draw(*boxes)
    attributes = torch.full((8, 1), 0.25)
    own = slice(0, 4) if near_first else slice(4, 8)
    other = slice(4, 8) if near_first else slice(0, 4)
    attributes[own] = 1.0
    values = renderer.interpolate(fragments, attributes)
    image = renderer.edge_gradient(fragments, values)
    (image.value[:, 0] * (2.0 * image.x + 3.0 * image.y)).sum().backward()
    expected = [0.75 * 24, 0.75 * 36]
    assert shift_gradient(verts_px, own).tolist() == pytest.approx(expected, rel=1e-5)
    # Of constant attributes interpolation itself has no gradient, up to rounding.
    assert shift_gradient(verts_px, other).abs().max() < 1e-3


def test_an_occlusion_alone():
    """A near box that juts out of a far one: its border against the far one moves, no other."""
    renderer, fragments, verts_px = draw(box(2.5, 2.5, 6.5, 5.5, 2.0), box(-1, -1, 4.5, 20, 3.0))
    values = renderer.interpolate(fragments, torch.tensor([1.0] * 4 + [0.25] * 4)[:, None])
    image = renderer.occlusion_gradient(fragments, values)
    assert torch.equal(image, values)
    image.sum().backward()
    # To the right: a column of 3 pixels turns dark; up and down: rows of 2 pixels even out.
    assert shift_gradient(verts_px, slice(0, 4)).tolist() == pytest.approx([-0.75 * 3, 0], abs=1e-5)
    assert not verts_px.grad[0, 4:].any()


def test_a_crease_is_no_occlusion():
    """Two faces that meet at an edge, one steep: no boundary between them."""
    verts_px = torch.tensor(
        [[0.0, 0, 2], [5, 0, 2], [5, 8, 2], [0, 8, 2], [11, 0, 2.6], [11, 8, 2.6]]
    )
    verts_px = torch.cat([verts_px[:, :2] * verts_px[:, 2:], verts_px[:, 2:]], 1)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [1, 4, 5], [1, 5, 2]])
    renderer = Renderer(faces, backend="cpu")
    fragments = renderer.rasterize_px(verts_px[None], torch.tensor([[8, 11]]), torch.tensor([50.0]))
    renderer.edge_gradient(fragments, fragments.bary)
    assert len(fragments.surface_pairs.p) == 0 and len(renderer.occlusions(fragments)) == 0


def test_both_sides_of_an_occlusion_are_named():
    """A near box of 4 x 3 pixels in a far one: its own border and the pixels beside it."""
    renderer, fragments, _ = draw(box(2.5, 2.5, 6.5, 5.5, 2.0), box(-1, -1, 20, 20, 3.0))
    found = {(int(fragments.y[k]), int(fragments.x[k])) for k in renderer.occlusions(fragments)}
    near = {(y, x) for y in range(3, 6) for x in range(3, 7)} - {(4, 4), (4, 5)}
    beside = {(y, x) for y in (2, 6) for x in range(3, 7)} | {
        (y, x) for y in (3, 4, 5) for x in (2, 7)
    }
    assert found == near | beside


def test_the_cpu_kernel_equals_the_formula():
    """Forces of rim and occlusion pairs of a hand, of 3 channels, against the torch formula."""
    verts, faces = load_hand(HAND, 778)
    cameras = surround(verts, 2, (120, 160)).to(dtype=torch.float32)
    renderer = Renderer(torch.from_numpy(faces), backend="cpu")
    fragments = renderer.rasterize(cameras, torch.from_numpy(verts).float())
    pairs = [fragments.rim_pairs, CpuBackend().surface_pairs(fragments)]
    assert all(len(group.p) > 50 for group in pairs)
    values, grad = torch.rand(2, len(fragments.pixel_x), 3)
    got = CpuBackend().boundary_gradient(fragments, pairs, values, grad)
    exact = silhouette.boundary_gradient(fragments, pairs, values, grad)
    # float32 sums of some tens of terms
    assert (got - exact).abs().max() < 1e-5 * exact.abs().max()


def test_backgrounds():
    renderer, fragments, _ = draw(box(2.5, 2.5, 5.5, 4.5, 2.0))
    values = torch.ones(len(fragments), 2)
    N, R = len(fragments), len(fragments.pixel_x) - len(fragments)
    ramp = torch.rand(R, 2, requires_grad=True)
    assert (renderer.edge_gradient(fragments, values, 0.5).value[N:] == 0.5).all()
    pair = torch.tensor([0.1, 0.2])
    assert (renderer.edge_gradient(fragments, values, pair).value[N:] == pair).all()
    image = renderer.edge_gradient(fragments, values, ramp)
    image.value.sum().backward()
    assert torch.equal(ramp.grad, torch.ones(R, 2))
    with pytest.raises(ValueError, match="values: expected"):
        renderer.edge_gradient(fragments, values[1:])
