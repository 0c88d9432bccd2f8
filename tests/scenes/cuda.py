"""Which tests need a CUDA device."""

import importlib.util

import pytest
import torch

HAS_CUDA = torch.cuda.is_available() and all(
    importlib.util.find_spec(name) is not None for name in ("nvdiffrast", "cholespy")
)
needs_cuda = pytest.mark.skipif(
    not HAS_CUDA, reason="needs a CUDA device, nvdiffrast and cholespy (requirements-gpu.txt)"
)
EVERY_DEVICE = ["cpu", pytest.param("cuda", marks=needs_cuda)]
