"""Differentiable rendering of meshes on covered pixels; see `Renderer`."""

from utils.render.fragments import Fragments, Pairs, PixelValues
from utils.render.renderer import Renderer

__all__ = ["Fragments", "Pairs", "PixelValues", "Renderer"]
