"""What a run computes on."""

from __future__ import annotations

import importlib.util

from utils.errors import UserError


def resolve_device(name: str) -> str:
    """'cuda' where it was asked for, or for 'auto' where CUDA and nvdiffrast are there."""
    if name == "cpu":
        return name
    if name == "auto" and importlib.util.find_spec("nvdiffrast") is None:
        return "cpu"
    import torch  # here, for its import takes two seconds

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise UserError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    return "cpu"
