"""The CUDA backend against the CPU backend: pixels, depths, gradients."""

import pytest
import torch

from tests.scenes.cuda import needs_cuda
from utils.render import Fragments, Renderer, dense
from utils.render.benchmark import HAND, load_hand, surround
from utils.render.cpu.backend import CpuBackend
from utils.render.silhouette import boundary_gradient

pytestmark = needs_cuda

QUAD = torch.tensor([[0, 1, 2], [0, 2, 3]])


def rasterized(
    verts_px: torch.Tensor, faces: torch.Tensor, sizes: torch.Tensor, focal: float = 200.0
) -> tuple[Fragments, Fragments]:
    """Fragments of the CPU and of CUDA, each with a leaf of its own as verts_px."""
    focals = torch.full((len(sizes),), focal)
    return tuple(
        Renderer(faces).rasterize_px(
            verts_px.detach().to(device, copy=True).requires_grad_(), sizes, focals
        )
        for device in ("cpu", "cuda")
    )


def id_maps(fragments: Fragments) -> torch.Tensor:
    """(B, H, W) int64 on the CPU, -1 where nothing is seen."""
    ids = torch.full((len(fragments.sizes), *fragments.sizes.amax(0).tolist()), -1)
    ids[fragments.view.cpu(), fragments.y.cpu(), fragments.x.cpu()] = fragments.face.long().cpu()
    return ids


def hand_scene(vertices: int, size: tuple[int, int], views: int = 3):
    """verts_px, faces, sizes and the focal length of a hand."""
    verts, faces = load_hand(HAND, vertices)
    cameras = surround(verts, views, size).to(dtype=torch.float32)
    verts_px = cameras.px_from_world(torch.from_numpy(verts).float())
    return verts_px, torch.from_numpy(faces).int(), cameras.sizes, float(cameras.K[0, 0, 0])


