"""The light of one frame, drawn to the sequence's: what shadows the hands cast differs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from models.appearance.light import sh_basis
from models.appearance.model import Appearance
from models.appearance.solver import Samples, huber_weights, lights_of_views
from models.ham.refine import Terms
from models.ham.state import HamState

ROUNDS = 2  # of robust weights
PULL = 0.2  # share of the mean diagonal that draws a view's light to the sequence's


@torch.no_grad()
def relit(terms: Terms, state: HamState) -> Appearance:
    """The state's appearance with each view's light solved anew from the photos of `terms`.

    Linear least squares in the spherical harmonics of each view, with Huber's weights; albedo,
    gain and highlights stay.
    """
    verts, held = state.verts, state.appearance
    cameras = terms.cameras.corrected(state.correction)
    samples = terms.samples(verts, cameras, terms.render(verts, cameras))
    step = samples.step
    few = replace(held, albedo=held.albedo[::step])
    shine = held.highlights_in(cameras, verts[::step], samples.normals[::step])
    return replace(held, sh_coeff=_light(samples.few().unsaturated(), few, shine))


def _light(samples: Samples, held: Appearance, shine: Tensor | None) -> Tensor:
    """Each view's light (views, n)."""
    basis, tinted = sh_basis(samples.normals, held.degree), held.albedo * held.gain[:, None]
    diffuse = samples.colors if shine is None else samples.colors - shine * held.gain[:, None]
    light = held.sh_coeff
    for _ in range(ROUNDS):
        predicted = replace(held, sh_coeff=light).vertex_colors(samples.normals, shine)
        error = (predicted.clamp(max=1) - samples.colors).abs().mean(-1)
        robust = samples.weights * huber_weights(error)
        light = lights_of_views(basis, tinted, robust, diffuse, held.sh_coeff, PULL)
    return light
