"""Which tests need a CUDA device."""

import importlib.util

import pytest
import torch

HAS_CUDA = torch.cuda.is_available() and importlib.util.find_spec("nvdiffrast") is not None
needs_cuda = pytest.mark.skipif(
    not HAS_CUDA, reason="needs a CUDA device and nvdiffrast (requirements-gpu.txt)"
)
EVERY_DEVICE = ["cpu", pytest.param("cuda", marks=needs_cuda)]
