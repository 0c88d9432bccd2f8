"""Both stages of the neural renderer on one reconstruction, and what held-out views say of them.

At first some of the views are held out, three times others, of the renderer as well as of the
mesh's albedo and light. They choose how much the renderer may add to the mesh's shading and whether
the mesh of stage 2 stays; then all views train it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.appearance.model import Appearance
from models.appearance.shown import shown_surface
from models.ham.refine import refit_appearance
from models.ham.state import HamState
from models.neural.checkpoint import TrainedHands
from models.neural.inputs import PRESETS, NetShape, net_shape
from models.neural.known import KnownPixels
from models.neural.mesh import NeuralMesh, with_cap_colors
from models.neural.pixels import TrainingPixels, folds
from models.neural.refinement import refine_surface, silhouette_agreement
from models.neural.strengths import strengths_report, try_strengths, view_psnr
from models.neural.training import Trained, fresh, learn, settle_static, train
from utils.photos.crops import Photos
from utils.stage.config import Config
from utils.stage.progress import Progress
from utils.viewer.live import show, show_photos
from utils.viewer.shown import Shown

IOU_SLACK = 0.0015  # a new mesh may agree so much less with the masks if colours agree better
GUIDE = PRESETS["mlp", "small"]  # stage 2 goes by such a renderer, whatever is trained


@dataclass(frozen=True)
class NeuralFit:
    """The trained hands and, as plain data, what was tried on views held out and what it cost."""

    hands: TrainedHands
    report: dict[str, Any]


def drawn_mesh(start: HamState, photos: Photos, visibility: Tensor | None = None) -> NeuralMesh:
    """The mesh as a renderer draws it: under the light of unseen views, with caps as in photos.

    visibility: that of another mesh of the same surface, where there is one.
    """
    mesh = NeuralMesh.of(start.verts, start.faces, start.appearance, visibility)
    return with_cap_colors(mesh, photos)


@dataclass
class _Fit:
    """What the parts of a fit share."""

    start: HamState
    photos: Photos
    config: Config
    net_type: str
    pretrained: dict[str, Tensor] | None

    def __post_init__(self) -> None:
        own = self.config.neural_render
        self.shape = net_shape(self.net_type, own.preset, own.inputs)
        self.guides = self.net_type == "mlp" and self.shape == GUIDE  # what is trained may do it
        self.device = str(self.start.verts.device)
        self.views = list(range(len(self.photos.starts)))
        self.pixels, self.visibility = self.seen(self.start)
        self.folds = folds(self.pixels)

    def untrained(self) -> Trained:
        made = fresh(self.net_type, self.shape, len(self.start.verts), len(self.views), self.device)
        if self.pretrained is not None:
            made.model.network.load_state_dict(self.pretrained)
        return made

    def restored(self, kept: dict[str, Any]) -> Trained:
        made = self.untrained()
        made.model.load_state_dict(kept["model"])
        made.exposure.load_state_dict(kept["exposure"])
        made.history = list(kept["history"])
        made.stopped = kept["stopped"]
        return made

    def seen(self, start: HamState) -> tuple[TrainingPixels, Tensor]:
        """The training pixels of a surface and what it sees of the world."""
        mesh = drawn_mesh(start, self.photos)
        return TrainingPixels.of(mesh, self.photos), mesh.visibility

    def drawn(self, appearance: Appearance, views: list[int]) -> NeuralMesh:
        """The mesh that was given, in the colours that some views saw."""
        start = replace(self.start, appearance=appearance.to(self.device))
        return drawn_mesh(start, self.photos.of_views(views), self.visibility)

    def known(self, mesh: NeuralMesh, views: list[int], shape: NetShape) -> KnownPixels:
        """Some views' training pixels of such a mesh, as a renderer of `shape` sees them."""
        return KnownPixels.of(self.pixels.of_views(views), mesh, shape)

    def without(self, fold: list[int]) -> list[int]:
        return [view for view in self.views if view not in fold]

    def trial(self, fold: list[int], title: str) -> dict[str, Any]:
        """Stage 1 without the views of a fold, and what they say of every strength."""
        own, rest = self.config.neural_render, self.without(fold)
        photos = self.photos.of_views(rest)
        appearance = refit_appearance(self.start, photos, self.config, f"{title}, albedo")
        mesh = self.drawn(appearance, rest)
        trained = learn(self.untrained(), self.known(mesh, rest, self.shape), own, title)
        scores = try_strengths(trained, self.known(mesh, fold, self.shape))
        return {**_as_dict(trained), "appearance": appearance.as_dict(), "scores": scores.tolist()}

    def try_surface(self, trial: dict[str, Any], strengths: Sequence[float]) -> dict[str, Any]:
        """Stage 2 without the colours of the first fold, and whether these like its mesh."""
        fold, rest = self.folds[0], self.without(self.folds[0])
        old = replace(self.start, appearance=Appearance(**trial["appearance"]).to(self.device))
        mesh = self.drawn(old.appearance, rest)
        guide = self.restored(trial) if self.guides else self.guide(mesh, rest)
        photos = self.photos.without_colors(fold)
        verts, history = refine_surface(old, guide, mesh, photos, self.config)
        new = replace(old, verts=verts)
        before, after = (self.judged(trial, strengths, each) for each in (old, new))
        better = after["psnr"] > before["psnr"]
        if before["iou"] is not None:
            better = better and after["iou"] > before["iou"] - IOU_SLACK
        return {"kept": better, "before": before, "after": after, "history": history}

    def surface(self) -> dict[str, Any]:
        """Stage 2 with all views."""
        mesh = self.drawn(self.start.appearance, self.views)
        verts, history = refine_surface(
            self.start, self.guide(mesh, self.views), mesh, self.photos, self.config
        )
        return {"verts": verts.cpu(), "history": history}

    def guide(self, mesh: NeuralMesh, views: list[int]) -> Trained:
        """The renderer that stage 2 goes by: a small MLP trained in some views."""
        made = (
            self.untrained()
            if self.guides
            else fresh("mlp", GUIDE, len(mesh.verts), len(self.views), self.device)
        )
        known = self.known(mesh, views, made.model.shape)
        return learn(made, known, self.config.neural_render, "stage 2, its renderer")

    def judged(
        self, trial: dict[str, Any], strengths: Sequence[float], start: HamState
    ) -> dict[str, Any]:
        """The first fold's PSNR after a little more training on a mesh, and its IoU with that."""
        own, fold = self.config.neural_render, self.folds[0]
        pixels, visibility = self.seen(start)
        mesh = drawn_mesh(start, self.photos.of_views(self.without(fold)), visibility)
        known = KnownPixels.of(pixels.of_views(self.without(fold)), mesh, self.shape)
        held_out = KnownPixels.of(pixels.of_views(fold), mesh, self.shape)
        trained = self.restored(trial)
        train(trained, known, own, own.finish_steps, "stage 2, judged")
        settle_static(trained, known)
        trained.model.strengths.copy_(torch.tensor(strengths))
        iou = silhouette_agreement(start.verts, start.faces, self.photos.of_views(fold))
        return {"psnr": view_psnr(trained, held_out), "iou": iou}

    def final(self, mesh: NeuralMesh, strengths: Sequence[float]) -> dict[str, Any]:
        """Stage 1 on the mesh that stays, with all views."""
        own = self.config.neural_render
        known = KnownPixels.of(TrainingPixels.of(mesh, self.photos), mesh, self.shape)
        trained = learn(self.untrained(), known, own, "all views")
        trained.model.strengths.copy_(torch.tensor(strengths))
        return _as_dict(trained)


