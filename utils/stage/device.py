"""What a run computes on."""

from __future__ import annotations

from utils.errors import UserError


def resolve_device(name: str) -> str:
    """'cuda' where it was asked for, or for 'auto' where CUDA and nvdiffrast are there."""
    if name == "cpu":
        return name
    import importlib.util

    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    has_renderer = importlib.util.find_spec("nvdiffrast") is not None
    if name == "auto" and not (torch.cuda.is_available() and has_renderer):
        return "cpu"
    return "cuda"
