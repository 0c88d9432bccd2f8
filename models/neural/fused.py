"""Small pixel networks on CPUs: the training loss, and colours, with gradients, by one kernel each.

Some two dozen operations, each on all pixels, cost more than the arithmetic in them. The kernels
(`models.neural.training_kernel`, `models.neural.color_kernels`) take a few pixels at once through
everything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.appearance.light import GRAZING, RADIUS, Highlights
from models.appearance.vertex_colors import kernel_table
from models.neural import color_kernels, training_kernel
from models.neural.color_kernels import Looks, Room
from models.neural.inputs import (
    COLOR,
    HIGHLIGHT_SCALE,
    SMALL_INPUTS,
    icosahedral_directions,
    pixel_inputs,
)  # fmt: skip
from models.neural.known import KnownPixels
from models.neural.network_kernels import BLOCK, TILE, Network
from models.neural.networks import PixelMLP
from models.neural.renderer import NeuralRenderer
from utils.render.cpu.simd import WIDTH
from utils.render.cpu.threads import run, split, thread_count

WIDEST = 64  # units: a tile of wider layers does not stay in the cache


def padded(count: int) -> int:
    """The next multiple of the kernels' block."""
    return -(-count // BLOCK) * BLOCK


class PackedNetwork:
    """A PixelMLP as the kernels take it: `numbers`."""

    def __init__(self, model: PixelMLP) -> None:
        layers = [*model.hidden, model.last]
        self.own = [(layer.out_features, layer.in_features) for layer in layers]
        sizes = [layers[0].in_features, *(units for units, _ in self.own)]
        matrices, biases = [], []
        for layer, (units, count) in zip(layers, self._padded()):
            matrix, bias = np.zeros((units, count), np.float32), np.zeros(units, np.float32)
            matrix[: layer.out_features, : layer.in_features] = layer.weight.detach().numpy()
            bias[: layer.out_features] = layer.bias.detach().numpy()
            matrices.append(matrix)
            biases.append(bias)
        self.numbers = Network(
            sizes=np.array([padded(count) for count in sizes], np.int64),
            weights=np.concatenate([matrix.ravel() for matrix in matrices]),
            turned=np.concatenate([matrix.T.ravel() for matrix in matrices]),
            biases=np.concatenate(biases),
        )

    def tile(self) -> np.ndarray:
        """Room for the units of all layers at some pixels."""
        return np.zeros(int(self.numbers.sizes.sum()) * TILE, np.float32)

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


def _is_small(model: NeuralRenderer) -> bool:
    """Whether the kernels take the network: a small MLP without features, on the CPU."""
    return (
        model.net_type == "mlp"
        and model.features.device.type == "cpu"
        and "features" not in model.shape.inputs
        and model.shape.width <= WIDEST
    )


def can_train(model: NeuralRenderer, known: KnownPixels) -> bool:
    """Whether `fused_color_error` takes them: a small network of kept inputs."""
    return _is_small(model) and known.kept is not None


def can_color(model: NeuralRenderer) -> bool:
    """Whether the kernel of `colors_at` takes the renderer: a small network of the usual inputs."""
    return _is_small(model) and model.shape.inputs == SMALL_INPUTS


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
        by_weights = np.zeros((threads, packed.numbers.weights.size * WIDTH), np.float32)
        by_biases = np.zeros((threads, packed.numbers.biases.size * WIDTH), np.float32)
        by_features = np.zeros((threads, *own.shape), np.float32)
        by_exposure = np.zeros((2, threads, *gains.shape))
        losses, numbers = np.zeros(threads), chosen.numpy()

        def add(thread: int, first: int, last: int) -> None:
            losses[thread] = training_kernel.color_error(
                numbers[first:last], inputs, base, is_skin, corners, bary, view, color, own, gains,
                offsets, strengths, np.float32(bend), packed.numbers, packed.tile(), packed.tile(),
                by_weights[thread], by_biases[thread], by_features[thread],
                *by_exposure[:, thread],
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


def colors_at(
    model: NeuralRenderer,
    values: Tensor,
    view: Tensor,
    centers: Tensor,
    highlights: Highlights | None,
) -> Tensor:
    """What `own_colors` gives (N, 3) of pixels with interpolated values, differentiable in these.

    values (N, C): `SurfaceTable.columns`, then features; view (N,) of the cameras at centers
    (views, 3), hand units; highlights as `pixel_inputs` takes them. By the kernel where it can.
    """
    if can_color(model):
        looks = _looks(model, centers, highlights)
        return _Colors.apply(values, view.int(), looks, PackedNetwork(model.network))
    surface, features = values.tensor_split([-model.shape.features], 1)
    pixels = pixel_inputs(model.shape, surface, centers[view.long()], highlights)
    return model.own_colors(pixels, features)


def _looks(model: NeuralRenderer, centers: Tensor, highlights: Highlights | None) -> Looks:
    """What the kernels need to know beside values and network."""
    return Looks(
        centers=centers.detach().float().contiguous().numpy(),
        axes=icosahedral_directions().numpy(),
        table=kernel_table(highlights).detach().float().numpy(),
        radius=np.float32(RADIUS),
        grazing=np.float32(GRAZING),
        scale=np.float32(HIGHLIGHT_SCALE),
        strengths=model.strengths.numpy(),
    )


class _Colors(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, view: Tensor, looks: Looks, packed: PackedNetwork
    ) -> Tensor:
        given = values.detach().contiguous().numpy(), view.contiguous().numpy(), looks
        drawn = np.empty((len(values), COLOR), np.float32)

        def draw(first: int, last: int) -> None:
            color_kernels.colors(first, last, *given, packed.numbers, _room(packed), drawn)

        run(draw, split(0, len(values), thread_count()))
        ctx.given = *given, packed
        return torch.from_numpy(drawn)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *given, packed = ctx.given
        by_drawn, by_values = grad.contiguous().numpy(), np.empty_like(given[0])

        def send_back(first: int, last: int) -> None:
            room = _room(packed)
            color_kernels.colors_backward(
                first, last, *given, packed.numbers, room, by_drawn, by_values
            )

        run(send_back, split(0, len(by_values), thread_count()))
        return torch.from_numpy(by_values), None, None, None


def _room(packed: PackedNetwork) -> Room:
    basis, by_basis = np.empty((2, color_kernels.NUMBERS), np.float32)
    return Room(
        basis=basis,
        by_basis=by_basis,
        shine=np.empty((TILE, COLOR), np.float32),
        by_shine=np.empty(COLOR, np.float32),
        tile=packed.tile(),
        grads=packed.tile(),
        nothing=np.empty(0, np.float32),
    )
