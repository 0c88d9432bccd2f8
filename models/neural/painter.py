"""Draws a mesh with a trained neural renderer, without jagged edges where fingers hide others."""

from __future__ import annotations

import torch
from torch import Tensor

from models.neural.inputs import pixel_inputs
from models.neural.renderer import NeuralMesh, NeuralRenderer
from models.rerender import Rendering
from utils.cameras import Cameras
from utils.render import Renderer
from utils.render.fragments import Fragments

FINER = 4  # samples along each side of a pixel in which one part hides another


class Painter:
    """Draws one mesh with a trained renderer: everything that no camera changes is made once."""

    def __init__(self, model: NeuralRenderer, mesh: NeuralMesh) -> None:
        self.model, self.highlights = model.eval(), mesh.highlights()
        self.verts, faces, _ = mesh.closed()
        self.renderer = Renderer(faces)
        with torch.no_grad():
            columns = mesh.table(model.shape).columns
            features = columns.new_zeros(len(columns), model.shape.features)
            features[: len(mesh.verts)] = model.features
            self.known = columns.shape[1]
            self.attributes = torch.cat([columns, features], 1).contiguous()

    @torch.no_grad()
    def paint(self, camera: Cameras) -> tuple[Fragments, Tensor]:
        """The covered pixels of one camera (hand units) and their colours (N, 3) in [0, 1].

        A pixel in which one part of the surface hides another gets the mean of what it shows; at
        the outline it is covered or not, as its centre is.
        """
        fragments = self.renderer.rasterize(camera, self.verts)
        values, number = self.renderer.interpolate(fragments, self.attributes), len(fragments)
        mixed = self.renderer.occlusions(fragments)
        surfaces = self.renderer.samples(fragments, mixed, FINER).surfaces()
        values = torch.cat([values, surfaces.interpolate(self.attributes)])
        surface, features = values.tensor_split([self.known], 1)
        center = camera.centers().to(values)
        pixels = pixel_inputs(self.model.shape, surface, features, center, self.highlights)
        own = self.model.own_colors(pixels, features)
        first = pixels.first(number)
        colors = own[:number] + self.model.image_colors(first, fragments.y, fragments.x)
        centers = own[mixed]
        colors[mixed] += surfaces.blend(own[number:], centers) - centers
        return fragments, colors.clamp(0, 1)

    def render(self, camera: Cameras, background: float = 0.0) -> Rendering:
        """The picture of one camera (hand units), RGB in [0, 1]."""
        return Rendering.of(*self.paint(camera), camera, background)
