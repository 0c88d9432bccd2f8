"""HAM, inverse rendering of hands: vertices, albedo and light from photos (paper section 3.2).

`refine_level` runs one level of the coarse-to-fine optimisation; `mesh_sfs_optim.refine_mesh`
strings the levels together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm

from models.appearance.light import light_spread, towards_cameras
from models.appearance.model import Appearance, vertex_samples
from models.appearance.solver import Samples, solve_appearance
from models.ham.losses import SurfaceTerms, photometric_loss, silhouette_loss
from models.ham.preconditioning import PreconditionedVertices, UniformAdam
from models.ham.state import HamState, SurfaceStart
from utils.cameras import Cameras
from utils.cameras.correction import SIZE, CorrectableCameras
from utils.errors import UserError
from utils.geometry.mesh import vertex_normals
from utils.photos.crops import Photos, PixelRows
from utils.render import Fragments, Renderer
from utils.stage.config import Config

CAMERA_UNIT = 1e-3  # radians, or shift over distance: 2 pixels at a focal length of 2000
DECAY_FROM, DECAY_TO = 0.6, 0.2  # the last 40 % of a level's steps shrink to a fifth
STEPS = 60  # as HAM takes on its finest level


class Terms:
    """The weighted terms of one level as a function of vertices and appearance."""

    def __init__(self, state: HamState, photos: Photos, config: Config):
        self.photos, self.config = photos, config
        self.faces = torch.from_numpy(state.faces).to(state.verts.device)
        self.renderer = Renderer(self.faces)
        self.surface = SurfaceTerms(state.reference, state.faces)
        self.masked = photos.masked()
        self.views = CorrectableCameras(
            photos.cameras, torch.zeros(3).to(state.verts)
        )  # hands lie about 0

    def render(self, verts: Tensor, cameras: Cameras) -> Fragments:
        """Fragments of all views."""
        fragments = self.renderer.rasterize(cameras, verts)
        if len(fragments) == 0 and verts.isfinite().all():  # nan shows in the loss
            raise UserError(
                "the hands are outside of every photo; look at the overlays of mano_optim.py"
            )
        return fragments

    @torch.no_grad()
    def start_appearance(self, state: HamState) -> Appearance:
        """Albedo, light and gain to start from: solved, or `carried` where that fits better."""
        verts, carried, config = state.verts, state.appearance, self.config
        cameras, normals = self.views.corrected(state.correction), vertex_normals(verts, self.faces)
        fragments = self.render(verts, cameras)
        pixels = self.photos.at(fragments.view, fragments.y, fragments.x)
        weight = pixels.photometric * fragments.front_facing()
        seen = vertex_samples(self.faces, fragments, pixels.color, weight, len(verts))
        towards = towards_cameras(verts, cameras.centers().to(verts))
        albedo = carried.albedo if carried else None
        samples = Samples(*seen, normals, towards)
        solved = solve_appearance(samples, config.degree, albedo, config.highlight_support)
        if carried is None:
            return solved
        errors = [
            self.photometric(fragments, candidate.colors_in(cameras, verts, normals), pixels)
            for candidate in (solved, carried)
        ]
        return solved if errors[0] < errors[1] else carried.copy()

    def photometric(self, fragments: Fragments, colors: Tensor, pixels: PixelRows) -> Tensor:
        """The weighted photometric term of colours (views, V, 3) against the fragments' pixels."""
        predicted = self.renderer.interpolate(fragments, colors)
        weight = pixels.photometric * fragments.front_facing()
        config = self.config
        return config.sfs_weight * photometric_loss(
            predicted, pixels.color, weight, config.outlier_residual
        )

    def __call__(
        self, verts: Tensor, appearance: Appearance, correction: Tensor
    ) -> dict[str, Tensor]:
        """Every term times its weight."""
        config = self.config
        cameras, normals = self.views.corrected(correction), vertex_normals(verts, self.faces)
        fragments = self.render(verts, cameras)
        colors = appearance.colors_in(cameras, verts, normals)
        rim = self.renderer.coverage(fragments)
        pixels = self.photos.at(rim.view, rim.y, rim.x)
        return {
            "sfs": self.photometric(fragments, colors, pixels.first(rim.covered)),
            "mask": config.mask_weight
            * silhouette_loss(rim.value, pixels.mask, pixels.silhouette, self.masked),
            **self.surface.weighted(config, verts, appearance.albedo),
            "light": config.light_weight * light_spread(appearance.sh_coeff),
            "camera": config.camera_weight * (correction / CAMERA_UNIT).square().mean(),
        }


