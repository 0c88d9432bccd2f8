"""Adam in a few lines.

torch's own does the same; but its first optimizer imports torch's compiler, which takes seconds
that no stage has any use for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

SMALLEST = 1e-8  # what square roots of second moments get added


class Steps(ABC):
    """Parameters that gradients move: what `utils.optimise.optimise` asks of an optimizer.

    groups: dicts of "params" (tensors) and their "lr", and what else a kind of step needs. The
    step length of a step is lr times `factor`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], **defaults: Any) -> None:
        self.groups = [{**defaults, **group, "params": list(group["params"])} for group in groups]
        self.factor = 1.0
        self.state: dict[int, dict[str, Any]] = {}

    def parameters(self) -> list[Tensor]:
        """All tensors, in order."""
        return [parameter for group in self.groups for parameter in group["params"]]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    kept = self.state.setdefault(id(parameter), {})
                    self.move(parameter, parameter.grad, group, kept)

    @abstractmethod
    def move(
        self, parameter: Tensor, grad: Tensor, group: dict[str, Any], kept: dict[str, Any]
    ) -> None:
        """Move one parameter in place. `kept` is what earlier steps left: {} at first."""


class Adam(Steps):
    """Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019).

    A group's "betas" are the moments' memories; "weight_decay" is the share of a parameter that is
    lost in a step, over its lr. The first "warm_up" steps are shorter: without them, the very first
    is as long for noise as for a gradient.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        warm_up: int = 0,
    ) -> None:
        super().__init__(groups, betas=betas, weight_decay=weight_decay, warm_up=warm_up)

    def move(
        self, parameter: Tensor, grad: Tensor, group: dict[str, Any], kept: dict[str, Any]
    ) -> None:
        """See `Steps.move`."""
        beta1, beta2, length = *group["betas"], group["lr"] * self.factor
        first, second, bias1, bias2 = moments(grad, beta1, beta2, kept)
        length *= min(kept["step"] / (group["warm_up"] + 1), 1.0)
        if group["weight_decay"]:
            parameter.mul_(1 - length * group["weight_decay"])
        below = second.sqrt().div_(bias2**0.5).add_(SMALLEST)
        parameter.addcdiv_(first, below, value=-length / bias1)


def moments(
    grad: Tensor, beta1: float, beta2: float, kept: dict[str, Any]
) -> tuple[Tensor, Tensor, float, float]:
    """First and second moments of the gradients so far, and what each is to be divided by.

    Moments begin at zero, hence the divisors 1 - beta^t. They are kept in `kept`.
    """
    if not kept:
        kept.update(step=0, first=torch.zeros_like(grad), second=torch.zeros_like(grad))
    kept["step"] += 1
    kept["first"].lerp_(grad, 1 - beta1)
    kept["second"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    return kept["first"], kept["second"], 1 - beta1 ** kept["step"], 1 - beta2 ** kept["step"]
