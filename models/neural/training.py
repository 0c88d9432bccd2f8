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
from models.neural.fused import can_train, fused_color_error
from models.neural.inputs import COLOR
from models.neural.known import KnownPixels
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


def train(
    trained: Trained, known: KnownPixels, config: Config, steps: int, title: str = ""
) -> Trained:
    """Train in place for `steps` steps of a batch each; returns `trained`.

    Stops and falls back to the last good state when the loss turns nan.
    """
    model = trained.model
    unet = model.net_type == "unet"
    draw = _patches(known.pixels) if unet else _batches(known.pixels, config.batch)
    arithmetic, fused = half_precision(model), can_train(model, known)

    def color_error(_: int) -> dict[str, Tensor]:
        chosen = draw()
        if fused:
            factors = trained.exposure.factors()
            return {"color": fused_color_error(model, known, chosen, factors, BEND)}
        batch = known.part(chosen)
        with arithmetic:
            colors = batch.colors(model)
        drawn = trained.exposure(colors, batch.pixels.view)
        return {"color": huber_loss(drawn, batch.pixels.color, delta=BEND) / BEND}

    with watched(lambda view: Shown(picture=prediction_beside_photo(trained, known, view))):
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
def prediction_beside_photo(trained: Trained, known: KnownPixels, view: int) -> np.ndarray:
    """RGB (H, 2 W, 3) in [0, 1] of what is drawn of a view's pixels, and of the photo there.

    Of the first view that has pixels where `view` has none.
    """
    of_view = known.pixels.view
    own = of_view == view
    if not own.any():
        own = of_view == of_view[0]
    part = known.part(own)
    in_view = part.pixels
    drawn = trained.exposure(part.colors(trained.model), in_view.view)
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


def _batches(pixels: TrainingPixels, size: int) -> Callable[[], Tensor]:
    def draw() -> Tensor:
        return torch.randint(len(pixels), (size,), device=pixels.view.device)

    return draw


def _patches(pixels: TrainingPixels) -> Callable[[], Tensor]:
    """Square crops about a random pixel, each of one view."""

    def draw() -> Tensor:
        middle = torch.randint(len(pixels), (1,), device=pixels.view.device)
        rows_apart = (pixels.y - pixels.y[middle]).abs()
        columns_apart = (pixels.x - pixels.x[middle]).abs()
        near = torch.maximum(rows_apart, columns_apart) < PATCH // 2
        return near & (pixels.view == pixels.view[middle])

    return draw


def learn(trained: Trained, known: KnownPixels, config: Config, title: str = "") -> Trained:
    """Train an untrained renderer in place; returns it. `config` is the section neural_render."""
    start_exposures(trained, known)
    train(trained, known, config, config.steps, title)
    settle_static(trained, known)
    return trained


@torch.no_grad()
def start_exposures(trained: Trained, known: KnownPixels) -> None:
    """Set each view's exposure to what takes the renderer's colours to the photo's."""
    for view in known.pixels.view.unique().tolist():
        in_view = known.part(known.pixels.view == view)
        trained.exposure.fit(view, in_view.colors(trained.model), in_view.pixels.color)


@torch.no_grad()
def settle_static(trained: Trained, known: KnownPixels) -> None:
    """Set the static colours to the robust mean of what the photos show beyond all else.

    Each pixel gives its residual to its face's corners by their barycentrics; what pixels off by
    more than STATIC_BEND say counts less.
    """
    model, pixels = trained.model, known.pixels
    strengths = model.strengths.clone()
    model.strengths.copy_(torch.tensor([0.0, 1.0]))
    missing = torch.zeros_like(pixels.color)
    for view in pixels.view.unique().tolist():
        own = pixels.view == view
        in_view = known.part(own)
        seen = trained.exposure.undo(in_view.pixels.color, in_view.pixels.view)
        missing[own] = seen - in_view.colors(model)
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
