"""The neural renderer: mesh shading + a colour at every vertex + what a network adds to a pixel.

color = shading(x) + static * features(x)[:3] + residual * network(inputs(x, view))

Shading is the mesh's own with its highlights, under the light of unseen views, and all there is on
the caps of open wrists; the two strengths are what views held out of training liked best
(`models.neural_strengths`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from models.appearance import Appearance
from models.neural_inputs import COLOR, NetShape, PixelInputs, SurfaceTable, pixel_inputs
from models.renderer_mlp import PixelMLP
from models.renderer_unet import ImageUNet
from models.rerender import Rendering
from models.specular import Highlights
from models.unseen_light import light_for_unseen
from models.visibility import visibility_harmonics
from models.wrist_caps import capped
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

    def closed(self) -> tuple[Tensor, Tensor, Appearance]:
        """Vertices, faces and appearance with caps on the open wrists, after everything else."""
        faces = torch.from_numpy(self.faces).to(self.verts.device)
        verts, faces, appearance = capped(self.verts, faces, self.appearance)
        assert appearance is not None
        return verts, faces, appearance

    def highlights(self) -> Highlights | None:
        """Those of the mesh's shading, the gain included; None where there are none."""
        found = self.appearance.lobes
        if found is None:
            return None
        return Highlights(found.to(self.verts) * self.appearance.gain[0])

    @cached_property
    def _visibility(self) -> Tensor:
        """What the vertices of the closed mesh see of the world: seconds of work, done once."""
        verts, faces, _ = self.closed()
        return visibility_harmonics(verts, faces, vertex_normals(verts, faces))

    def table(self, shape: NetShape) -> SurfaceTable:
        """What a network of `shape` needs to know at the vertices of the closed mesh."""
        verts, faces, appearance = self.closed()
        normals = vertex_normals(verts, faces)
        shading, is_skin = appearance.vertex_colors(normals)[0], torch.zeros_like(verts[:, :1])
        is_skin[: len(self.verts)] = 1
        visibility = self._visibility if "visibility" in shape.inputs else None
        spots = verts if self.skin is None else capped(self.skin, faces[: len(self.faces)], None)[0]
        return SurfaceTable.of(
            verts, normals, shading, is_skin, visibility, appearance.albedo, spots, shape
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

    def parts(
        self, pixels: PixelInputs, features: Tensor, y: Tensor, x: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Shading, static colour and the network's part (N, 3) of pixels at rows y, columns x (N,).

        features (N, C) are interpolated ones; y and x matter to networks of images, which take all
        pixels of one image.
        """
        static = pixels.is_skin * features[:, :COLOR]
        if self.net_type == "mlp" or len(y) == 0:
            return pixels.base, static, pixels.is_skin * self.network(pixels.inputs)
        y, x = y.long() - y.min(), x.long() - x.min()
        image = pixels.inputs.new_zeros(int(y.max()) + 1, int(x.max()) + 1, self.shape.size)
        image = image.index_put((y, x), pixels.inputs)
        drawn = self.network(image.movedim(-1, 0)[None])[0]
        return pixels.base, static, pixels.is_skin * drawn[:, y, x].T

    def colors(self, pixels: PixelInputs, features: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Colours (N, 3) of the same; not clipped."""
        if not self.strengths.any():
            return pixels.base
        base, static, residual = self.parts(pixels, features, y, x)
        return base + self.strengths[0] * static + self.strengths[1] * residual


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
        """The covered pixels of one camera (hand units) and their colours (N, 3) in [0, 1]."""
        fragments = self.renderer.rasterize(camera, self.verts)
        values = self.renderer.interpolate(fragments, self.attributes)
        surface, features = values[:, : self.known], values[:, self.known :]
        center = camera.centers().to(values)
        pixels = pixel_inputs(self.model.shape, surface, features, center, self.highlights)
        colors = self.model.colors(pixels, features, fragments.y, fragments.x)
        return fragments, colors.clamp(0, 1)

    def render(self, camera: Cameras, background: float = 0.0) -> Rendering:
        """The picture of one camera (hand units), RGB in [0, 1]."""
        return Rendering.of(*self.paint(camera), camera, background)
