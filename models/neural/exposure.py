"""How much brighter or darker each training photo is than the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FEWEST_PIXELS = 500  # a view with fewer says nothing of its exposure
USED = 20_000  # pixels of a view, at random
BEND = 0.01  # of 1: errors beyond it count less
ROUNDS = 5  # of the weights' renewal
PRIOR = 1e-3  # variance of a colour that draws a gain to 1


class Exposure(nn.Module):
    """A gain and an offset a view and channel, 1 and 0 on average: cameras differ in both.

    Unseen views get none.
    """

    def __init__(self, views: int) -> None:
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(views, 3))
        self.offset = nn.Parameter(torch.zeros(views, 3))

    def factors(self) -> tuple[Tensor, Tensor]:
        """Gains and offsets (views, 3)."""
        gain = (self.log_gain - self.log_gain.mean(0)).exp()
        return gain, self.offset - self.offset.mean(0)

    def forward(self, colors: Tensor, view: Tensor) -> Tensor:
        """Colours (N, 3) as the camera of `view` (N,) would show them."""
        gain, offset = self.factors()
        return colors * gain[view] + offset[view]

    def undo(self, colors: Tensor, view: Tensor) -> Tensor:
        """The inverse of the same."""
        gain, offset = self.factors()
        return (colors - offset[view]) / gain[view]

    @torch.no_grad()
    def fit(self, view: int, drawn: Tensor, seen: Tensor) -> None:
        """Start one view from the line that takes colours drawn (N, 3) to those seen, robustly."""
        if len(drawn) < FEWEST_PIXELS:
            return
        chosen = torch.randint(len(drawn), (min(USED, len(drawn)),), device=drawn.device)
        drawn, seen = drawn[chosen], seen[chosen]
        weight = torch.ones_like(drawn)
        for _ in range(ROUNDS):
            share = weight / weight.sum(0)
            middle, target = (share * drawn).sum(0), (share * seen).sum(0)
            together = (share * (drawn - middle) * (seen - target)).sum(0) + PRIOR
            gain = together / ((share * (drawn - middle).square()).sum(0) + PRIOR)
            offset = target - gain * middle
            weight = BEND / (gain * drawn + offset - seen).abs().clamp(min=BEND)
        self.log_gain[view], self.offset[view] = gain.clamp(min=0.1).log(), offset
