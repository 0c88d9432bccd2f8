"""Training pixels with what a renderer is told of them, which training does not change.

The mesh stays where it is meanwhile, so that all inputs but trained features are worked out once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.appearance.light import Highlights
from models.neural.inputs import NetShape, PixelInputs, pixel_inputs
from models.neural.mesh import NeuralMesh
from models.neural.pixels import TrainingPixels
from models.neural.renderer import NeuralRenderer

MOST_KEPT = 48  # numbers a pixel: wider inputs are worked out for each batch, lest they fill memory
AT_ONCE = 2**18  # pixels: what is on the way to the inputs takes several times their room


@dataclass(frozen=True)
class Surface:
    """What a renderer of `shape` is told at the vertices of one mesh, and the mesh's highlights."""

    shape: NetShape
    columns: Tensor
    highlights: Highlights | None

    @staticmethod
    def of(mesh: NeuralMesh, shape: NetShape) -> Surface:
        """That of a closed mesh."""
        return Surface(shape, mesh.table(shape).columns.detach(), mesh.highlights())

    def inputs(self, pixels: TrainingPixels) -> PixelInputs:
        """The pixels' inputs, without features."""
        columns = pixels.interpolate(self.columns)
        return pixel_inputs(self.shape, columns, pixels.centers[pixels.view], self.highlights)


@dataclass(frozen=True)
class KnownPixels:
    """Training pixels of a mesh, and its surface. kept: their inputs; None: work them out."""

    pixels: TrainingPixels
    surface: Surface
    kept: PixelInputs | None

    def __len__(self) -> int:
        return len(self.pixels)

    @staticmethod
    @torch.no_grad()
    def of(pixels: TrainingPixels, mesh: NeuralMesh, shape: NetShape) -> KnownPixels:
        """The pixels as a renderer of `shape` sees them on a mesh."""
        surface = Surface.of(mesh, shape)
        if shape.size > MOST_KEPT or len(pixels) == 0:
            return KnownPixels(pixels, surface, None)
        numbers = torch.arange(len(pixels), device=pixels.view.device)
        pieces = [surface.inputs(pixels.part(some)) for some in numbers.split(AT_ONCE)]
        return KnownPixels(pixels, surface, PixelInputs.joined(pieces))

    def part(self, chosen: Tensor) -> KnownPixels:
        """The pixels chosen (n,) by number or mask."""
        kept = None if self.kept is None else self.kept.part(chosen)
        return replace(self, pixels=self.pixels.part(chosen), kept=kept)

    def inputs(self) -> PixelInputs:
        """What the renderer is told of them, without features."""
        return self.surface.inputs(self.pixels) if self.kept is None else self.kept

    def parts(self, model: NeuralRenderer) -> tuple[Tensor, Tensor, Tensor]:
        """Shading, static colour and the network's part (N, 3), as `NeuralRenderer.parts`."""
        features = self.pixels.interpolate(model.features)
        return model.parts(self.inputs(), features, self.pixels.y, self.pixels.x)

    def colors(self, model: NeuralRenderer) -> Tensor:
        """The renderer's colours (N, 3)."""
        features = self.pixels.interpolate(model.features)
        return model.colors(self.inputs(), features, self.pixels.y, self.pixels.x)
