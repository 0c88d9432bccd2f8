"""Fitted hands in world coordinates: their parameters, their mesh, and the files S.pt and S.obj.

`FittedHand` is one hand as parameters; `HandsMesh` is what mano_out or gcn_out holds of a scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.hand.files import KINDS
from models.hand.kinematics import LAYOUT, SIZE
from models.hand.model import HandModel, load_hand_model
from utils.cameras import Similarity
from utils.errors import UserError
from utils.io.checks import FileCheck
from utils.io.described import described
from utils.io.files import load_torch
from utils.io.meshes import load_mesh
from utils.keypoints import SIDES

SHAPES = {"pose": (1, 48), "shape": (1, 10), "trans": (1, 3), "scale": (1,)}  # in S.pt, of a hand
# What none of them is beyond: radians, standard deviations, world units.
LARGEST = {"pose": 100, "shape": 100, "trans": 1e15, "scale": 1e15}
NAMES = tuple(SHAPES)
KEYS = ("type", *NAMES, "hand_model")
FAR_OFF = 10  # median distances from a hand's middle: no vertex of a hand is that far


@dataclass(frozen=True)
class FittedHand:
    """One hand's parameters, float64, shaped as in mano_out/S.pt."""

    model: HandModel
    pose: Tensor  # (1, 48) axis-angle, 3 global and 45 relative to hands_mean
    shape: Tensor  # (1, 10)
    trans: Tensor  # (1, 3) world units
    scale: Tensor  # (1,) world units per metre of the model

    @staticmethod
    def of(model: HandModel, x: Tensor, world_from_fit: Similarity) -> FittedHand:
        """From a fit's unknowns x (62,), whose frame is `world_from_fit` away."""
        scale = x[LAYOUT["scale"]].exp() * world_from_fit.scale
        trans = world_from_fit.apply(x[LAYOUT["trans"]])
        pose = torch.cat([x[LAYOUT["rotation"]], x[LAYOUT["pose"]]])
        return FittedHand(model, pose[None], x[LAYOUT["shape"]][None], trans[None], scale)

    def unknowns(self, world_from_fit: Similarity) -> Tensor:
        """A fit's unknowns x (62,), the inverse of `of`."""
        x = self.pose.new_zeros(SIZE)
        x[LAYOUT["trans"]] = world_from_fit.inverse().apply(self.trans[0])
        x[LAYOUT["rotation"]], x[LAYOUT["pose"]] = self.pose[0, :3], self.pose[0, 3:]
        x[LAYOUT["shape"]] = self.shape[0]
        x[LAYOUT["scale"]] = (self.scale / world_from_fit.scale).log()
        return x

    @staticmethod
    def of_dict(hand: Mapping[str, Any], model: HandModel | None = None) -> FittedHand:
        """From what S.pt holds of a hand, the inverse of `as_dict`; `model` if it is loaded."""
        if model is None:
            model = load_hand_model(hand["type"], hand["hand_model"], dtype=torch.float64)
        pose, shape, trans = (hand[name].double().reshape(1, -1) for name in NAMES[:3])
        return FittedHand(model, pose, shape, trans, hand["scale"].double().reshape(1))

    @property
    def side(self) -> str:
        """'left' or 'right'."""
        return self.model.side

    def verts(self) -> Tensor:
        """Vertices (V, 3), world units."""
        with torch.no_grad():
            return self.model(self.pose, self.shape, self.trans, self.scale)[0][0]

    def keypoints(self) -> Tensor:
        """Keypoints (21, 3) in MediaPipe's order, world units."""
        with torch.no_grad():
            return self.model.joints_and_tips(self.pose, self.shape, self.trans, self.scale)[0]

    def unposed(self, verts: Tensor, subdivisions: int) -> Tensor:
        """Vertices (V', 3), world units, of the subdivided mesh in the rest pose, metres."""
        finer = self.model.subdivide(subdivisions)
        weights = finer.carry(self.model.weights)
        offsets = finer.carry(self.model.pose_offsets(self.pose))
        return self.model.unpose(
            verts[None], self.pose, self.shape, self.trans, self.scale, weights, offsets
        )[0]

    def as_dict(self) -> dict[str, Any]:
        """What S.pt holds of a hand: plain values, and tensors in float32.

        The place is float64: worlds may lie millions of units from their origin.
        """
        tensors = {name: getattr(self, name).float() for name in NAMES}
        tensors["trans"] = self.trans.double()
        return {
            "type": self.side,
            **tensors,
            "hand_model": self.model.kind,
            "flat_hand_mean": False,
        }


def hand_slices(verts: int, hands: int) -> list[slice]:
    """The vertices of each hand of a mesh of `verts` in all; all hands have the same number."""
    size = verts // hands
    return [slice(k * size, (k + 1) * size) for k in range(hands)]


