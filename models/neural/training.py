"""Training of the neural renderer (stage 1): features and network from the photos.

The mesh stays as it is. What is linear is solved, before and after the steps (`learn`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from models.neural.exposure import Exposure
from models.neural.inputs import COLOR, NetShape, PixelInputs, pixel_inputs
from models.neural.mesh import NeuralMesh
from models.neural.pixels import TrainingPixels
from models.neural.renderer import NeuralRenderer
from utils.adam import Adam
from utils.optimise import optimise
from utils.stage.config import Config
from utils.viewer.live import watched
from utils.viewer.shown import Shown

WARM_UP = 0.06  # of all steps, until the learning rate is full
LAST_LR = 0.02  # share of the learning rate that is left at the end
KEEP_EVERY = 25  # steps between copies to which a loss that turns nan falls back
PATCH = 160  # pixels: side of a U-Net's training crops
WIDE_MLP, WIDE_UNET = 128, 32  # widths from which bfloat16 pays
BEND = 0.01  # of 1: colour errors beyond it pull no harder (Huber)
ROUNDS = 3  # of the weights' renewal
STATIC_BEND = 0.03  # of 1: residuals beyond it count less
PRIOR = 0.5  # pixels that say 0: a vertex that is hardly seen gets little


@dataclass
class Trained:
    """A renderer, the training views' exposure, the loss of every step, and whether it is sound.

    stopped: the step in which the loss turned nan, before which everything was kept, or None.
    """

    model: NeuralRenderer
    exposure: Exposure
    history: list[float] = field(default_factory=list)
    stopped: int | None = None


def fresh(net_type: str, shape, num_verts: int, views: int, device: str) -> Trained:
    """An untrained renderer, which draws the mesh's shading."""
    model = NeuralRenderer(net_type, shape, num_verts)
    return Trained(model.to(device), Exposure(views).to(device))


class MeshKnowledge:
    """What a renderer of a shape is told of one mesh, and its colours at training pixels."""

    def __init__(self, mesh: NeuralMesh, shape: NetShape) -> None:
        self.columns = mesh.table(shape).columns.detach()
        self.highlights = mesh.highlights()

    def inputs(self, model: NeuralRenderer, pixels: TrainingPixels) -> tuple[PixelInputs, Tensor]:
        """The pixels' inputs and features (N, C), as the renderer's methods take them."""
        surface, features = pixels.interpolate(self.columns), pixels.interpolate(model.features)
        center = pixels.centers[pixels.view]
        return pixel_inputs(model.shape, surface, features, center, self.highlights), features

    def colors(self, model: NeuralRenderer, pixels: TrainingPixels) -> Tensor:
        """The renderer's colours (N, 3) of the pixels."""
        inputs, features = self.inputs(model, pixels)
        return model.colors(inputs, features, pixels.y, pixels.x)


def train(
    trained: Trained,
    mesh: NeuralMesh,
    pixels: TrainingPixels,
    config: Config,
    steps: int,
    title: str = "",
) -> Trained:
    """Train in place for `steps` steps of a batch each; returns `trained`.

    Stops and falls back to the last good state when the loss turns nan.
    """
    model, known = trained.model, MeshKnowledge(mesh, trained.model.shape)
    draw = _patches(pixels) if model.net_type == "unet" else _batches(pixels, config.batch)
    arithmetic = half_precision(model)

    def color_error(_: int) -> dict[str, Tensor]:
        batch = draw()
        inputs, features = known.inputs(model, batch)
        with arithmetic:
            colors = model.colors(inputs, features, batch.y, batch.x)
        drawn = trained.exposure(colors, batch.view)
        return {"color": huber_loss(drawn, batch.color, delta=BEND) / BEND}

    with watched(lambda view: Shown(picture=prediction_beside_photo(trained, known, pixels, view))):
        done = optimise(
            color_error,
            [make_optimizer(trained, config)],
            steps,
            learning_rate(steps),
            title,
            keep_every=KEEP_EVERY,
        )
    trained.history += [numbers["color"] for numbers in done.history]
    trained.stopped = done.stopped
    return trained


@torch.no_grad()
def prediction_beside_photo(
    trained: Trained, known: MeshKnowledge, pixels: TrainingPixels, view: int
) -> np.ndarray:
    """RGB (H, 2 W, 3) in [0, 1] of what is drawn of a view's pixels, and of the photo there.

    Of the first view that has pixels where `view` has none.
    """
    own = pixels.view == view
    if not own.any():
        own = pixels.view == pixels.view[0]
    in_view = pixels.part(own)
    drawn = trained.exposure(known.colors(trained.model, in_view), in_view.view)
    y, x = in_view.y - in_view.y.min(), in_view.x - in_view.x.min()
    image = drawn.new_zeros(2, int(y.max()) + 1, int(x.max()) + 1, 3)
    image[0, y, x], image[1, y, x] = drawn.clamp(0, 1), in_view.color
    return torch.cat([image[0], image[1]], 1).cpu().numpy()


