"""The neural renderer as a file: its weights, its mesh, and the reconstruction it belongs to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models.appearance.light import LOBES
from models.appearance.model import Appearance
from models.ham.reconstruction import Reconstruction
from models.neural.exposure import Exposure
from models.neural.inputs import checked_shape
from models.neural.mesh import NeuralMesh
from models.neural.renderer import NET_TYPES, NeuralRenderer
from models.neural.training import Trained
from utils.errors import UserError
from utils.geometry.mesh import mesh_name
from utils.io.checks import FileCheck, Shape
from utils.io.described import described
from utils.io.files import load_torch, save_torch

FORMAT = 1
KEYS = {"format", "mesh", "hand_models", "net_type", "shape", "model", "exposure", "surface"}


@dataclass(frozen=True)
class TrainedHands:
    """A trained renderer and the mesh that it draws, in the hand units of its reconstruction."""

    trained: Trained
    mesh: NeuralMesh


def hand_models(reconstruction: Reconstruction) -> list[str]:
    """Side and kind of every hand, such as 'left open'."""
    return [f"{hand['type']} {hand['hand_model']}" for hand in reconstruction.hands]


def checkpoint_path(folder: Path, net_type: str, scan_id: str) -> Path:
    """Where the checkpoint of a scan's results folder is."""
    return folder / "checkpoints" / f"{net_type}_{scan_id}.pth"


def save_checkpoint(
    path: Path, hands: TrainedHands, reconstruction: Reconstruction, facts: dict[str, Any]
) -> None:
    """Write everything that drawing needs; loads with `weights_only=True`."""
    model, light = hands.trained.model, hands.mesh.appearance
    optional = {"lobes": light.lobes, "cap_albedo": hands.mesh.cap_albedo}
    save_torch(
        path,
        {
            "format": FORMAT,
            "mesh": mesh_name(reconstruction.verts, reconstruction.faces),
            "hand_models": hand_models(reconstruction),
            "net_type": model.net_type,
            "shape": {**asdict(model.shape), "inputs": list(model.shape.inputs)},
            "model": _on_cpu(model.state_dict()),
            "exposure": _on_cpu(hands.trained.exposure.state_dict()),
            "surface": _on_cpu(
                {
                    "verts": hands.mesh.verts,
                    "albedo": light.albedo,
                    "sh_coeff": light.sh_coeff,
                    "gain": light.gain,
                    **{name: value for name, value in optional.items() if value is not None},
                }
            ),
            "facts": facts,
        },
    )


def load_checkpoint(
    path: Path, net_type: str, reconstruction: Reconstruction, device: str = "cpu"
) -> TrainedHands:
    """Read what `save_checkpoint` wrote.

    Raises UserError where nothing was trained yet, and where the file is foreign, of another
    network type, hand model or mesh than the reconstruction's.
    """
    data = load_torch(path, f"nothing trained yet; run neural_render.py --net_type {net_type}")
    check = FileCheck(path, f"train again: neural_render.py --net_type {net_type} --overwrite")
    if not isinstance(data, dict) or KEYS - set(data) or data["format"] != FORMAT:
        raise UserError(f"{path} is no checkpoint of neural_render.py; {check.remedy}")
    _check_belongs(check, data, net_type, reconstruction)
    model = NeuralRenderer(net_type, checked_shape(check, data["shape"]), len(reconstruction.verts))
    model.load_state_dict(
        check.tensors(data["model"], "model (does not fit its own network)", model.state_dict())
    )
    offset = check.mapping(data["exposure"], "exposure", ("offset",))["offset"]
    exposure = Exposure(len(check.tensor(offset, "exposure, offset", ("photos", 3))))
    exposure.load_state_dict(check.tensors(data["exposure"], "exposure", exposure.state_dict()))
    mesh = _checked_mesh(check, data["surface"], reconstruction.faces, device)
    return TrainedHands(Trained(model.to(device), exposure.to(device)), mesh)


def _checked_mesh(check: FileCheck, kept: Any, faces: np.ndarray, device: str) -> NeuralMesh:
    """The mesh that is drawn and how it looks, from a checkpoint's `surface`."""
    shapes: dict[str, Shape] = {
        "verts": ("V", 3),
        "albedo": ("V", 3),
        "sh_coeff": ("views", "harmonics"),
        "gain": ("views", 3),
    }
    check.mapping(kept, "surface", shapes)
    optional = {"lobes": (LOBES, 3), "cap_albedo": ("caps", 3)}
    shapes |= {name: shape for name, shape in optional.items() if name in kept}
    surface = {
        name: check.tensor(kept[name], f"surface, {name}", shape).to(device)
        for name, shape in shapes.items()
    }
    if len(surface["verts"]) <= faces.max():
        raise check.error(f"surface has {len(surface['verts'])} vertices, the mesh has more")
    appearance = Appearance(
        albedo=surface["albedo"],
        sh_coeff=surface["sh_coeff"],
        gain=surface["gain"],
        lobes=surface.get("lobes"),
    )
    return NeuralMesh(surface["verts"], faces, appearance, cap_albedo=surface.get("cap_albedo"))


def _check_belongs(
    check: FileCheck, data: dict[str, Any], net_type: str, reconstruction: Reconstruction
) -> None:
    path, found = check.path, check.choice(data["net_type"], "net_type", NET_TYPES)
    if found != net_type:
        raise UserError(
            f"{path} holds a network of type {found}, expected {net_type}; "
            f"pass --net_type {found} or train again"
        )
    own, kept = hand_models(reconstruction), data["hand_models"]
    if kept != own:
        plain = isinstance(kept, list) and all(isinstance(each, str) for each in kept)
        raise UserError(
            f"{path} was trained for the hand models "
            f"{', '.join(kept) if plain else described(kept)}, the reconstruction has "
            f"{', '.join(own)}; train again"
        )
    name = mesh_name(reconstruction.verts, reconstruction.faces)
    if data["mesh"] != name:
        raise UserError(
            f"{path} belongs to another mesh ({described(data['mesh'])}, this one is {name!r}); "
            "train again"
        )


def reposed(hands: TrainedHands, verts: Tensor) -> TrainedHands:
    """The same hands with vertices (V, 3) elsewhere; features and albedo stay on the skin."""
    skin = hands.mesh.verts if hands.mesh.skin is None else hands.mesh.skin
    return replace(hands, mesh=replace(hands.mesh, verts=verts, skin=skin))


def _on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in tensors.items()}
