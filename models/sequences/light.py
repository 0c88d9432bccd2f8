"""The light of one frame, drawn to the sequence's: what shadows the hands cast differs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from models.appearance.light import sh_basis, towards_cameras
from models.appearance.model import Appearance, vertex_samples
from models.appearance.solver import HUBER_RGB, SAMPLED, Samples
from models.ham.refine import Terms
from models.ham.state import HamState
from utils.geometry.mesh import vertex_normals

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
    normals = vertex_normals(verts, terms.faces)
    fragments = terms.render(verts, cameras)
    pixels = terms.photos.at(fragments.view, fragments.y, fragments.x)
    weight = pixels.photometric * fragments.front_facing()
    colors, weights = vertex_samples(terms.faces, fragments, pixels.color, weight, len(verts))
    samples = Samples(colors, weights, normals, towards_cameras(verts, cameras.centers().to(verts)))
    step = max(len(verts) // SAMPLED, 1)
    few = replace(held, albedo=held.albedo[::step])
    shine = held.highlights_in(cameras, verts[::step], normals[::step])
    return replace(held, sh_coeff=_light(samples.every(step).unsaturated(), few, shine))


def _light(samples: Samples, held: Appearance, shine: Tensor | None) -> Tensor:
    """Each view's light (views, n)."""
    basis, tinted = sh_basis(samples.normals, held.degree), held.albedo * held.gain[:, None]
    diffuse = samples.colors if shine is None else samples.colors - shine * held.gain[:, None]
    light = held.sh_coeff
    for _ in range(ROUNDS):
        predicted = replace(held, sh_coeff=light).vertex_colors(samples.normals, shine)
        error = (predicted.clamp(max=1) - samples.colors).abs().mean(-1)
        robust = samples.weights * (HUBER_RGB / error.clamp(min=HUBER_RGB))
        squared = robust * tinted.square().sum(-1)
        normal = torch.einsum("vi,bv,vj->bij", basis, squared, basis)
        right = torch.einsum("vi,bv->bi", basis, robust * (tinted * diffuse).sum(-1))
        pull = PULL * normal.diagonal(dim1=1, dim2=2).mean(1)[:, None].expand_as(right) + 1e-8
        light = torch.linalg.solve(normal + torch.diag_embed(pull), right + pull * held.sh_coeff)
    return light
