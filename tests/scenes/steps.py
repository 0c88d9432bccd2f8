"""Gradient steps that can be worked out by hand."""

from typing import Any

from torch import Tensor

from utils.adam import Steps


class PlainSteps(Steps):
    """Steepest descent: parameter - lr * gradient."""

    def move(
        self, parameter: Tensor, grad: Tensor, group: dict[str, Any], kept: dict[str, Any]
    ) -> None:
        parameter.sub_(grad, alpha=group["lr"] * self.factor)
