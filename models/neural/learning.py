"""Stage 1 of the neural renderer in whole: what is linear is solved, before and after training."""

from __future__ import annotations

import torch

from models.neural.inputs import COLOR
from models.neural.pixels import TrainingPixels
from models.neural.renderer import NeuralMesh
from models.neural.training import MeshKnowledge, Trained, train
from utils.config import Config

ROUNDS = 3  # of the weights' renewal
STATIC_BEND = 0.03  # of 1: residuals beyond it count less
PRIOR = 0.5  # pixels that say 0: a vertex that is hardly seen gets little


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
        part = pixels.of_views([view])
        trained.exposure.fit(
            view, trained.model.colors(*known.inputs(trained.model, part)), part.color
        )


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
        part = pixels.part(own)
        rest = model.colors(*known.inputs(model, part))
        missing[own] = trained.exposure.undo(part.color, part.view) - rest
    static = missing.new_zeros(len(model.features), COLOR)
    for _ in range(ROUNDS):
        error = (missing - pixels.interpolate(static)).abs().mean(1)
        share = (
            pixels.bary * (STATIC_BEND / error.clamp(min=STATIC_BEND))[:, None]
        )  # (N, 3) of the corners
        total = share.new_full((len(static), 1), PRIOR)
        summed = torch.zeros_like(static)
        for corner, own in zip(pixels.corners.T, share.T):
            total.index_add_(0, corner, own[:, None])
            summed.index_add_(0, corner, own[:, None] * missing)
        static = summed / total
    model.features[:, :COLOR] = static
    model.strengths.copy_(strengths)
