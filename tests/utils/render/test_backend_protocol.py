"""Every backend is held against `RenderBackend`: its operations, their arguments and results."""

import inspect

import pytest
import torch

from utils.cameras import Cameras
from utils.errors import UserError
from utils.render.backend import RenderBackend
from utils.render.renderer import BACKENDS, backend_named

NAMES = [name for name in BACKENDS if name != "auto"]
DEVICES = {"cpu": "cpu", "nvdiffrast": "cuda", "pytorch3d": "cpu"}
OPERATIONS = [
    *("check_available", "px_from_world", "rasterize", "interpolate"),
    *("surface_pairs", "boundary_gradient", "samples"),
]
NEAR = 1e-6


def usable(name: str) -> tuple[RenderBackend, torch.device]:
    backend, device = backend_named(name), torch.device(DEVICES[name])
    try:
        backend.check_available(device)
    except UserError as error:
        pytest.skip(str(error))
    if device.type == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return backend, device


def test_these_are_all_operations():
    public = [name for name in vars(RenderBackend) if not name.startswith("_")]
    assert public == OPERATIONS


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_has_every_operation_with_the_same_arguments(name):
    backend = backend_named(name)
    assert isinstance(backend, RenderBackend)
    for operation in OPERATIONS:
        own, wanted = getattr(type(backend), operation), getattr(RenderBackend, operation)
        assert inspect.signature(own) == inspect.signature(wanted), operation
        assert own.__doc__, operation


def test_a_backend_that_lacks_an_operation_cannot_be_made():
    class Half(RenderBackend):
        def rasterize(self, verts_px, faces, sizes, pixel_width, near):
            return None

    with pytest.raises(TypeError, match=r"abstract methods? .*boundary_gradient"):
        Half()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", NAMES)
def test_px_from_world_is_the_cameras(name, dtype):
    backend, device = usable(name)
    K = torch.tensor([[50.0, 0, 9], [0, 60, 7], [0, 0, 1]]).expand(2, 3, 3)
    t = torch.tensor([[0.0, 0, 3], [0.1, 0.2, 4]])
    cameras = Cameras(K, torch.eye(3).expand(2, 3, 3), t, torch.tensor([[14, 18]] * 2))
    cameras, verts = cameras.to(device, dtype), torch.rand(5, 3, dtype=dtype, device=device)
    verts_px = backend.px_from_world(cameras, verts)
    assert verts_px.dtype == dtype
    torch.testing.assert_close(verts_px, cameras.px_from_world(verts))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_dtypes_of_what_a_backend_returns(name):
    """Two squares, the small one before the large one, in two views of different sizes."""
    backend, device = usable(name)
    square = torch.tensor([[0.0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
    large = (square * torch.tensor([9.0, 9, 1]) + torch.tensor([2.2, 2.2, 0])) * 2
    small = square * torch.tensor([3.0, 3, 1]) + torch.tensor([4.2, 4.2, 0])
    verts_px = torch.stack([torch.cat([large, small])] * 2).to(device).requires_grad_()
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=torch.int32)
    sizes, width = torch.tensor([[14, 18], [8, 9]]), torch.full((2,), 0.01, device=device)
    fragments = backend.rasterize(verts_px, faces.to(device), sizes, width, NEAR)
    N, M = len(fragments), len(fragments.pixel_x)
    assert M > N > 80 and fragments.offsets.tolist()[::2] == [0, N]
    for tensor in (fragments.view, fragments.y, fragments.x, fragments.face):
        assert tensor.shape == (N,) and tensor.dtype == torch.int32
    assert fragments.bary.shape == (N, 3) and fragments.depth.shape == (N,)
    assert fragments.bary.dtype == fragments.depth.dtype == torch.float32
    assert torch.autograd.grad(fragments.depth.sum(), verts_px, retain_graph=True)[0].any()

    attributes = torch.rand(8, 4, device=device)
    assert backend.interpolate(fragments, attributes).shape == (N, 4)
    image = backend.interpolate(fragments, attributes, background=0.25)
    assert image.shape == (M, 4) and image.dtype == torch.float32
    assert (image[N:] == 0.25).all()

    pairs = backend.surface_pairs(fragments)
    assert len(pairs.p) > 10 and int(torch.cat([pairs.p, pairs.q]).max()) < N
    assert set(pairs.axis.tolist()) == {0, 1}
    groups = [fragments.rim_pairs, pairs]
    grad = backend.boundary_gradient(fragments, groups, image.detach(), torch.rand_like(image))
    assert grad.shape == (2, 8, 3) and grad.dtype == torch.float32 and grad[:, 4:].any()

    chosen = torch.arange(0, N, 3, device=device)
    samples = backend.samples(fragments, chosen, 2, NEAR)
    count = len(samples.pixel)
    assert count > 3 * len(chosen) and int(samples.pixel.max()) < len(chosen)
    assert samples.corners.shape == samples.bary.shape == (count, 3)
    assert samples.pixel.dtype == samples.corners.dtype == torch.int64
    assert samples.bary.dtype == samples.depth.dtype == torch.float32
