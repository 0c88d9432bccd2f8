"""Reconstructions of made-up hands whose scores are known, as mesh_sfs_optim.py leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import evaluate
from tests.scenes.ham import HamScene
from utils.cameras import Similarity
from utils.io.files import load_json, save_torch

VIEWS = 3
FRAME = Similarity(0.1, torch.tensor([0.02, -0.01, 0.03], dtype=torch.float64))


def write_reconstruction(
    folder: Path, scene: HamScene, verts: Tensor | None = None, unit: float = 1.0
) -> None:
    """Write `folder`/1.pt of verts (V, 3) metres, by default the scene's true surface.

    `unit` is the number of world units in a metre.
    """
    verts = scene.true if verts is None else verts
    frame = Similarity(FRAME.scale * unit, FRAME.offset * unit)
    cameras = scene.cameras.normalised(Similarity(1 / unit, torch.zeros(3))).normalised(frame)
    hands = [
        hand | {"scale": hand["scale"] * unit, "trans": hand["trans"] * unit}
        for hand in scene.parameters
    ]
    save_torch(
        folder / "1.pt",
        {
            "albedo": scene.appearance.albedo,
            "sh_coeff": scene.appearance.sh_coeff,
            "gain": scene.appearance.gain,
            "lobes": None,
            "verts": verts.double() * unit,
            "faces": torch.from_numpy(scene.faces),
            "subdivisions": 0,
            "hands": hands,
            "world_from_hand_units": [frame.scale, *frame.offset.tolist()],
            "cameras": {"K": cameras.K, "R": cameras.R, "t": cameras.t, "sizes": cameras.sizes},
        },
    )


def run(folders: tuple[Path, Path], *more: object) -> int:
    """evaluate.py on D, O = folders; its exit status."""
    data, out = map(str, folders)
    return evaluate.main(
        ["--data_path", data, "--out_path", out, "--device", "cpu", *map(str, more)]
    )


def results(folders: tuple[Path, Path], name: str = "fitted") -> Path:
    """Where the results of that name are."""
    return folders[1] / "demo_sfs" / "1" / "eval" / name


def metrics_of(folders: tuple[Path, Path], *more: object, name: str = "fitted") -> dict[str, Any]:
    """metrics.json of a run that must succeed."""
    assert run(folders, *more) == 0
    return load_json(results(folders, name) / "metrics.json")
