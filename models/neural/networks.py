"""The neural renderer's networks, for single pixels and for images; untrained, they add nothing."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


class PixelMLP(nn.Module):
    """`depth` hidden layers of `width` units, then three numbers, the colour's residual.

    The last layer starts at zero: an untrained network leaves the mesh's shading as it is.
    """

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [inputs] + [width] * depth
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.last = nn.Linear(width, 3)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Residual colours (N, 3) of pixel inputs (N, inputs)."""
        x = inputs
        for layer in self.hidden:
            x = torch.relu_(layer(x))
        return self.last(x)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(inplace=True),
    )


class ImageUNet(nn.Module):
    """Residual colours from an image of pixel inputs, by way of half and quarter resolution.

    `width` channels at full resolution, twice and four times as many below. Pixels that the hand
    does not cover come in as zeros. The last layer starts at zero.
    """

    STRIDE = 4  # images are padded to multiples of it

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fine = _block(inputs, width)
        self.middle = _block(width, 2 * width)
        self.coarse = _block(2 * width, 4 * width)
        self.middle_up = _block(6 * width, 2 * width)
        self.fine_up = _block(3 * width, width)
        self.last = nn.Conv2d(width, 3, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) of (B, inputs, H, W), of any size."""
        height, width = image.shape[-2:]
        padded = functional.pad(image, (0, -width % self.STRIDE, 0, -height % self.STRIDE))
        fine = self.fine(padded)
        middle = self.middle(functional.avg_pool2d(fine, 2))
        coarse = self.coarse(functional.avg_pool2d(middle, 2))
        middle = self.middle_up(torch.cat([middle, _doubled(coarse)], 1))
        fine = self.fine_up(torch.cat([fine, _doubled(middle)], 1))
        return self.last(fine)[..., :height, :width]


def _doubled(image: Tensor) -> Tensor:
    return functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
