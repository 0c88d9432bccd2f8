"""The neural renderer: mesh shading + a colour at every vertex + what a network adds to a pixel.

color = shading(x) + static * features(x)[:3] + residual * network(inputs(x, view))

Shading is the mesh's own with its highlights, under the light of unseen views. It is all there is
on the caps of open wrists (`models.neural.caps`). The two strengths are what views held out of
training liked best (`models.neural.strengths`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from models.appearance import Appearance
from models.neural.inputs import COLOR, NetShape, PixelInputs, SurfaceTable
from models.renderer_mlp import PixelMLP
from models.renderer_unet import ImageUNet
from models.specular import Highlights
from models.unseen_light import light_for_unseen
from models.visibility import visibility_harmonics
from models.wrist_caps import capped
from utils.mesh import vertex_normals

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
    the skin where verts were reposed; cap_albedo (caps, 3), see `models.wrist_caps`.
    """

    verts: Tensor
    faces: np.ndarray
    appearance: Appearance
    skin: Tensor | None = None
    cap_albedo: Tensor | None = None

    @staticmethod
    def of(verts: Tensor, faces: np.ndarray, fitted: Appearance) -> NeuralMesh:
        """With the light for unseen views that the fitted ones suggest."""
        return NeuralMesh(verts, faces, light_for_unseen(fitted, 1))

    def closed(self) -> tuple[Tensor, Tensor, Appearance]:
        """Vertices, faces and appearance with caps on the open wrists, after everything else."""
        faces = torch.from_numpy(self.faces).to(self.verts.device)
        verts, faces, appearance = capped(self.verts, faces, self.appearance, self.cap_albedo)
        assert appearance is not None
        return verts, faces, appearance

    def highlights(self) -> Highlights | None:
        """Those of the mesh's shading, the gain included; None where there are none."""
        found = self.appearance.lobes
        if found is None:
            return None
        return Highlights(found.to(self.verts) * self.appearance.gain[0])

    @cached_property
    def visibility(self) -> Tensor:
        """Harmonics (V + caps, 9) of what the closed mesh sees of the world, worked out once."""
        verts, faces, _ = self.closed()
        return visibility_harmonics(verts, faces, vertex_normals(verts, faces))

    def table(self, shape: NetShape) -> SurfaceTable:
        """What a network of `shape` needs to know at the vertices of the closed mesh."""
        verts, faces, appearance = self.closed()
        normals = vertex_normals(verts, faces)
        shading, is_skin = appearance.vertex_colors(normals)[0], torch.zeros_like(verts[:, :1])
        is_skin[: len(self.verts)] = 1
        visibility = self.visibility if "visibility" in shape.inputs else None
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
        return pixels.base, static, pixels.is_skin * self._network(pixels.inputs, y, x)

    def colors(self, pixels: PixelInputs, features: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Colours (N, 3) of the same; not clipped."""
        return self.own_colors(pixels, features) + self.image_colors(pixels, y, x)

    def own_colors(self, pixels: PixelInputs, features: Tensor) -> Tensor:
        """Of the colours, what depends on no other pixel."""
        added = self.strengths[0] * features[:, :COLOR]
        if self.net_type == "mlp" and self.strengths[1]:
            added = added + self.strengths[1] * self.network(pixels.inputs)
        return torch.addcmul(pixels.base, pixels.is_skin, added)

    def image_colors(self, pixels: PixelInputs, y: Tensor, x: Tensor) -> Tensor | float:
        """Of the colours, what a network of images adds; 0 where there is none."""
        if self.net_type == "mlp" or not self.strengths[1]:
            return 0.0
        return self.strengths[1] * pixels.is_skin * self._network(pixels.inputs, y, x)

    def _network(self, inputs: Tensor, y: Tensor, x: Tensor) -> Tensor:
        if self.net_type == "mlp" or len(y) == 0:
            return self.network(inputs)
        y, x = y.long() - y.min(), x.long() - x.min()
        image = inputs.new_zeros(int(y.max()) + 1, int(x.max()) + 1, self.shape.size)
        image = image.index_put((y, x), inputs)
        return self.network(image.movedim(-1, 0)[None])[0][:, y, x].T