def joined_mesh(hands: Sequence[FittedHand]) -> tuple[np.ndarray, np.ndarray]:
    """One mesh of all hands in their order: vertices (V, 3) float64 and faces (F, 3) int64."""
    verts = [hand.verts().numpy() for hand in hands]
    first = np.cumsum([0, *map(len, verts)])
    faces = [hand.model.faces.cpu().numpy() + k for hand, k in zip(hands, first)]
    return np.concatenate(verts), np.concatenate(faces).astype(np.int64)


@dataclass(frozen=True)
class HandsMesh:
    """One mesh of one or two hands, left first, and the parameters of each.

    verts (V, 3) float64 world units, faces (F, 3); parameters: one dict a hand; folder and
    scan_id say where they came from.
    """

    verts: np.ndarray
    faces: np.ndarray
    parameters: list[dict[str, Any]]
    folder: Path
    scan_id: str

    def files(self) -> list[Path]:
        """The files that the hands were read from."""
        return [self.folder / f"{self.scan_id}{end}" for end in (".obj", ".pt", "_masks.json")]

    def __len__(self) -> int:
        return len(self.parameters)

    def slices(self) -> list[slice]:
        """The vertices of each hand; all hands have the same number."""
        return hand_slices(len(self.verts), len(self))


def load_hands(folder: Path, scan_id: str) -> HandsMesh:
    """Read `folder`/S.obj and S.pt.

    Raises UserError where one is missing (naming the stage to run), is foreign, or where the two
    do not belong together.
    """
    stage = {"gcn_out": "multihands_mano.py"}.get(folder.name, "mano_optim.py")
    hint, remedy = f"run {stage} on this scan first", f"run {stage} on this scan again"
    parameters_path, mesh_path = folder / f"{scan_id}.pt", folder / f"{scan_id}.obj"
    parameters = load_torch(parameters_path, hint)
    complete = isinstance(parameters, list) and len(parameters) in (1, 2)
    if not complete or any(not isinstance(p, dict) or set(KEYS) - set(p) for p in parameters):
        raise UserError(
            f"{parameters_path} holds no hand parameters; expected a list of one or two dicts with "
            f"{', '.join(KEYS)}; {hint}"
        )
    parameters = checked_hands(FileCheck(parameters_path, remedy), parameters)
    verts, faces = load_mesh(mesh_path, hint, remedy)
    if len(verts) % len(parameters):
        raise UserError(
            f"{mesh_path} has {len(verts)} vertices, which {parameters_path}'s "
            f"{len(parameters)} hands cannot share; {hint}"
        )
    hands = HandsMesh(verts, faces, parameters, folder, scan_id)
    check_near(FileCheck(mesh_path, remedy), verts, hands.slices())
    return hands


def check_near(check: FileCheck, verts: np.ndarray, slices: Sequence[slice]) -> None:
    """Raise UserError where a vertex of verts (V, 3) lies far off its hand."""
    for hand_slice in slices:
        offsets = verts[hand_slice] - np.median(verts[hand_slice], axis=0)
        distances = np.linalg.norm(offsets, axis=1)
        farthest = int(distances.argmax())
        if not distances[farthest] <= FAR_OFF * np.median(distances):
            number, place = hand_slice.start + farthest, verts[hand_slice][farthest]
            raise check.error(f"vertex {number + 1} lies far off its hand, at {place.tolist()}")


def checked_hands(check: FileCheck, hands: Any) -> list[dict[str, Any]]:
    """One or two hands as a file holds them, left first; raises UserError on anything else.

    Numbers come as in `SHAPES`, other entries as they are.
    """
    if not isinstance(hands, list) or len(hands) not in (1, 2):
        raise check.error(f"the hands are {described(hands)}, expected a list of one or two")
    checked = []
    for number, hand in enumerate(hands, 1):
        name = f"hand {number}"
        check.mapping(hand, name, KEYS)
        check.choice(hand["type"], f"{name}, type", SIDES)
        check.choice(hand["hand_model"], f"{name}, hand_model", [k for k in KINDS if k != "auto"])
        check.choice(hand.get("flat_hand_mean", False), f"{name}, flat_hand_mean", (False,))
        tensors = {}
        for key, shape in SHAPES.items():
            above = 0 if key == "scale" else -LARGEST[key]
            value = check.tensor(hand[key], f"{name}, {key}", shape, above=above, most=LARGEST[key])
            tensors[key] = value
        checked.append({**hand, **tensors})
    sides = [hand["type"] for hand in checked]
    if sides not in (["left"], ["right"], ["left", "right"]):
        raise check.error(f"its hands are {' and '.join(sides)}, expected left, right, or both so")
    return checked
