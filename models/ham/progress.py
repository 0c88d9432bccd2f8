"""What an interrupted HAM keeps, and goes on from."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.appearance.model import Appearance
from models.ham.mending import Soundness
from models.ham.state import HamState, LevelReport
from utils.errors import UserError
from utils.io.files import load_torch, save_torch


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
