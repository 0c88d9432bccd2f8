"""Terms whose gradient is known in closed form: value and gradient from one call, no graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from utils.render.cpu.threads import run

Evaluate = Callable[[np.ndarray, np.ndarray], float]


def closed_form(of: Tensor, evaluate: Evaluate) -> Tensor:
    """A scalar function of a float32 tensor on the CPU, for autograd.

    evaluate(array, gradient) takes the tensor's numbers and zeros of their shape, adds the
    gradient to those and returns the value.
    """
    return closed_forms([(of, evaluate)])[0]


def closed_forms(jobs: Sequence[tuple[Tensor, Evaluate]]) -> list[Tensor]:
    """Several such functions, evaluated side by side where they leave Python's lock alone."""
    gradients = [torch.zeros_like(of, memory_format=torch.contiguous_format) for of, _ in jobs]
    values = [0.0] * len(jobs)

    def call(k: int) -> None:
        of, evaluate = jobs[k]
        values[k] = evaluate(of.detach().contiguous().numpy(), gradients[k].numpy())

    run(call, [(k,) for k in range(len(jobs))])
    # In this thread and this order, lest the last digit of a sum of gradients depended on threads.
    return [_Known.apply(*each) for each in zip((of for of, _ in jobs), values, gradients)]


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, of: Tensor, value: float, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return of.new_tensor(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None, None
