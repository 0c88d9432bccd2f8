"""Draws a mesh with a trained neural renderer, without jagged edges where fingers hide others."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.appearance.shading import Rendering
from models.ham.reconstruction import Reconstruction
from models.neural.checkpoint import TrainedHands
from models.neural.fused import colors_at
from models.neural.inputs import pixel_inputs
from models.neural.mesh import NeuralMesh
from models.neural.renderer import NeuralRenderer
from utils.cameras import Cameras
from utils.photos.masks import nearest
from utils.render import Fragments, Renderer

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
        center = camera.centers().to(values)
        one_view = torch.zeros(len(values), dtype=torch.int32, device=values.device)
        own = colors_at(self.model, values, one_view, center, self.highlights)
        colors = own[:number] + self._image_colors(values[:number], fragments, center)
        centers = own[mixed]
        colors[mixed] += surfaces.blend(own[number:], centers) - centers
        return fragments, colors.clamp(0, 1)

    def _image_colors(self, values: Tensor, fragments: Fragments, center: Tensor) -> Tensor | float:
        """What a network of images adds to the fragments' own colours; 0 where there is none."""
        if self.model.net_type == "mlp":
            return 0.0
        surface, features = values.tensor_split([self.known], 1)
        pixels = pixel_inputs(self.model.shape, surface, center, self.highlights)
        return self.model.image_colors(pixels, features, fragments.y, fragments.x)

    def render(self, camera: Cameras, background: float = 0.0) -> Rendering:
        """The picture of one camera (hand units), RGB in [0, 1]."""
        fragments, colors = self.paint(camera)
        return Rendering.of(fragments, colors, camera, background)


class WorldPainter:
    """Draws trained hands into cameras in world units."""

    def __init__(self, hands: TrainedHands, reconstruction: Reconstruction) -> None:
        self._hands, self._reconstruction = hands, reconstruction
        self._painter = Painter(hands.trained.model, hands.mesh)

    @property
    def verts(self) -> np.ndarray:
        """Vertices (V, 3) of what it draws, world units."""
        return world_verts(self._hands, self._reconstruction)

    def render(self, camera: Cameras) -> Rendering:
        """The picture of one camera, on black."""
        device = self._hands.mesh.verts.device
        own = camera.normalised(self._reconstruction.frame).to(device, torch.float32)
        return self._painter.render(own)

    def extended(self, camera: Cameras) -> list[np.ndarray]:
        """The picture with the hands' colours continued to every pixel around them.

        So it can be compared in a region that is not exactly the hands' own.
        """
        rendering = self.render(camera)
        return [extend_colors(rendering)]


def extend_colors(rendering: Rendering) -> np.ndarray:
    """The image (H, W, 3) with uncovered pixels coloured as the nearest covered one."""
    if not rendering.covered.any():
        return rendering.image
    return rendering.image.reshape(-1, 3)[nearest(rendering.covered)]


def world_verts(hands: TrainedHands, reconstruction: Reconstruction) -> np.ndarray:
    """Vertices (V, 3) of the mesh that the renderer draws, world units."""
    return reconstruction.frame.apply(hands.mesh.verts.cpu().double()).numpy()
