"""What nvdiffrast is given and what is made of its answer, with a stand-in that needs no device.

The stand-in follows nvdiffrast's documented conventions: clip space, image row 0 at clip y = -1,
pixel centres at (i + 1/2) / size, the smallest z/w is seen, fourth channel the face plus one.
"""

import sys
import types

import pytest
import torch

from utils.errors import UserError
from utils.render import backend_nvdiffrast
from utils.render.backend_nvdiffrast import NvdiffrastBackend
from utils.render.cpu.backend import CpuBackend

QUAD = torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)


def stand_in(context, clip, faces, size, grad_db):
    """nvdiffrast.torch.rasterize, for faces before the camera."""
    height, width = size
    y, x = ((2 * torch.arange(n).double() + 1) / n - 1 for n in size)
    image, nearest = torch.zeros(len(clip), height, width, 4), torch.full((len(clip), *size), 1.0)
    for view, verts in enumerate(clip.double()):
        for number, corners in enumerate(verts[faces.long()], 1):
            (ax, ay, az), b, c = corners[:, :3] / corners[:, 3:]
            area = (b[0] - ax) * (c[1] - ay) - (b[1] - ay) * (c[0] - ax)
            second = ((x - ax) * (c[1] - ay) - (y[:, None] - ay) * (c[0] - ax)) / area
            third = ((b[0] - ax) * (y[:, None] - ay) - (b[1] - ay) * (x - ax)) / area
            z = az + second * (b[2] - az) + third * (c[2] - az)
            seen = (second >= 0) & (third >= 0) & (second + third <= 1)
            seen &= (z >= -1) & (z < nearest[view])
            image[view, ..., 3][seen], nearest[view][seen] = number, z[seen].float()
    return image, None


@pytest.fixture
def fake(monkeypatch):
    """A package that is not there; its RasterizeCudaContext may be replaced."""
    module = types.SimpleNamespace(rasterize=stand_in, RasterizeCudaContext=lambda device: None)
    monkeypatch.setitem(sys.modules, "nvdiffrast", types.SimpleNamespace(torch=module))
    monkeypatch.setitem(sys.modules, "nvdiffrast.torch", module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    backend_nvdiffrast._context.cache_clear()
    yield module
    backend_nvdiffrast._context.cache_clear()


def boxes(depths: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes over different parts of the image, their outlines between pixel centres."""
    verts, faces = [], []
    for i, depth in enumerate(depths):
        x0, y0, x1, y1 = 1.3 * i - 0.8, 2.7 * i - 1.2, 1.3 * i + 5.9, 2.7 * i + 3.55
        corners = torch.tensor([[x0, y0, 1], [x1, y0, 1], [x1, y1, 1], [x0, y1, 1]])
        verts.append(corners * depth)
        faces.append(QUAD + 4 * i)
    return torch.cat(verts), torch.cat(faces)


@pytest.mark.parametrize("size", [(11, 17), (9, 5), (1, 1)])
def test_every_pixel_is_the_cpu_backends(fake, size):
    """Three views, one of other depths, one behind the camera; the nearest box is seen."""
    front, faces = boxes([2.0, 1.0, 1.5, 3.0])
    deep, _ = boxes([20.0, 30.0, 10.0, 15.0])
    verts_px, sizes = torch.stack([front, deep, -front]), torch.tensor([size] * 3)
    ids = NvdiffrastBackend().face_ids(verts_px, faces, *size, near=1e-6)
    own = CpuBackend().rasterize(verts_px, faces, sizes, torch.ones(3), 1e-6)
    expected = torch.full((3, *size), -1)
    expected[own.view, own.y, own.x] = own.face.long()
    # A diagonal's pixels may be either half's.
    assert ids.dtype == torch.int32
    assert torch.equal(ids.div(2, rounding_mode="floor"), expected.div(2, rounding_mode="floor"))
    assert (ids[2] == -1).all() and (ids[:2] >= 0).any()


def test_smaller_images_lie_in_the_upper_left_corner(fake, monkeypatch):
    front, faces = boxes([2.0, 1.0, 1.5, 3.0])
    sizes = torch.tensor([[11, 17], [6, 4]])
    verts_px = torch.stack([front, front])
    own = CpuBackend().rasterize(verts_px, faces, sizes, torch.ones(2), 1e-6)
    other = NvdiffrastBackend().rasterize(verts_px, faces, sizes, torch.ones(2), 1e-6)
    assert torch.equal(own.offsets, other.offsets)
    for name in ("view", "y", "x", "pixel_view", "pixel_y", "pixel_x"):
        assert torch.equal(getattr(own, name), getattr(other, name)), name
    torch.testing.assert_close(own.depth, other.depth)


def test_a_mesh_without_faces(fake):
    ids = NvdiffrastBackend().face_ids(torch.ones(2, 3, 3), QUAD[:0], 4, 5, 1e-6)
    assert ids.shape == (2, 4, 5) and (ids == -1).all()


def test_kernels_compiled_at_first_use_are_found(fake, monkeypatch, tmp_path):
    """nvdiffrast 0.3 imports them by a name that recent PyTorch versions don't make known."""
    name = "nvdiffrast_plugin_0"
    monkeypatch.setattr(
        "torch.utils.cpp_extension._get_build_directory", lambda name, verbose: str(tmp_path)
    )

    def context(device):
        if str(tmp_path) not in sys.path:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return "context"

    fake.RasterizeCudaContext = context
    assert backend_nvdiffrast._context(torch.device("cpu")) == "context"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Ninja is required to load C++ extensions " + "(pip install ninja) " * 20),
        OSError("CUDA_HOME environment variable is not set"),
        ImportError("libcudart.so.13: cannot open shared object file"),
        ModuleNotFoundError("No module named 'numpy'", name="numpy"),
    ],
)
def test_what_keeps_the_kernels_from_loading_is_said(fake, error):
    def context(device):
        raise error

    fake.RasterizeCudaContext = context
    with pytest.raises(UserError) as raised:
        backend_nvdiffrast._context(torch.device("cpu"))
    message = str(raised.value)
    assert str(error)[:20] in message and "--device cpu" in message and "\n" not in message
    assert len(message) < 300
