"""Both stages of the neural renderer on one reconstruction, and what held-out views say of them.

At first some of the fitted views are held out, three times others. They choose how much the
renderer may add to the mesh's shading and whether the mesh of stage 2 stays; then all views train
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.neural_checkpoint import TrainedHands
from models.neural_inputs import net_shape
from models.neural_pixels import TrainingPixels, folds
from models.neural_refinement import SurfaceStart, refine_surface, silhouette_agreement
from models.neural_renderer import NeuralMesh
from models.neural_strengths import strengths_report, try_strengths, view_psnr
from models.neural_training import Trained, fresh, train
from utils.config import Config
from utils.errors import UserError
from utils.files import load_torch, save_torch
from utils.photos import Photos

# What a new mesh may lose in views held out of it, which the one before was fitted to.
PSNR_SLACK = 0.02  # dB
IOU_SLACK = 0.0015


@dataclass(frozen=True)
class NeuralFit:
    """The trained hands and, as plain data, what was tried on views held out and what it cost."""

    hands: TrainedHands
    report: dict[str, Any]


class FitProgress:
    """Keeps what each part of a fit found in a file, from which an interrupted fit goes on.

    path None keeps nothing; `made_with` (plain data) must be equal for a file to be used.
    """

    def __init__(self, path: Path | None = None, made_with: Any = None) -> None:
        self.path, self.made_with = path, made_with
        self._kept: dict[str, Any] = {}
        if path is not None and path.is_file():
            try:
                kept = load_torch(path)
            except UserError:
                kept = None
            if isinstance(kept, dict) and kept.get("made_with") == made_with:
                self._kept = kept["parts"]
                print(f"going on after {', '.join(self._kept)} of an interrupted run")

    def part(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `make` returns (tensors and plain values), from the file where it is there."""
        if name not in self._kept:
            self._kept[name] = make()
            if self.path is not None:
                save_torch(self.path, {"made_with": self.made_with, "parts": self._kept})
        return self._kept[name]

    def forget(self) -> None:
        """Remove the file: the fit is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


@dataclass
class _Fit:
    """What the parts of a fit share."""

    start: SurfaceStart
    photos: Photos
    config: Config
    net_type: str
    pretrained: dict[str, Tensor] | None

    def __post_init__(self) -> None:
        own = self.config.neural_render
        self.shape = net_shape(self.net_type, own.preset, own.inputs)
        self.device = str(self.start.verts.device)
        self.views = list(range(len(self.photos.starts)))
        self.mesh = self.mesh_of(self.start.verts, self.start.appearance.albedo)
        self.pixels = TrainingPixels.of(self.mesh, self.photos)
        self.folds = folds(self.pixels)

    def mesh_of(self, verts: Tensor, albedo: Tensor) -> NeuralMesh:
        appearance = replace(self.start.appearance, albedo=albedo)
        return NeuralMesh.of(verts, self.start.faces.cpu().numpy(), appearance)

    def untrained(self) -> Trained:
        made = fresh(self.net_type, self.shape, len(self.start.verts), len(self.views), self.device)
        if self.pretrained is not None:
            made.model.network.load_state_dict(self.pretrained)
        return made

    def restored(self, part: dict[str, Any]) -> Trained:
        made = self.untrained()
        made.model.load_state_dict(part["model"])
        made.exposure.load_state_dict(part["exposure"])
        made.history = list(part["history"])
        made.stopped = part["stopped"]
        return made

    def without(self, fold: list[int]) -> list[int]:
        return [view for view in self.views if view not in fold]

    def trial(self, fold: list[int], title: str) -> dict[str, Any]:
        """Stage 1 without the views of a fold, and what they say of every strength."""
        own, rest = self.config.neural_render, self.pixels.of_views(self.without(fold))
        trained = train(self.untrained(), self.mesh, rest, own, own.steps, title)
        scores = try_strengths(trained, self.mesh, self.pixels, fold)
        return {**_part(trained), "scores": scores.tolist()}

    def surface(self, trial: dict[str, Any], strengths: Sequence[float]) -> dict[str, Any]:
        """Stage 2 without the views of the first fold, and whether they like its mesh."""
        old = self.start.verts, self.start.appearance.albedo
        rest = self.without(self.folds[0])
        *new, history = refine_surface(self.start, self.photos, rest, self.config)
        before, after = (self.judged(trial, strengths, *each) for each in (old, new))
        better = after["psnr"] > before["psnr"] - PSNR_SLACK
        if before["iou"] is not None:
            better = better and after["iou"] > before["iou"] - IOU_SLACK
        report = {"kept": better, "before": before, "after": after, "history": history}
        verts, albedo = new if better else old
        return {"verts": verts.cpu(), "albedo": albedo.cpu(), "report": report}

    def judged(
        self, trial: dict[str, Any], strengths: Sequence[float], verts: Tensor, albedo: Tensor
    ) -> dict[str, Any]:
        """The first fold's PSNR after a little more training on a mesh, and its IoU with that."""
        own, fold, mesh = self.config.neural_render, self.folds[0], self.mesh_of(verts, albedo)
        pixels = TrainingPixels.of(mesh, self.photos)
        rest, trained = pixels.of_views(self.without(fold)), self.restored(trial)
        train(trained, mesh, rest, own, own.finish_steps, "stage 2, judged")
        trained.model.strengths.copy_(torch.tensor(strengths))
        iou = silhouette_agreement(verts, self.start.faces, self.photos, fold)
        return {"psnr": view_psnr(trained, mesh, pixels, fold), "iou": iou}

    def final(self, verts: Tensor, albedo: Tensor, strengths: Sequence[float]) -> dict[str, Any]:
        """Stage 1 on the mesh that stays, with all views."""
        mesh, own = self.mesh_of(verts, albedo), self.config.neural_render
        pixels = TrainingPixels.of(mesh, self.photos)
        trained = train(self.untrained(), mesh, pixels, own, own.steps, "all views")
        trained.model.strengths.copy_(torch.tensor(strengths))
        return _part(trained)


