"""Cameras: projection, crops, frames, small corrections, and orbits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from utils.cameras.pinhole import Cameras, Similarity

__all__ = ["Cameras", "Similarity"]


def __getattr__(name: str) -> Any:
    """What is in torch's tensors, once somebody asks for it: its import takes two seconds."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from utils.cameras import pinhole

    return getattr(pinhole, name)
