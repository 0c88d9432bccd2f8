"""The neural renderer's network for single pixels: a small perceptron whose start is zero."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


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
