"""Cameras: projection, crops, frames, small corrections, and orbits."""

from utils.cameras.pinhole import Cameras, Similarity

__all__ = ["Cameras", "Similarity"]
