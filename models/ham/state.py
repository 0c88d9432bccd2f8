"""What HAM works on and hands on: the meshes of its levels, and the levels' reports."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from models.appearance.model import Appearance
from models.ham.mending import Soundness, mend
from models.hand import load_hand_model
from models.hand.fitted import HandsMesh
from models.hand.model import announce
from utils.cameras import Similarity
from utils.cameras.correction import SIZE as CORRECTION_SIZE
from utils.errors import UserError
from utils.geometry.mesh import edges_of
from utils.geometry.subdivision import Subdivision, subdivide
from utils.stage.config import Config

if TYPE_CHECKING:
    from utils.captures import Capture


TENSORS = ("verts", "reference", "correction")  # of a HamState


@dataclass
class HamState:
    """The mesh at one level, in hand units (one hand's bounding sphere has radius 1).

    verts (V, 3) float32 and the same vertices of the parametric hand, `reference` (V, 3), from
    which displacement counts; faces (F, 3); hands of equal vertex counts, one after another;
    subdivisions of the hand model's mesh so far; correction (views, 6) of the cameras, as in
    `utils.cameras.correction`, free where corrects_cameras; appearance in the fitted views, None
    before the first level; history holds the terms of every step. The last level's is what stage 2
    of the neural renderer starts from.
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
        levels, _ = subdivided_size(len(self.verts), self.faces, least)
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

    def in_order(self, order: np.ndarray) -> HamState:
        """The same mesh with its vertices in another order (V,), and its faces by their first."""
        faces = np.argsort(order)[self.faces]
        rows, appearance = torch.from_numpy(order).to(self.verts.device), self.appearance
        if appearance is not None:
            appearance = replace(appearance, albedo=appearance.albedo[rows])
        return replace(
            self,
            verts=self.verts[rows],
            reference=self.reference[rows],
            faces=faces[np.argsort(faces.min(1), kind="stable")],
            appearance=appearance,
        )

    def as_dict(self) -> dict[str, Any]:
        """Tensors, on the CPU, and plain values, for a file."""
        tensors = {name: getattr(self, name).cpu() for name in TENSORS}
        return {
            **vars(self),
            **tensors,
            "faces": torch.from_numpy(self.faces),
            "appearance": None if self.appearance is None else self.appearance.as_dict(),
        }

    @staticmethod
    def from_dict(kept: dict[str, Any], device: torch.device | str) -> HamState:
        """The inverse of `as_dict`, on any device."""
        tensors = {name: kept[name].to(device) for name in TENSORS}
        appearance = kept["appearance"]
        if appearance is not None:
            appearance = Appearance(**appearance).to(device)
        return HamState(
            **{**kept, **tensors, "faces": kept["faces"].numpy(), "appearance": appearance}
        )

    def _subdivision(self, levels: int) -> Subdivision:
        """Hands stay one after another, each in the order that it has when subdivided alone."""
        finer = subdivide(self.faces, len(self.verts), levels)
        hand = np.arange(len(self.verts)) * self.hands // len(self.verts)
        order = np.argsort(finer.carry_labels(hand), kind="stable")
        return replace(finer, matrix=finer.matrix[order], faces=np.argsort(order)[finer.faces])


def subdivided_size(verts: int, faces: np.ndarray, least: int) -> tuple[int, int]:
    """How often a mesh (verts vertices, faces (F, 3)) is subdivided until it has at least `least`
    vertices, and how many it then has.
    """
    levels, edges, count = 0, len(edges_of(faces)), len(faces)
    while verts < least:  # every edge gets a vertex, every face becomes four
        levels, verts = levels + 1, verts + edges
        edges, count = 2 * edges + 3 * count, 4 * count
    return levels, verts


def start_state(
    hands: HandsMesh, views: int, corrects_cameras: bool, device: str
) -> tuple[HamState, Similarity]:
    """The fitted hands in hand units, and world_from_hand_units."""
    frame = hand_frame(hands)
    verts = frame.inverse().apply(torch.from_numpy(hands.verts)).to(device, torch.float32)
    still = torch.zeros(views, CORRECTION_SIZE, device=device)
    return HamState(verts, verts, hands.faces, still, corrects_cameras, len(hands)), frame


def hand_frame(hands: HandsMesh) -> Similarity:
    """world_from_hand_units: about the middle of all hands, the largest one's radius is 1."""
    radius = max(hand_radius(hands.verts[hand_slice]) for hand_slice in hands.slices())
    centre = (hands.verts.min(0) + hands.verts.max(0)) / 2
    return Similarity(radius, torch.from_numpy(centre))


def check_hands(hands: HandsMesh) -> None:
    """Say which hand models the parameters name; UserError where the mesh is not theirs."""
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
    announce(models)


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

    @staticmethod
    def from_dict(kept: dict[str, Any]) -> LevelReport:
        """The inverse of `dataclasses.asdict`."""
        return LevelReport(**{**kept, "soundness": Soundness(**kept["soundness"])})

    def summary(self) -> str:
        """One line for the terminal."""
        facts = [f"{self.vertices} vertices", f"{self.steps} steps"]
        for name in ("sfs", "mask"):
            if name in self.last:
                facts.append(f"{name} {self.first[name]:.4f} -> {self.last[name]:.4f}")
        s = self.soundness
        facts.append(f"bad faces {s.start} at the start, {s.found} found, {s.left} left")
        return ", ".join(facts)


def corrects_cameras(capture: Capture, config: Config) -> bool:
    """Whether HAM may move cameras: `auto` where the stage before found that they need it."""
    if config.refine_cameras not in ("auto", "on", "off"):
        raise UserError(f"refine_cameras = {config.refine_cameras}: expected auto, on or off")
    if config.refine_cameras == "auto":
        return capture.cameras_corrected
    return config.refine_cameras == "on"


def mend_state(state: HamState) -> tuple[HamState, Soundness]:
    """The state after `mend` against its parametric hand, and what that found."""
    verts, soundness = mend(
        state.verts.cpu().double().numpy(), state.reference.cpu().double().numpy(), state.faces
    )
    if soundness.found == 0:
        return state, soundness
    return replace(state, verts=torch.from_numpy(verts).to(state.verts)), soundness


def hand_radius(verts: np.ndarray) -> float:
    """Radius of the bounding sphere about the middle of a hand's box, in the unit of `verts`."""
    centre = (verts.min(0) + verts.max(0)) / 2
    return float(np.linalg.norm(verts - centre, axis=1).max())
