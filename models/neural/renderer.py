"""The neural renderer: mesh shading + a colour at every vertex + what a network adds to a pixel.

color = shading(x) + static * features(x)[:3] + residual * network(inputs(x, view))

Shading is the mesh's own with its highlights, under the light of unseen views. It is all there is
on the caps of open wrists (`models.neural.mesh`). The two strengths are what views held out of
training liked best (`models.neural.strengths`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.neural.inputs import COLOR, NetShape, PixelInputs
from models.neural.networks import ImageUNet, PixelMLP

NET_TYPES = ("mlp", "unet")
FEATURE_START = 0.01  # spread of the features that a network sees


def make_network(net_type: str, shape: NetShape) -> nn.Module:
    """An untrained network: it adds nothing."""
    if net_type == "unet":
        return ImageUNet(shape.size, shape.width)
    return PixelMLP(shape.size, shape.width, shape.depth)


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
        return pixels.base, static, pixels.is_skin * self._network(pixels, features, y, x)

    def colors(self, pixels: PixelInputs, features: Tensor, y: Tensor, x: Tensor) -> Tensor:
        """Colours (N, 3) of the same; not clipped."""
        return self.own_colors(pixels, features) + self.image_colors(pixels, features, y, x)

    def own_colors(self, pixels: PixelInputs, features: Tensor) -> Tensor:
        """Of the colours, what depends on no other pixel."""
        added = self.strengths[0] * features[:, :COLOR]
        if self.net_type == "mlp" and self.strengths[1]:
            added = added + self.strengths[1] * self.network(self._seen(pixels, features))
        return torch.addcmul(pixels.base, pixels.is_skin, added)

    def image_colors(
        self, pixels: PixelInputs, features: Tensor, y: Tensor, x: Tensor
    ) -> Tensor | float:
        """Of the colours, what a network of images adds; 0 where there is none."""
        if self.net_type == "mlp" or not self.strengths[1]:
            return 0.0
        return self.strengths[1] * pixels.is_skin * self._network(pixels, features, y, x)

    def _seen(self, pixels: PixelInputs, features: Tensor) -> Tensor:
        """What the network sees (N, size): features too, where these are among its inputs."""
        if "features" not in self.shape.inputs:
            return pixels.inputs
        return torch.cat([pixels.inputs, features], 1)

    def _network(self, pixels: PixelInputs, features: Tensor, y: Tensor, x: Tensor) -> Tensor:
        inputs = self._seen(pixels, features)
        if self.net_type == "mlp" or len(y) == 0:
            return self.network(inputs)
        y, x = y.long() - y.min(), x.long() - x.min()
        image = inputs.new_zeros(int(y.max()) + 1, int(x.max()) + 1, self.shape.size)
        image = image.index_put((y, x), inputs)
        return self.network(image.movedim(-1, 0)[None])[0][:, y, x].T