def half_precision(model: NeuralRenderer) -> contextlib.AbstractContextManager[None]:
    """A context in which wide networks compute in bfloat16, on GPUs and on CPUs that have it.

    It needs no scaling of the loss. Narrow networks gain less than the conversions cost.
    """
    device = model.features.device.type
    wide = model.shape.width >= (WIDE_MLP if model.net_type == "mlp" else WIDE_UNET)
    fast = device == "cuda" or (device == "cpu" and cpu_has_bfloat16())
    return torch.autocast(device, torch.bfloat16, enabled=wide and fast)


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself: AVX512-BF16 or AMX."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def make_optimizer(trained: Trained, config: Config) -> Adam:
    """Adam with one learning rate for the network, one for features, one for exposures."""
    groups = [
        {"params": trained.model.network.parameters(), "lr": config.lr},
        {"params": [trained.model.features], "lr": config.feature_lr, "weight_decay": 0},
        {"params": trained.exposure.parameters(), "lr": config.exposure_lr, "weight_decay": 0},
    ]
    return Adam(groups, betas=(0.9, 0.99), weight_decay=config.weight_decay)


def learning_rate(steps: int) -> Callable[[int], float]:
    """Factor of the learning rate: a short rise, then half a cosine."""

    steps = max(steps, 1)

    def factor(step: int) -> float:
        wave = 0.5 * (1 + math.cos(math.pi * step / steps))
        return min(1.0, (step + 1) / (WARM_UP * steps)) * (LAST_LR + (1 - LAST_LR) * wave)

    return factor


def _batches(pixels: TrainingPixels, size: int) -> Callable[[], TrainingPixels]:
    def draw() -> TrainingPixels:
        return pixels.part(torch.randint(len(pixels), (size,), device=pixels.view.device))

    return draw


def _patches(pixels: TrainingPixels) -> Callable[[], TrainingPixels]:
    """Square crops about a random pixel, each of one view."""

    def draw() -> TrainingPixels:
        middle = torch.randint(len(pixels), (1,), device=pixels.view.device)
        rows_apart = (pixels.y - pixels.y[middle]).abs()
        columns_apart = (pixels.x - pixels.x[middle]).abs()
        near = torch.maximum(rows_apart, columns_apart) < PATCH // 2
        return pixels.part(near & (pixels.view == pixels.view[middle]))

    return draw


def learn(
    trained: Trained, mesh: NeuralMesh, pixels: TrainingPixels, config: Config, title: str = ""
) -> Trained:
    """Train an untrained renderer in place; returns it. `config` is the section neural_render."""
    start_exposures(trained, mesh, pixels)
    train(trained, mesh, pixels, config, config.steps, title)
    settle_static(trained, mesh, pixels)
    return trained


@torch.no_grad()
def start_exposures(trained: Trained, mesh: NeuralMesh, pixels: TrainingPixels) -> None:
    """Set each view's exposure to what takes the renderer's colours to the photo's."""
    known = MeshKnowledge(mesh, trained.model.shape)
    for view in pixels.view.unique().tolist():
        in_view = pixels.of_views([view])
        trained.exposure.fit(view, known.colors(trained.model, in_view), in_view.color)


@torch.no_grad()
def settle_static(trained: Trained, mesh: NeuralMesh, pixels: TrainingPixels) -> None:
    """Set the static colours to the robust mean of what the photos show beyond all else.

    Each pixel gives its residual to its face's corners by their barycentrics; what pixels off by
    more than STATIC_BEND say counts less.
    """
    model, known = trained.model, MeshKnowledge(mesh, trained.model.shape)
    strengths = model.strengths.clone()
    model.strengths.copy_(torch.tensor([0.0, 1.0]))
    missing = torch.zeros_like(pixels.color)
    for view in pixels.view.unique().tolist():
        own = pixels.view == view
        in_view = pixels.part(own)
        seen = trained.exposure.undo(in_view.color, in_view.view)
        missing[own] = seen - known.colors(model, in_view)
    static = missing.new_zeros(len(model.features), COLOR)
    for _ in range(ROUNDS):
        error = (missing - pixels.interpolate(static)).abs().mean(1)
        believed = STATIC_BEND / error.clamp(min=STATIC_BEND)
        share = pixels.bary * believed[:, None]  # (N, 3) of the corners
        total = share.new_full((len(static), 1), PRIOR)
        summed = torch.zeros_like(static)
        for corner, own in zip(pixels.corners.T, share.T):
            total.index_add_(0, corner, own[:, None])
            summed.index_add_(0, corner, own[:, None] * missing)
        static = summed / total
    model.features[:, :COLOR] = static
    model.strengths.copy_(strengths)