def boxes_px(count: int, size: tuple[int, int], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random boxes (4 count, 3) at different depths; corners are odd multiples of 1/16 pixel.

    So both rasterisers' grids hold them exactly and no pixel's centre lies on an outline.
    """
    generator = torch.Generator().manual_seed(seed)
    extent = torch.tensor([size[1], size[0]])
    corners = torch.rand(count, 2, 2, generator=generator) * (extent + 4) - 2
    corners = (corners * 8).round() / 8 + 1 / 16
    (x0, y0), (x1, y1) = corners.amin(1).T, corners.amax(1).T + 1
    xy = torch.stack([torch.stack(p, 1) for p in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], 1)
    depth = 1 + torch.randperm(count, generator=generator) / count
    xyz = torch.cat([xy, torch.ones(count, 4, 1)], 2) * depth[:, None, None]
    return xyz.reshape(-1, 3), torch.cat([QUAD + 4 * i for i in range(count)])


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (64, 64), (45, 2500), (2100, 333)])
def test_every_pixel_of_boxes_is_the_cpu_backends(size):
    """Sizes that are no multiples of nvdiffrast's tiles of 8, and larger than its 2048."""
    verts, faces = boxes_px(12, size, seed=size[1])
    sizes = torch.tensor([size, size])
    sizes[1] = (sizes[1] + 1) // 2  # a smaller image in the same batch
    own, other = rasterized(torch.stack([verts, verts]), faces, sizes)
    box = [torch.where(ids >= 0, ids // 2, -1) for ids in map(id_maps, (own, other))]
    assert torch.equal(*box)
    assert torch.equal(own.offsets, other.offsets)
    for name in ("view", "y", "x", "pixel_view", "pixel_y", "pixel_x", "front"):
        assert torch.equal(getattr(own, name), getattr(other, name).cpu()), name
    # A diagonal's pixels may belong to either half, whose depths are the same.
    torch.testing.assert_close(own.depth, other.depth.cpu(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("vertices", [778, 12400])
def test_fragments_of_a_hand(vertices):
    """nvdiffrast snaps vertices to 1/16 pixel, ours to 1/4096; the rest is computed from the ids.

    On 12,400 vertices faces are 2 pixels wide, hence the lower agreement.
    """
    own, other = rasterized(*hand_scene(vertices, (240, 321)))
    a, b = id_maps(own), id_maps(other)
    covered = (a >= 0) | (b >= 0)
    assert ((a >= 0) == (b >= 0))[covered].float().mean() > 0.995
    assert (a == b)[covered].float().mean() > (0.98 if vertices < 1000 else 0.93)
    same = (a == b)[own.view.long(), own.y.long(), own.x.long()]
    at = (a == b)[other.view.long().cpu(), other.y.long().cpu(), other.x.long().cpu()]
    torch.testing.assert_close(own.bary[same], other.bary.cpu()[at], rtol=0, atol=2e-3)
    torch.testing.assert_close(own.depth[same], other.depth.cpu()[at], rtol=2e-5, atol=0)
    assert (own.front[same] == other.front.cpu()[at]).float().mean() > 0.999


def test_no_hole_and_no_pixel_beside_a_closed_surface():
    """Shared edges leave no gap: every pixel deep inside a hand's outline is covered."""
    own, other = rasterized(*hand_scene(12400, (200, 200)))
    a, b = id_maps(own) >= 0, id_maps(other) >= 0
    pool = torch.nn.functional.max_pool2d
    grown, eroded = pool(a.float(), 3, 1, 1) > 0, pool((~a).float(), 3, 1, 1) == 0
    assert not (eroded & ~b).any()
    assert not (b & ~grown).any()


def test_faces_through_the_cameras_plane_are_clipped():
    """A floor from behind the camera to the horizon: what lies before the camera is seen."""
    x, y, z = [-40.0, 40, 40, -40], [1.0] * 4, [-2.0, -2, 60, 60]
    cam = torch.tensor([x, y, z]).T
    K = torch.tensor([[50.0, 0, 40], [0, 50, 20], [0, 0, 1]])
    own, other = rasterized((cam @ K.T)[None], QUAD, torch.tensor([[60, 80]]), focal=50.0)
    a, b = id_maps(own) >= 0, id_maps(other) >= 0
    assert a.sum() > 2000
    assert (a != b).sum() <= 80  # the horizon's row


def test_meshes_of_nothing_and_beside_the_image():
    sizes = torch.tensor([[5, 8]])
    empty = Renderer(torch.zeros(0, 3), backend="nvdiffrast")
    assert len(empty.rasterize_px(torch.ones(1, 4, 3, device="cuda"), sizes, torch.ones(1))) == 0
    beside = torch.tensor([[[30.0, 0, 1], [40, 0, 1], [30, 9, 1]]], device="cuda")
    renderer = Renderer(torch.tensor([[0, 1, 2]]), backend="nvdiffrast")
    for verts_px in (beside, -beside):
        fragments = renderer.rasterize_px(verts_px, sizes, torch.ones(1))
        assert len(fragments) == len(fragments.pixel_x) == 0
        assert renderer.coverage(fragments).value.sum() == 0


def test_vertices_that_are_nan_cover_nothing_and_stop_nothing():
    """HAM finds a nan in its loss; the rasteriser must live on until then."""
    verts_px, faces, sizes, focal = hand_scene(778, (60, 80))
    verts_px[:, :300] = torch.nan
    verts_px[0] = torch.nan
    _, other = rasterized(verts_px, faces, sizes, focal)
    assert not (other.view == 0).any()


def test_shared_formulas_on_cuda_equal_those_on_the_cpu():
    """From the same ids: fragments, pairs and gradients, up to the order of float32 sums."""
    verts_px, faces, sizes, focal = hand_scene(3100, (120, 90))
    ids = id_maps(CpuBackend().rasterize(verts_px, faces, sizes, torch.full((3,), 1 / focal), 1e-6))
    results = []
    for device in ("cpu", "cuda"):
        leaf = verts_px.to(device, copy=True).requires_grad_()
        width = torch.full((3,), 1 / focal, device=device)
        moved = ids.to(device), leaf, faces.to(device), sizes, width
        fragments = dense.fragments_from_ids(*moved)
        attributes = torch.linspace(0, 1, 5 * verts_px.shape[1]).reshape(-1, 5).to(device)
        values = dense.interpolate(fragments, attributes.sin())
        pairs = dense.surface_pairs(fragments)
        image = torch.zeros(len(fragments.pixel_x), 5, device=device)
        image[: len(fragments)] = values.detach()
        grads = [torch.autograd.grad(values.square().sum() + fragments.depth.sum(), leaf)[0]]
        grads.append(dense_boundaries(fragments, [fragments.rim_pairs, pairs], image))
        tensors = [fragments.bary, fragments.depth, values, *grads]
        counts = [len(fragments), len(fragments.rim_pairs.p), len(pairs.p)]
        results.append(([t.detach().cpu() for t in tensors], counts))
    (own, counts), (other, other_counts) = results
    assert counts[:2] == other_counts[:2] and abs(counts[2] - other_counts[2]) <= 2
    for a, b in zip(own, other):
        assert (a - b).abs().max() < 2e-5 * a.abs().max()


def dense_boundaries(fragments: Fragments, pairs: list, image: torch.Tensor) -> torch.Tensor:
    """`boundary_gradient` of a loss whose derivative varies over the image."""
    grad = (fragments.pixel_x + 2 * fragments.pixel_y)[:, None].float().sin() + image
    return boundary_gradient(fragments, pairs, image, grad)


@pytest.mark.parametrize("vertices", [778, 12400])
def test_gradients_agree_with_the_cpu_backend(vertices):
    """Vertices' and colours' gradients of an image loss with occlusion boundaries, and of coverage.

    Pixels whose face differs put their gradient on a neighbouring vertex, so it is summed with
    smooth weights. From the same ids both backends agree to 1e-6; what snapping to 1/16 pixel
    changes was measured with an emulation of it: 0.01 of the outlines' gradient, 0.09 of that of
    images, in which a few faces seen almost edge on weigh most.
    """
    verts_px, faces, sizes, focal = hand_scene(vertices, (240, 321))
    place = verts_px / verts_px.abs().amax((0, 1))
    weights = torch.stack([torch.cos(k * place.sum(2)) for k in range(4)])  # (4, B, V)
    colors = torch.stack([torch.sin(20 * place[0, :, 0]), torch.cos(20 * place[0, :, 1])], 1)
    found = []
    for fragments in rasterized(verts_px, faces, sizes, focal):
        device, renderer = fragments.verts_px.device, Renderer(faces)
        leaf = colors.to(device, copy=True).requires_grad_()
        rim = renderer.coverage(fragments)
        loss = (rim.value - torch.sin(0.05 * (rim.x + 2 * rim.y))).square().sum()
        outlines = torch.autograd.grad(loss, fragments.verts_px, retain_graph=True)
        image = renderer.edge_gradient(fragments, renderer.interpolate(fragments, leaf), 0.3)
        target = torch.sin(0.05 * (image.x + 2 * image.y))[:, None]
        loss = (image.value - target).square().sum()
        images, by_color = torch.autograd.grad(loss, [fragments.verts_px, leaf])
        smooth = [torch.einsum("kbv,bvc->kbc", weights, g.cpu()) for g in (*outlines, images)]
        found.append([*smooth, torch.einsum("kbv,vc->kbc", weights, by_color.cpu())])
    for own, other, tolerance in zip(*found, (0.03, 0.2, 0.02)):
        own, other = own[..., :2], other[..., :2]  # x, y: in homogeneous z much cancels
        assert (own - other).norm() < tolerance * own.norm()
