"""Both stages of the neural renderer on one reconstruction, and what held-out views say of them.

Some of the fitted views are kept out at first. They choose how much the network may add and
whether the mesh of stage 2 stays; then all views train the renderer to the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from models.neural_checkpoint import TrainedHands
from models.neural_inputs import net_shape
from models.neural_pixels import TrainingPixels, probe_views
from models.neural_refinement import SurfaceStart, refine_surface, silhouette_agreement
from models.neural_renderer import NeuralMesh
from models.neural_training import Trained, choose_strengths, fresh, train, view_psnr
from utils.config import Config
from utils.errors import UserError
from utils.files import load_torch, save_torch
from utils.photos import Photos
from utils.render import Renderer

PSNR_SLACK = 0.02  # dB that a probe may lose by chance before a new mesh counts as worse
IOU_SLACK = 0.001


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
        self.probes = probe_views(self.pixels(self.start.verts))
        self.rest = [view for view in self.views if view not in self.probes]

    def pixels(self, verts: Tensor) -> TrainingPixels:
        return TrainingPixels.of(Renderer(self.start.faces), self.photos, verts)

    def mesh(self, verts: Tensor, albedo: Tensor) -> NeuralMesh:
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

    def trial(self) -> dict[str, Any]:
        """Stage 1 without the probes, and the strengths that they choose."""
        mesh = self.mesh(self.start.verts, self.start.appearance.albedo)
        pixels, own = self.pixels(self.start.verts), self.config.neural_render
        trained = train(
            *(self.untrained(), mesh, pixels.of_views(self.rest), own, own.steps), "stage 1"
        )
        tried = choose_strengths(trained, mesh, pixels, self.probes) if self.probes else []
        return {**_part(trained), "tried": tried}

    def surface(self, trial: dict[str, Any]) -> dict[str, Any]:
        """Stage 2 without the probes, and whether they like its mesh."""
        old = self.start.verts, self.start.appearance.albedo
        new = refine_surface(self.start, self.photos, self.rest, self.config)
        report = {"kept": False, "history": new[2]}
        before, after = self.judged(trial, *old), self.judged(trial, *new[:2])
        report |= {"before": before, "after": after}
        worse = after["psnr"] < before["psnr"] - PSNR_SLACK
        if before["iou"] is not None:
            worse = worse or after["iou"] < before["iou"] - IOU_SLACK
        report["kept"] = not worse
        verts, albedo = old if worse else new[:2]
        return {"verts": verts.cpu(), "albedo": albedo.cpu(), "report": report}

    def judged(self, trial: dict[str, Any], verts: Tensor, albedo: Tensor) -> dict[str, Any]:
        """The probes' PSNR after a little more training on a mesh, and their IoU with it."""
        own, mesh, pixels = self.config.neural_render, self.mesh(verts, albedo), self.pixels(verts)
        trained = train(
            *(self.restored(trial), mesh, pixels.of_views(self.rest), own, own.finish_steps),
            "stage 2, judged",
        )
        iou = silhouette_agreement(verts, self.start.faces, self.photos, self.probes)
        return {"psnr": view_psnr(trained, mesh, pixels, self.probes), "iou": iou}


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
    held out; then the network is used in full and the mesh stays as it is.
    """
    progress = progress or FitProgress()
    fit, own = _Fit(start, photos, config, net_type, pretrained), config.neural_render
    trial = progress.part("stage 1", fit.trial)
    verts, albedo = start.verts, start.appearance.albedo
    report: dict[str, Any] = {"probes": fit.probes, "tried": trial["tried"], "stage_2": None}
    if own.joint_steps and fit.probes:
        surface = progress.part("stage 2", lambda: fit.surface(trial))
        verts, albedo = (surface[name].to(verts.device) for name in ("verts", "albedo"))
        report["stage_2"] = surface["report"]
    mesh, trained = fit.mesh(verts, albedo), fit.restored(trial)
    if fit.probes:
        train(trained, mesh, fit.pixels(verts), own, own.finish_steps, "all views")
    report |= {"history": trained.history, "stopped": trained.stopped}
    report["strengths"] = trained.model.strengths.tolist()
    return NeuralFit(TrainedHands(trained, mesh), report)


def _part(trained: Trained) -> dict[str, Any]:
    return {
        "model": {name: x.detach().cpu() for name, x in trained.model.state_dict().items()},
        "exposure": {name: x.detach().cpu() for name, x in trained.exposure.state_dict().items()},
        "history": trained.history,
        "stopped": trained.stopped,
    }
