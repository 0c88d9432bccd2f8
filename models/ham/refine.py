"""HAM, inverse rendering of hands: vertices, albedo and light from photos (paper section 3.2).

`refine_level` runs one level of the coarse-to-fine optimisation; `mesh_sfs_optim.refine_mesh`
strings the levels together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.appearance.light import light_spread, towards_cameras
from models.appearance.model import Appearance, vertex_samples
from models.appearance.shown import shown_surface
from models.appearance.solver import Samples, solve_again, solve_appearance
from models.ham.comparison import PhotoTerms
from models.ham.losses import SurfaceTerms, camera_loss
from models.ham.preconditioning import PreconditionedVertices, UniformAdam
from models.ham.state import HamState
from models.ham.surface import surface_terms
from utils.adam import Adam
from utils.cameras import Cameras
from utils.cameras.correction import SIZE, CorrectableCameras
from utils.errors import UserError
from utils.geometry.mesh import vertex_normals
from utils.geometry.order import spatial_order
from utils.optimise import optimise
from utils.parallel import together
from utils.photos.crops import Photos
from utils.render import Fragments, Renderer
from utils.stage.config import Config
from utils.viewer.live import watched
from utils.viewer.shown import Shown

WARM_UP = 4  # steps of albedo and light before the first of full length
DECAY_FROM, DECAY_TO = 0.6, 0.2  # the last 40 % of a level's steps shrink to a fifth
STEPS = 60  # as HAM takes on its finest level


class Terms:
    """The weighted terms of one level as a function of vertices and appearance."""

    def __init__(self, state: HamState, photos: Photos, config: Config):
        self.photos, self.config = photos, config
        self.faces = torch.from_numpy(state.faces).to(state.verts.device)
        self.renderer = Renderer(self.faces)
        self._start = state.reference, state.faces
        self.pixels = PhotoTerms(self.renderer, photos, config.outlier_residual)
        middle = torch.zeros(3).to(state.verts)  # hands lie about 0
        self.cameras = CorrectableCameras(photos.cameras, middle)

    @cached_property
    def surface(self) -> SurfaceTerms:
        """The terms of the shape alone, which take a moment to prepare."""
        return surface_terms(*self._start)

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
        cameras = self.cameras.corrected(state.correction)
        fragments = self.render(verts, cameras)
        samples = self.samples(verts, cameras, fragments)
        if carried is None:
            return solve_appearance(samples, config.degree, config.highlight_support)
        solved = solve_again(samples, carried)
        errors = [
            self.pixels.photometric(fragments, candidate.colors_in(cameras, verts, samples.normals))
            for candidate in (solved, carried)
        ]
        return solved if errors[0] < errors[1] else carried.copy()

    def samples(self, verts: Tensor, cameras: Cameras, fragments: Fragments) -> Samples:
        """What the photos show of vertices (V, 3), drawn by cameras as `fragments`."""
        pixels = self.photos.at(fragments.view, fragments.y, fragments.x)
        weight = pixels.photometric * fragments.front_facing()
        colors, weights = vertex_samples(self.renderer, fragments, pixels.color, weight)
        towards = towards_cameras(verts, cameras.centers().to(verts))
        return Samples(colors, weights, vertex_normals(verts, self.faces), towards)

    def __call__(
        self, verts: Tensor, appearance: Appearance, correction: Tensor
    ) -> dict[str, Tensor]:
        """Every term times its weight."""
        config = self.config
        cameras = self.cameras.corrected(correction)
        normals = vertex_normals(verts, self.faces)
        fragments, surface = self.surface.beside(
            lambda: self.render(verts, cameras), verts, appearance.albedo
        )
        photometric, silhouette = self.pixels(fragments, appearance, cameras, verts, normals)
        return {
            "sfs": config.sfs_weight * photometric,
            "mask": config.mask_weight * silhouette,
            "lap": config.lap_weight * surface["lap"],
            "albedo": config.albedo_weight * surface["albedo"],
            "edge": config.edge_weight * surface["edge"],
            "delta": config.delta_weight * surface["delta"],
            "fold": config.fold_weight * surface["fold"],
            "light": config.light_weight * light_spread(appearance.sh_coeff),
            "camera": config.camera_weight * camera_loss(correction),
        }


def refine_level(
    state: HamState, photos: Photos, config: Config, level: Config, title: str = ""
) -> HamState:
    """Optimise one level: `level.steps` steps over all views at once.

    Stops and keeps the last good vertices and appearance when the loss turns nan. On the way, the
    mesh is in `spatial_order`, which takes a twentieth less time.
    """
    order = spatial_order(state.reference.cpu().numpy())
    near = state.in_order(order)
    terms = Terms(near, photos, config)

    def start_shape() -> PreconditionedVertices:
        _ = terms.surface  # is prepared here, too
        return PreconditionedVertices(near.verts, near.faces, level.smoothness)

    appearance, surface = together(lambda: terms.start_appearance(near), start_shape)
    correction = near.correction.clone()
    optimizers = [UniformAdam([surface.u], lr=level.lr), appearance_optimizer(appearance, config)]
    if state.corrects_cameras:
        free = correction.requires_grad_(True)
        optimizers.append(Adam([{"params": [free], "lr": config.camera_lr}]))

    @torch.no_grad()
    def anchor_cameras() -> None:
        """The world must not follow the cameras."""
        correction.sub_(correction.mean(0))

    with watched(lambda _: Shown(shown_surface(surface.verts(), near.faces, appearance))):
        done = optimise(
            lambda _: terms(surface.verts(), appearance, correction),
            optimizers,
            level.steps,
            decay(level.steps),
            title,
            shown=("sfs", "mask"),
            after_step=anchor_cameras,
            update_last=False,
        )
    fitted = appearance.copy()
    fitted.normalise_()
    refined = replace(
        near,
        verts=surface.verts().detach(),
        appearance=fitted,
        correction=correction.detach(),
        history=[*state.history, *done.history],
    )
    return replace(refined.in_order(np.argsort(order)), faces=state.faces)


def appearance_optimizer(appearance: Appearance, config: Config) -> Adam:
    """Adam on albedo, light and gain, which get gradients."""
    for tensor in appearance.parameters():
        tensor.requires_grad_(True)
    light = [appearance.sh_coeff, appearance.gain]
    return Adam(
        [
            {"params": [appearance.albedo], "lr": config.albedo_lr},
            {"params": light, "lr": config.sh_lr},
        ],
        warm_up=WARM_UP,
    )


def decay(steps: int) -> Callable[[int], float]:
    """Factor of the step lengths: 1, and less and less in the last of so many steps."""

    def factor(step: int) -> float:
        done = step / max(steps, 1)
        if done < DECAY_FROM:
            return 1.0
        return 1 + (DECAY_TO - 1) * (done - DECAY_FROM) / (1 - DECAY_FROM)

    return factor


def refit_appearance(
    state: HamState, photos: Photos, config: Config, title: str = ""
) -> Appearance:
    """Appearance in the views of `photos`, hand units; nothing of state.appearance is used.

    The mesh stays as it is, and so do the photos' cameras. The config is the whole one.
    """
    still = torch.zeros(len(photos.starts), SIZE).to(state.verts)
    state = replace(state, appearance=None, correction=still)
    terms = Terms(state, photos, config)
    appearance, normals = terms.start_appearance(state), vertex_normals(state.verts, terms.faces)
    with torch.no_grad():
        fragments = terms.render(state.verts, photos.cameras)

    def color_terms(_: int) -> dict[str, Tensor]:
        photometric, _ = terms.pixels(fragments, appearance, photos.cameras, state.verts, normals)
        return {
            "sfs": config.sfs_weight * photometric,
            "albedo": config.albedo_weight * terms.surface.albedo(appearance.albedo),
            "light": config.light_weight * light_spread(appearance.sh_coeff),
        }

    optimise(color_terms, [appearance_optimizer(appearance, config)], STEPS, decay(STEPS), title)
    fitted = appearance.copy()
    fitted.normalise_()
    return fitted