def fit_renderer(
    start: SurfaceStart,
    photos: Photos,
    config: Config,
    net_type: str = "mlp",
    progress: FitProgress | None = None,
    pretrained: dict[str, Tensor] | None = None,
) -> NeuralFit:
    """Train a renderer of `net_type` ('mlp' or 'unet') on the photos of one reconstruction.

    start and photos are in hand units; the config is the whole one, since stage 2 uses HAM's
    weights. `pretrained` are a network's weights to start from. Of fewer than four views none is
    held out; then the renderer is used in full and the mesh stays as it is.
    """
    progress = progress or FitProgress()
    fit, own = _Fit(start, photos, config, net_type, pretrained), config.neural_render
    report: dict[str, Any] = {"tried": None, "stage_2": None, "strengths": [1.0, 1.0]}
    verts, albedo, trials = start.verts, start.appearance.albedo, []
    for number, fold in enumerate(fit.folds):
        title = f"trial {number + 1} of {len(fit.folds)}"
        trials.append(progress.part(title, lambda fold=fold, title=title: fit.trial(fold, title)))
    if trials:
        scores = np.concatenate([trial["scores"] for trial in trials])
        report["tried"] = strengths_report(scores, [v for fold in fit.folds for v in fold])
        report["strengths"] = report["tried"]["chosen"]
    strengths = report["strengths"]
    if own.joint_steps and trials:
        surface = progress.part("stage 2", lambda: fit.surface(trials[0], strengths))
        verts, albedo = (surface[name].to(verts.device) for name in ("verts", "albedo"))
        report["stage_2"] = surface["report"]
    last = progress.part("all views", lambda: fit.final(verts, albedo, strengths))
    report |= {"history": last["history"], "stopped": last["stopped"]}
    return NeuralFit(TrainedHands(fit.restored(last), fit.mesh_of(verts, albedo)), report)


def _part(trained: Trained) -> dict[str, Any]:
    return {
        "model": {name: x.detach().cpu() for name, x in trained.model.state_dict().items()},
        "exposure": {name: x.detach().cpu() for name, x in trained.exposure.state_dict().items()},
        "history": trained.history,
        "stopped": trained.stopped,
    }
