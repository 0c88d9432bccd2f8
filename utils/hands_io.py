"""Reads the fitted hands that mano_optim.py and multihands_mano.py leave: S.obj and S.pt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.files import load_mesh, load_torch

KEYS = ("type", "pose", "shape", "trans", "scale", "hand_model")


@dataclass(frozen=True)
class FittedHands:
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

    def parts(self) -> list[slice]:
        """The vertices of each hand; all hands have the same number."""
        size = len(self.verts) // len(self)
        return [slice(k * size, (k + 1) * size) for k in range(len(self))]


def load_hands(folder: Path, scan_id: str) -> FittedHands:
    """Read `folder`/S.obj and S.pt.

    Raises UserError where one is missing (naming the stage to run), is foreign, or where the two
    do not belong together.
    """
    stage = {"gcn_out": "multihands_mano.py"}.get(folder.name, "mano_optim.py")
    hint = f"run {stage} on this scan first"
    parameters_path, mesh_path = folder / f"{scan_id}.pt", folder / f"{scan_id}.obj"
    parameters = load_torch(parameters_path, hint)
    complete = isinstance(parameters, list) and len(parameters) in (1, 2)
    if not complete or any(not isinstance(p, dict) or set(KEYS) - set(p) for p in parameters):
        raise UserError(
            f"{parameters_path} holds no hand parameters; expected a list of one or two dicts with "
            f"{', '.join(KEYS)}; {hint}"
        )
    verts, faces = load_mesh(mesh_path, hint)
    if len(verts) == 0 or len(verts) % len(parameters):
        raise UserError(
            f"{mesh_path} has {len(verts)} vertices, which {parameters_path}'s "
            f"{len(parameters)} hands cannot share; {hint}"
        )
    return FittedHands(verts, faces, parameters, folder, scan_id)
