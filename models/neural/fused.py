"""The training loss of small pixel networks on CPUs, with its gradient, by one kernel.

Some two dozen operations a step, each on all pixels of the batch, cost more than the arithmetic in
them. `models.neural.kernels` takes a few pixels at once through everything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.neural import kernels
from models.neural.inputs import COLOR
from models.neural.known import KnownPixels
from models.neural.networks import PixelMLP
from models.neural.renderer import NeuralRenderer
from utils.render.cpu.simd import WIDTH
from utils.render.cpu.threads import run, split, thread_count

WIDEST = 64  # units: a tile of wider layers does not stay in the cache


def padded(count: int) -> int:
    """The next multiple of the kernels' block."""
    return -(-count // kernels.BLOCK) * kernels.BLOCK


class PackedNetwork:
    """A PixelMLP as the kernels take it; see `models.neural.kernels`."""

    def __init__(self, model: PixelMLP) -> None:
        layers = [*model.hidden, model.last]
        self.own = [(layer.out_features, layer.in_features) for layer in layers]
        self.sizes = np.array([padded(n) for n in (layers[0].in_features, *self.units())], np.int64)
        matrices, biases = [], []
        for layer, (units, count) in zip(layers, self._padded()):
            matrix, bias = np.zeros((units, count), np.float32), np.zeros(units, np.float32)
            matrix[: layer.out_features, : layer.in_features] = layer.weight.detach().numpy()
            bias[: layer.out_features] = layer.bias.detach().numpy()
            matrices.append(matrix)
            biases.append(bias)
        self.weights = np.concatenate([matrix.ravel() for matrix in matrices])
        self.turned = np.concatenate([matrix.T.ravel() for matrix in matrices])
        self.biases = np.concatenate(biases)

    def units(self) -> list[int]:
        """Of each layer, less the inputs."""
        return [units for units, _ in self.own]

    def tile(self) -> np.ndarray:
        """Room for the units of all layers at some pixels."""
        return np.zeros(int(self.sizes.sum()) * kernels.TILE, np.float32)

    def unpacked(self, by_weights: np.ndarray, by_biases: np.ndarray) -> list[Tensor]:
        """Gradients of weight and bias of one layer after another, from the kernels' sums."""
        by_weights, by_biases = (x.reshape(-1, WIDTH).sum(1) for x in (by_weights, by_biases))
        found, at, at_bias = [], 0, 0
        for (units, count), (rows, columns) in zip(self.own, self._padded()):
            matrix = by_weights[at : at + rows * columns].reshape(rows, columns)
            found.append(torch.from_numpy(matrix[:units, :count].copy()))
            found.append(torch.from_numpy(by_biases[at_bias : at_bias + units].copy()))
            at, at_bias = at + rows * columns, at_bias + rows
        return found

    def _padded(self) -> list[tuple[int, int]]:
        return [(padded(units), padded(count)) for units, count in self.own]


def can_fuse(model: NeuralRenderer, known: KnownPixels) -> bool:
    """Whether `fused_color_error` takes them: a small MLP of kept inputs, on the CPU."""
    return (
        model.net_type == "mlp"
        and model.features.device.type == "cpu"
        and known.kept is not None
        and "features" not in model.shape.inputs
        and model.shape.width <= WIDEST
    )


def fused_color_error(
    model: NeuralRenderer,
    known: KnownPixels,
    chosen: Tensor,
    exposure: tuple[Tensor, Tensor],
    bend: float,
) -> Tensor:
    """Mean Huber loss over `bend` of the chosen (n,) pixels' colours, for autograd.

    exposure: gains and offsets (views, 3). Differentiable in these, in the model's features and in
    its network.
    """
    network = model.network
    layers = [*network.hidden, network.last]
    parameters = [number for layer in layers for number in (layer.weight, layer.bias)]
    return _ColorError.apply(model, known, chosen, bend, *exposure, model.features, *parameters)


class _ColorError(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        model: NeuralRenderer,
        known: KnownPixels,
        chosen: Tensor,
        bend: float,
        gain: Tensor,
        offset: Tensor,
        features: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        packed = PackedNetwork(model.network)
        pixels, kept, threads = known.pixels, known.kept, thread_count()
        inputs, base, is_skin, corners, bary, view, color, own, gains, offsets, strengths = (
            x.detach().contiguous().numpy()
            for x in (
                kept.inputs, kept.base, kept.is_skin, pixels.corners, pixels.bary, pixels.view,
                pixels.color, features, gain, offset, model.strengths,
            )
        )  # fmt: skip
        by_weights = np.zeros((threads, packed.weights.size * WIDTH), np.float32)
        by_biases = np.zeros((threads, packed.biases.size * WIDTH), np.float32)
        by_features = np.zeros((threads, *own.shape), np.float32)
        by_exposure = np.zeros((2, threads, *gains.shape))
        losses, numbers = np.zeros(threads), chosen.numpy()

        def add(thread: int, first: int, last: int) -> None:
            losses[thread] = kernels.color_error(
                numbers[first:last], inputs, base, is_skin, corners, bary, view, color, own, gains,
                offsets, strengths, np.float32(bend), packed.sizes, packed.weights, packed.turned,
                packed.biases, packed.tile(), packed.tile(), by_weights[thread], by_biases[thread],
                by_features[thread], *by_exposure[:, thread],
            )  # fmt: skip

        cuts = split(0, len(numbers), threads)
        run(add, [(thread, *cut) for thread, cut in enumerate(cuts)])
        count = len(numbers) * COLOR
        found = packed.unpacked(by_weights.sum(0), by_biases.sum(0))
        by_gain, by_offset = (torch.from_numpy(x.sum(0)).to(gain) for x in by_exposure)
        ctx.save_for_backward(by_gain, by_offset, torch.from_numpy(by_features.sum(0)), *found)
        ctx.count = count
        return gain.new_tensor(losses.sum() / count)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (None,) * 4 + tuple(found * (grad / ctx.count) for found in ctx.saved_tensors)
