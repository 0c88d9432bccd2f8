"""What HAM works on and hands on: the meshes of its levels, their reports, and resumption."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.appearance import Appearance
from models.hand_model import load_hand_model
from models.mending import Soundness
from models.subdivision import Subdivision, subdivide
from utils.camera_correction import SIZE as CORRECTION_SIZE
from utils.camera_correction import Views
from utils.cameras import Cameras, Similarity
from utils.errors import UserError
from utils.files import load_torch, save_torch
from utils.hands_io import FittedHands
from utils.losses import hand_radius
from utils.masks import MaskVerdict
from utils.mesh import edges_of
from utils.photos import ViewCrop


@dataclass
class HamState:
    """The mesh at one level, in hand units (one hand's bounding sphere has radius 1).

    verts (V, 3) float32 and the same vertices of the parametric hand, `reference` (V, 3), from
    which displacement counts; faces (F, 3); hands of equal vertex counts, one after another;
    subdivisions of the hand model's mesh so far; correction (views, 6) of the cameras, as in
    `utils.camera_correction`, free where corrects_cameras; history holds the terms of every step.
    """

    verts: Tensor
    reference: Tensor
    faces: np.ndarray
    correction: Tensor
    corrects_cameras: bool = False
    hands: int = 1
    subdivisions: int = 0
    appearance: Appearance | None = None
    history: list[dict[str, float]] = field(default_factory=list)

    def subdivided(self, least: int) -> HamState:
        """The state on a mesh of at least `least` vertices; itself where it has them already."""
        levels, count = 0, len(self.verts)
        edges, faces = len(edges_of(self.faces)), len(self.faces)
        while count < least:  # every edge gets a vertex, every face becomes four
            levels, count = levels + 1, count + edges
            edges, faces = 2 * edges + 3 * faces, 4 * faces
        if levels == 0:
            return self
        finer = self._subdivision(levels)
        appearance = self.appearance
        if appearance is not None:
            appearance = replace(appearance, albedo=finer.carry(appearance.albedo))
        return replace(
            self,
            verts=finer.carry(self.verts),
            reference=finer.carry(self.reference),
            faces=finer.faces,
            subdivisions=self.subdivisions + levels,
            appearance=appearance,
        )

    def _subdivision(self, levels: int) -> Subdivision:
        """Hands stay one after another, each in the order that it has when subdivided alone."""
        finer = subdivide(self.faces, len(self.verts), levels)
        hand = np.arange(len(self.verts)) * self.hands // len(self.verts)
        order = np.argsort(finer.carry_labels(hand), kind="stable")
        return replace(finer, matrix=finer.matrix[order], faces=np.argsort(order)[finer.faces])


def start_state(
    hands: FittedHands, views: int, corrects_cameras: bool, device: str
) -> tuple[HamState, Similarity]:
    """The fitted hands in hand units, and world_from_hand_units."""
    radius = max(hand_radius(hands.verts[part]) for part in hands.parts())
    centre = (hands.verts.min(0) + hands.verts.max(0)) / 2
    frame = Similarity(radius, torch.from_numpy(centre))
    verts = frame.inverse().apply(torch.from_numpy(hands.verts)).to(device, torch.float32)
    still = torch.zeros(views, CORRECTION_SIZE, device=device)
    return HamState(verts, verts, hands.faces, still, corrects_cameras, len(hands)), frame


def check_hands(hands: FittedHands) -> None:
    """Raise UserError where the mesh is not that of the hand models named in the parameters."""
    models = [load_hand_model(hand["type"], hand["hand_model"]) for hand in hands.parameters]
    first = np.cumsum([0] + [len(model.v_template) for model in models])
    faces = [model.faces.numpy() + k for k, model in zip(first, models)]
    if len(hands.verts) != first[-1] or not np.array_equal(hands.faces, np.concatenate(faces)):
        mesh, parameters, _ = hands.files()
        names = " and ".join(f"{model.side} {model.kind}" for model in models)
        raise UserError(
            f"{mesh} ({len(hands.verts)} vertices) is not the mesh of the {names} hand of "
            f"{parameters} ({first[-1]} vertices); run the stage that wrote them again"
        )


@dataclass(frozen=True)
class LevelReport:
    """What one level did: its size, its steps, its terms at both ends, and the mesh it left."""

    vertices: int
    steps: int
    first: dict[str, float]
    last: dict[str, float]
    soundness: Soundness

    @staticmethod
    def of(state: HamState, soundness: Soundness, first_step: int) -> LevelReport:
        """The report of the level whose history starts at `first_step`."""
        own = state.history[first_step:]
        return LevelReport(
            len(state.verts),
            len(own),
            own[0] if own else {},
            own[-1] if own else {},
            soundness,
        )

    def summary(self) -> str:
        """One line for the terminal."""
        parts = [f"{self.vertices} vertices", f"{self.steps} steps"]
        for name in ("sfs", "mask"):
            if name in self.last:
                parts.append(f"{name} {self.first[name]:.4f} -> {self.last[name]:.4f}")
        s = self.soundness
        parts.append(f"bad faces {s.start} at the start, {s.found} found, {s.left} left")
        return ", ".join(parts)


@dataclass
class HamResult:
    """The refined hands: final state, world_from_hand_units and the evidence.

    given_cameras are those of the full photos in hand units, before HAM's own corrections.
    """

    state: HamState
    frame: Similarity
    given_cameras: Cameras
    crops: list[ViewCrop]
    verdicts: list[MaskVerdict]
    reports: list[LevelReport]

    @property
    def cameras(self) -> Cameras:
        """The full photos' cameras in hand units, corrected."""
        return self._views().corrected(self.state.correction.cpu().double())

    def camera_shift_px(self) -> list[float]:
        """How far HAM moved the hands in each photo, pixels."""
        return self._views().shift_px(self.state.correction.cpu().double()).tolist()

    def _views(self) -> Views:
        return Views(self.given_cameras, torch.zeros(3, dtype=torch.float64))

    def verts_world(self) -> np.ndarray:
        """Refined vertices (V, 3) float64, world units."""
        return self.frame.apply(self.state.verts.cpu().double()).numpy()

    def reference_world(self) -> np.ndarray:
        """The parametric hand's vertices (V, 3) on the same mesh, world units."""
        return self.frame.apply(self.state.reference.cpu().double()).numpy()


class HamProgress:
    """Keeps the state after each level in a file, from which an interrupted run goes on.

    path None keeps nothing. `made_with` (plain data) must be equal for a file to be used.
    """

    def __init__(self, path: Path | None = None, made_with: Any = None):
        self.path, self.made_with = path, made_with

    def resume(self, state: HamState) -> tuple[HamState, list[LevelReport]]:
        """The kept state and reports where they fit, `state` and no reports otherwise."""
        if self.path is None or not self.path.is_file():
            return state, []
        try:
            kept = load_torch(self.path)
        except UserError:
            return state, []
        if not isinstance(kept, dict) or "made_with" not in kept:
            return state, []
        same_start = torch.equal(kept["start"], state.verts.cpu())
        if kept["made_with"] != self.made_with or not same_start:
            return state, []
        device = state.verts.device
        tensors = {k: kept[k].to(device) for k in ("verts", "reference", "correction")}
        resumed = replace(
            state,
            **tensors,
            faces=kept["faces"].numpy(),
            subdivisions=kept["subdivisions"],
            appearance=Appearance(**kept["appearance"]).to(device),
            history=kept["history"],
        )
        reports = [
            LevelReport(**{**report, "soundness": Soundness(**report["soundness"])})
            for report in kept["reports"]
        ]
        print(f"going on after level {len(reports)} of an interrupted run")
        return resumed, reports

    def save(self, start: Tensor, state: HamState, reports: list[LevelReport]) -> None:
        """Keep `state`; `start` (V, 3) are the vertices that the first level started from."""
        if self.path is None or state.appearance is None:
            return
        kept = {
            "made_with": self.made_with,
            "start": start.cpu(),
            "verts": state.verts.cpu(),
            "reference": state.reference.cpu(),
            "correction": state.correction.cpu(),
            "faces": torch.from_numpy(state.faces),
            "subdivisions": state.subdivisions,
            "appearance": state.appearance.as_dict(),
            "history": state.history,
            "reports": [asdict(report) for report in reports],
        }
        save_torch(self.path, kept)

    def forget(self) -> None:
        """Remove the kept state: the run is complete."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
