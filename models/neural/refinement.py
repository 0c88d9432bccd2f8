"""Stage 2 of the neural renderer: the mesh once more, by the photos and a network of its own.

Vertices and albedo move under the geometric terms of HAM. What is compared with the photos is the
mesh's shading under each view's light plus a small network that knows normals and mirrored rays
but no vertex: features could explain a wrong surface away, this network cannot. In turn the
renderer with features is trained on the new mesh, and held-out views decide whether it stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from models.appearance import Appearance
from models.detail import PreconditionedVertices, UniformAdam
from models.mending import mend
from models.neural.inputs import net_shape, pixel_inputs
from models.neural.training import learning_rate
from models.renderer_mlp import PixelMLP
from models.specular import Highlights
from utils.config import Config
from utils.losses import SurfaceTerms, photometric_loss, silhouette_loss
from utils.mesh import vertex_normals
from utils.photos import Photos
from utils.render import Renderer

SHADED = 200_000  # pixels a step whose colours are compared
INPUTS = ("reflection", "shading")  # visibility costs too much to follow a mesh that moves


@dataclass
class SurfaceStart:
    """What stage 2 starts from, in hand units: verts and reference (V, 3), faces, appearance.

    reference is the parametric hand on the same mesh, from which displacement counts; appearance
    that of the fitted views.
    """

    verts: Tensor
    reference: Tensor
    faces: Tensor
    appearance: Appearance


class GeometryTerms:
    """The weighted terms of stage 2."""

    def __init__(self, start: SurfaceStart, photos: Photos, config: Config):
        self.config, self.photos = config, photos
        self.centers = photos.cameras.centers().to(start.verts)
        self.faces, self.renderer = start.faces, Renderer(start.faces)
        self.surface = SurfaceTerms(start.reference, start.faces.cpu().numpy())
        self.shape = net_shape("mlp", "small", INPUTS)
        self.network = PixelMLP(self.shape.size, self.shape.width, self.shape.depth)
        self.network.to(start.verts.device)
        self.masked = photos.masked()
        lobes = start.appearance.lobes
        self.highlights = None if lobes is None else Highlights(lobes.to(start.verts))

    def __call__(self, verts: Tensor, appearance: Appearance) -> dict[str, Tensor]:
        """Every term times its weight."""
        config = self.config
        fragments = self.renderer.rasterize(self.photos.cameras, verts)
        rim = self.renderer.coverage(fragments)
        pixels = self.photos.at(rim.view, rim.y, rim.x)
        covered = pixels.first(rim.covered)
        predicted, chosen = self._colors(verts, appearance, fragments)
        weight = (covered.photometric * fragments.front_facing())[chosen]
        return {
            "sfs": config.sfs_weight
            * photometric_loss(predicted, covered.color[chosen], weight, config.outlier_residual),
            "mask": config.mask_weight
            * silhouette_loss(rim.value, pixels.mask, pixels.silhouette, self.masked),
            **self.surface.weighted(config, verts, appearance.albedo),
        }

    def _colors(self, verts: Tensor, appearance: Appearance, fragments) -> tuple[Tensor, Tensor]:
        """Colours of a random part of the fragments, and which these are."""
        normals = vertex_normals(verts, self.faces)
        shading = appearance.vertex_colors(normals)  # (views, V, 3)
        parts = (verts, normals, shading, torch.ones_like(verts[:, :1]))
        known = [part.expand(len(shading), *part.shape[-2:]) for part in parts]
        values = self.renderer.interpolate(fragments, torch.cat(known, 2))
        chosen = torch.randint(len(values), (min(SHADED, len(values)),), device=values.device)
        chosen = chosen.sort().values
        values, center = values[chosen], self.centers[fragments.view.long()[chosen]]
        pixels = pixel_inputs(self.shape, values, values[:, :0], center, self.highlights)
        return pixels.base + self.network(pixels.inputs), chosen


def refine_surface(
    start: SurfaceStart, photos: Photos, config: Config
) -> tuple[Tensor, Tensor, list[dict[str, float]]]:
    """Vertices (V, 3), albedo (V, 3) and the terms of every step.

    start.appearance is that in the views of `photos`. Folds and crossings that the steps left are
    mended. When the loss turns nan the last good state is returned.
    """
    own = config.neural_render
    terms = GeometryTerms(start, photos, config)
    appearance = start.appearance.copy()
    appearance.albedo.requires_grad_(True)
    faces = start.faces.cpu().numpy()
    surface = PreconditionedVertices(start.verts, faces, own.smoothness)
    optimizers = [
        UniformAdam([surface.u], lr=own.vertex_lr),
        torch.optim.Adam(
            [
                {"params": [appearance.albedo], "lr": config.albedo_lr},
                {"params": terms.network.parameters(), "lr": own.lr},
            ]
        ),
    ]
    steps, history = own.joint_steps, []
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, learning_rate(steps)) for o in optimizers]
    best = start.verts, appearance.albedo.detach().clone()
    with tqdm(range(steps), desc="stage 2", leave=False, dynamic_ncols=True) as bar:
        for step in bar:
            verts = surface.verts()
            losses = terms(verts, appearance)
            total = torch.stack(list(losses.values())).sum()
            if not torch.isfinite(total):
                bar.write(f"stage 2: the loss turned nan in step {step}; kept the step before")
                break
            best = verts.detach(), appearance.albedo.detach().clone()
            for optimizer in optimizers:
                optimizer.zero_grad()
            total.backward()
            for optimizer, schedule in zip(optimizers, schedules):
                optimizer.step()
                schedule.step()
            history.append({name: value.item() for name, value in losses.items()})
            history[-1]["total"] = total.item()
            bar.set_postfix(sfs=f"{history[-1]['sfs']:.4f}", mask=f"{history[-1]['mask']:.4f}")
    mended, _ = mend(best[0].cpu().double().numpy(), start.reference.cpu().double().numpy(), faces)
    return torch.from_numpy(mended).to(start.verts), best[1].clamp(0, 1), history


@torch.no_grad()
def silhouette_agreement(verts: Tensor, faces: Tensor, photos: Photos) -> float | None:
    """IoU of mesh and masks over the believed pixels; None where none is believed."""
    masked = float((photos.rows().mask * photos.rows().silhouette).sum())
    if masked == 0:
        return None
    fragments = Renderer(faces).rasterize(photos.cameras, verts)
    rows = photos.at(fragments.view, fragments.y, fragments.x)
    both = float((rows.mask * rows.silhouette).sum())
    covered = float(rows.silhouette.sum())
    return both / max(masked + covered - both, 1.0)