def fit_renderer(
    start: HamState,
    photos: Photos,
    config: Config,
    net_type: str = "mlp",
    progress: Progress | None = None,
    pretrained: dict[str, Tensor] | None = None,
) -> NeuralFit:
    """Train a renderer of `net_type` ('mlp' or 'unet') on the photos of one reconstruction.

    start and photos are in hand units; the config is the whole one, since stage 2 uses HAM's
    weights. `pretrained` are a network's weights to start from. Of fewer than four views none is
    held out; then the renderer is used in full and the mesh stays as it is.
    """
    show_photos(photos)
    show(lambda: Shown(shown_surface(start.verts, start.faces, start.appearance)))
    progress = progress or Progress()
    fit, own = _Fit(start, photos, config, net_type, pretrained), config.neural_render
    report: dict[str, Any] = {"tried": None, "stage_2": None, "strengths": [1.0, 1.0]}
    trials = []
    for number, fold in enumerate(fit.folds):
        title = f"trial {number + 1} of {len(fit.folds)}"
        trials.append(progress.part(title, fit.trial, fold, title))
    if trials:
        scores = np.concatenate([trial["scores"] for trial in trials])
        report["tried"] = strengths_report(scores, [v for fold in fit.folds for v in fold])
        report["strengths"] = report["tried"]["chosen"]
    strengths = report["strengths"]
    if own.joint_steps and trials:
        tried = progress.part("stage 2, tried", fit.try_surface, trials[0], strengths)
        report["stage_2"] = tried
        if tried["kept"]:
            surface = progress.part("stage 2", fit.surface)
            start = replace(start, verts=surface["verts"].to(start.verts))
            tried["history"] = surface["history"]
    mesh = drawn_mesh(start, photos, fit.visibility if start is fit.start else None)
    last = progress.part("all views", fit.final, mesh, strengths)
    report |= {"history": last["history"], "stopped": last["stopped"]}
    return NeuralFit(TrainedHands(fit.restored(last), mesh), report)


def _as_dict(trained: Trained) -> dict[str, Any]:
    return {
        "model": {name: x.detach().cpu() for name, x in trained.model.state_dict().items()},
        "exposure": {name: x.detach().cpu() for name, x in trained.exposure.state_dict().items()},
        "history": trained.history,
        "stopped": trained.stopped,
    }