def refine_level(
    state: HamState, photos: Photos, config: Config, level: Config, title: str = ""
) -> HamState:
    """Optimise one level: `level.steps` steps over all views at once.

    Stops and keeps the last good vertices and appearance when the loss turns nan.
    """
    terms = Terms(state, photos, config)
    appearance, correction = terms.start_appearance(state), state.correction.clone()
    surface = PreconditionedVertices(state.verts, state.faces, level.smoothness)
    history = list(state.history)
    best = state.verts, appearance.copy(), state.correction
    optimizers = _optimizers(surface, appearance, config, level)
    if state.corrects_cameras:
        correction.requires_grad_(True)
        optimizers.append(torch.optim.Adam([correction], lr=config.camera_lr))
    schedulers = [torch.optim.lr_scheduler.LambdaLR(o, decay(level.steps)) for o in optimizers]
    with tqdm(range(level.steps), desc=title, leave=False, dynamic_ncols=True) as bar:
        for step in bar:
            verts = surface.verts()
            losses = terms(verts, appearance, correction)
            weighted = torch.stack(list(losses.values()))
            # The step's one wait for what a GPU computes.
            numbers = dict(zip(losses, weighted.tolist()))
            numbers["total"] = sum(numbers.values())
            if not math.isfinite(numbers["total"]):
                bar.write(f"{title}: the loss turned nan in step {step}; kept the step before")
                break
            best = verts.detach(), appearance.copy(), correction.detach().clone()
            for optimizer in optimizers:
                optimizer.zero_grad()
            weighted.sum().backward()
            for optimizer, scheduler in zip(optimizers, schedulers):
                optimizer.step()
                scheduler.step()
            with torch.no_grad():  # anchored: the world must not follow the cameras
                correction -= correction.mean(0)
            history.append(numbers)
            bar.set_postfix({name: f"{numbers[name]:.4f}" for name in ("sfs", "mask")})
    verts, appearance, correction = best
    appearance.normalise_()
    return replace(
        state, verts=verts, appearance=appearance, correction=correction, history=history
    )


def _optimizers(
    surface: PreconditionedVertices, appearance: Appearance, config: Config, level: Config
) -> list[torch.optim.Optimizer]:
    return [UniformAdam([surface.u], lr=level.lr), appearance_optimizer(appearance, config)]


def appearance_optimizer(appearance: Appearance, config: Config) -> torch.optim.Optimizer:
    """Adam on albedo, light and gain, which get gradients."""
    for tensor in appearance.parameters():
        tensor.requires_grad_(True)
    light = [appearance.sh_coeff, appearance.gain]
    return torch.optim.Adam(
        [
            {"params": [appearance.albedo], "lr": config.albedo_lr},
            {"params": light, "lr": config.sh_lr},
        ]
    )


def decay(steps: int) -> Callable[[int], float]:
    """Factor of the step lengths: 1, and less and less in the last steps."""

    def factor(step: int) -> float:
        done = step / max(steps, 1)
        if done < DECAY_FROM:
            return 1.0
        return 1 + (DECAY_TO - 1) * (done - DECAY_FROM) / (1 - DECAY_FROM)

    return factor


def refit_appearance(
    start: SurfaceStart, photos: Photos, config: Config, title: str = ""
) -> Appearance:
    """Appearance in the views of `photos`, hand units; nothing of start.appearance is used.

    The mesh stays as it is. The config is the whole one.
    """
    correction = torch.zeros(len(photos.starts), SIZE).to(start.verts)
    state = HamState(start.verts, start.reference, start.faces.cpu().numpy(), correction)
    terms = Terms(state, photos, config)
    appearance, normals = terms.start_appearance(state), vertex_normals(start.verts, start.faces)
    with torch.no_grad():
        fragments = terms.render(start.verts, photos.cameras)
        pixels = photos.at(fragments.view, fragments.y, fragments.x)
    optimizer = appearance_optimizer(appearance, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, decay(STEPS))
    fitted = appearance.copy()
    for _ in tqdm(range(STEPS), desc=title, leave=False, dynamic_ncols=True):
        colors = appearance.colors_in(photos.cameras, start.verts, normals)
        loss = (
            terms.photometric(fragments, colors, pixels)
            + config.albedo_weight * terms.surface.albedo(appearance.albedo)
            + config.light_weight * light_spread(appearance.sh_coeff)
        )
        if not torch.isfinite(loss):
            break  # what the step before had is kept
        fitted = appearance.copy()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    else:
        fitted = appearance.copy()
    fitted.normalise_()
    return fitted
