"""How likely a hand's pose is: Gaussian in the model's pose components, walls at joint limits."""

from __future__ import annotations

import torch
from torch import Tensor

from models.hand_model import HandModel

LEAST_STD = 0.05  # radians; components that hardly vary in the model's poses may still vary a bit


class PosePrior:
    """Prior of one hand's 45 pose angles, relative to the model's hands_mean.

    Poses are likely about `centre` (45,), by default the mean, and as far from it as the model's
    own poses are from theirs, times `spread`.
    """

    def __init__(self, model: HandModel, centre: Tensor | None = None, spread: float = 1.0):
        std = model.hands_std.detach().double().cpu().clamp(min=LEAST_STD)
        components = model.hands_components.detach().double().cpu()
        self.whiten = components / (spread * std[:, None])  # (45, 45)
        self.centre = std.new_zeros(len(std)) if centre is None else centre
        self.low, self.high = model.pose_limits.detach().double().cpu()

    def residuals(self, pose: Tensor, limit_sigma: float) -> tuple[Tensor, Tensor]:
        """Residuals (90,) of unit variance of pose (45,), and their Jacobian (90, 45).

        The second half is how far angles lie beyond their limits, in units of limit_sigma (rad).
        """
        beyond = (pose - self.high).clamp(min=0) + (pose - self.low).clamp(max=0)
        wall = torch.diag((beyond != 0).to(pose)) / limit_sigma
        value = torch.cat([self.whiten @ (pose - self.centre), beyond / limit_sigma])
        return value, torch.cat([self.whiten, wall])
