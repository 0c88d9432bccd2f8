"""Terms whose gradient is known in closed form: value and gradient from one call, no graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from utils.render.cpu.threads import filling_gaps

Evaluate = Callable[[np.ndarray, np.ndarray], float]
Result = TypeVar("Result")


def closed_form(of: Tensor, evaluate: Evaluate) -> Tensor:
    """A scalar function of a float32 tensor on the CPU, for autograd.

    evaluate(array, gradient) takes the tensor's numbers and zeros of their shape, adds the
    gradient to those and returns the value.
    """
    _, [[value]] = closed_forms([(of, [evaluate])])
    return value


def closed_forms(
    of_each: Sequence[tuple[Tensor, Sequence[Evaluate]]],
    beside: Callable[[], Result] = lambda: None,
) -> tuple[Result, list[list[Tensor]]]:
    """Several such functions of each of some tensors, evaluated side by side.

    They must leave Python's lock alone for that. `beside` is called in this thread meanwhile, and
    the functions fill its gaps (`threads.filling_gaps`). Returns what it does, and the values.
    """
    arrays = [of.detach().contiguous().numpy() for of, _ in of_each]
    gradients = [of.new_zeros(len(wanted), *of.shape) for of, wanted in of_each]
    values = [[0.0] * len(wanted) for _, wanted in of_each]

    def call(i: int, k: int) -> None:
        values[i][k] = of_each[i][1][k](arrays[i], gradients[i][k].numpy())

    jobs = [(i, k) for i, (_, wanted) in enumerate(of_each) for k in range(len(wanted))]
    with filling_gaps(call, jobs):
        result = beside()
    # In this thread and this order, lest the last digit of a sum of gradients depended on threads.
    tensors = (of for of, _ in of_each)
    return result, [list(_Known.apply(*each)) for each in zip(tensors, values, gradients)]


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, of: Tensor, values: list[float], gradients: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(gradients)
        return tuple(of.new_tensor(values).unbind())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return torch.tensordot(torch.stack(grads), gradients, 1), None, None
