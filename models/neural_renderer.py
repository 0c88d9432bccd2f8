"""The neural renderer: mesh shading + a colour at every vertex + what a network adds to a pixel.

color = shading(x) + static * features(x)[:3] + residual * network(inputs(x, view))

without the static colour on the inner side, which shows through an open wrist.

Shading is the mesh's own with its highlights, under the light of unseen views; the two strengths
are 1 unless held-out views say that less is better (`models.neural_training.choose_strengths`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from models.appearance import Appearance
from models.neural_inputs import COLOR, NetShape, PixelInputs, SurfaceTable, pixel_inputs
from models.renderer_mlp import PixelMLP
from models.renderer_unet import ImageUNet
from models.rerender import Rendering
from models.unseen_light import light_for_unseen
from utils.cameras import Cameras
from utils.mesh import vertex_normals
from utils.render import Renderer
from utils.render.fragments import Fragments

FEATURE_START = 0.01  # spread of the features that a network sees


def make_network(net_type: str, shape: NetShape) -> nn.Module:
    """An untrained network: it adds nothing."""
    if net_type == "unet":
        return ImageUNet(shape.size, shape.width)
    return PixelMLP(shape.size, shape.width, shape.depth)


@dataclass(frozen=True)
class NeuralMesh:
    """The mesh that is rendered: verts (V, 3) in hand units, faces (F, 3), albedo and light.

    appearance holds one light and gain, those of unseen views. skin (V, 3) names the spots of
    the skin where verts were reposed.
    """

    verts: Tensor
    faces: np.ndarray
    appearance: Appearance
    skin: Tensor | None = None

    @staticmethod
    def of(verts: Tensor, faces: np.ndarray, fitted: Appearance) -> NeuralMesh:
        """With the light for unseen views that the fitted ones suggest."""
        return NeuralMesh(verts, faces, light_for_unseen(fitted, 1))

    def lobes(self) -> Tensor | None:
        """Amounts (LOBES, 3) of the highlights, the gain included; None where there are none."""
        found = self.appearance.lobes
        return None if found is None else found.to(self.verts) * self.appearance.gain[0]

    def table(self, shape: NetShape) -> SurfaceTable:
        """What a network of `shape` needs to know at vertices."""
        normals = vertex_normals(self.verts, torch.from_numpy(self.faces).to(self.verts.device))
        outer, inner = (self.appearance.vertex_colors(side)[0] for side in (normals, -normals))
        return SurfaceTable.of(
            self.verts, normals, self.appearance.albedo, outer, inner, shape, self.skin
        )


class NeuralRenderer(nn.Module):
    """Features of V vertices and a network of one type ('mlp' or 'unet')."""

    def __init__(self, net_type: str, shape: NetShape, num_verts: int) -> None:
        super().__init__()
        self.net_type, self.shape = net_type, shape
        self.network = make_network(net_type, shape)
        start = FEATURE_START * torch.randn(num_verts, shape.features)
        start[:, :COLOR] = 0
        self.features = nn.Parameter(start)
        self.register_buffer("strengths", torch.ones(2))  # of the static colour, of the network

    def inputs(
        self,
        surface: Tensor,
        features: Tensor,
        center: Tensor,
        front: Tensor,
        lobes: Tensor | None,
    ) -> PixelInputs:
        """`pixel_inputs` with the static colour in the base: the skin's, not its inner side's."""
        found = pixel_inputs(self.shape, surface, features, center, front, lobes)
        static = self.strengths[0] * front[:, None] * features[:, :COLOR]
        return replace(found, base=found.base + static)

    def colors(self, pixels: PixelInputs) -> Tensor:
        """Colours (N, 3) of single pixels; not clipped. For networks of pixels."""
        if self.strengths[1] == 0:
            return pixels.base
        return pixels.base + self.strengths[1] * self.network(pixels.inputs)

    def image_colors(self, pixels: PixelInputs, y: Tensor, x: Tensor) -> Tensor:
        """Colours (N, 3) of all pixels of one image at rows y and columns x (N,)."""
        if self.net_type == "mlp":
            return self.colors(pixels)
        if self.strengths[1] == 0 or len(y) == 0:
            return pixels.base
        y, x = y.long() - y.min(), x.long() - x.min()
        image = pixels.inputs.new_zeros(int(y.max()) + 1, int(x.max()) + 1, self.shape.size)
        image = image.index_put((y, x), pixels.inputs)
        drawn = self.network(image.movedim(-1, 0)[None])[0]
        return pixels.base + self.strengths[1] * drawn[:, y, x].T


class Painter:
    """Draws one mesh with a trained renderer: everything that no camera changes is made once."""

    def __init__(self, model: NeuralRenderer, mesh: NeuralMesh) -> None:
        self.model, self.verts, self.lobes = model.eval(), mesh.verts, mesh.lobes()
        self.renderer = Renderer(torch.from_numpy(mesh.faces).to(mesh.verts.device))
        with torch.no_grad():
            self.columns = mesh.table(model.shape).columns
            self.attributes = torch.cat([self.columns, model.features], 1).contiguous()

    @torch.no_grad()
    def paint(self, camera: Cameras) -> tuple[Fragments, Tensor]:
        """The covered pixels of one camera (hand units) and their colours (N, 3) in [0, 1]."""
        fragments = self.renderer.rasterize(camera, self.verts)
        values = self.renderer.interpolate(fragments, self.attributes)
        known = self.columns.shape[1]
        center = camera.centers().to(values)
        pixels = self.model.inputs(
            values[:, :known], values[:, known:], center, fragments.front_facing(), self.lobes
        )
        colors = self.model.image_colors(pixels, fragments.y, fragments.x)
        return fragments, colors.clamp_(0, 1)

    def render(self, camera: Cameras, background: float = 0.0) -> Rendering:
        """The picture of one camera (hand units), RGB in [0, 1]."""
        return Rendering.of(*self.paint(camera), camera, background)
