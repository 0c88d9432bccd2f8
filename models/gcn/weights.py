"""The graph network as a whole suite uses it: weights on disk, both sides, world coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.gcn.hierarchy import Level
from models.gcn.network import HandGCN
from models.hand import HandModel
from utils.errors import UserError
from utils.io.files import load_torch, save_torch
from utils.paths import ROOT

WEIGHTS_DIR = ROOT / "models" / "weights"
FORMAT = 1  # of the weights' files
SAME_TEMPLATE = 2e-3  # metres, mean: templates farther apart are other hand models
MIRROR = (-1.0, 1.0, 1.0)  # a left hand's points as a right hand's, and back
MIRROR_TURN = (1.0, -1.0, -1.0)  # the same of rotation vectors


def weights_path(kind: str) -> Path:
    """Where the weights for a kind of hand model ('open' or 'mano') are looked for."""
    return WEIGHTS_DIR / f"gcn_{kind}.pt"


def save_network(path: str | Path, network: HandGCN, model: HandModel, facts: Any = None) -> None:
    """Write weights, mesh hierarchy and what tells the hand model; loads with weights_only=True.

    Weights are kept in half precision: their rounding moves vertices by some hundredths of a
    millimetre.
    """
    levels = [tuple(map(torch.from_numpy, (level.ids, level.faces))) for level in network.levels]
    content = {
        "format": FORMAT,
        "hand_model": model.kind,
        "template": model.v_template.detach().float().cpu(),
        "settings": dict(network.settings),
        "levels": levels,
        "state": {name: x.detach().half().cpu() for name, x in network.named_parameters()},
        "facts": facts,
    }
    save_torch(path, content)


def load_network(model: HandModel, path: str | Path | None = None) -> HandGCN:
    """The trained network for a right-hand model, on the CPU, ready to use.

    `path` defaults to `weights_path(model.kind)`. Raises UserError where the file is missing, is
    something else, or was trained for another hand model.
    """
    path = Path(path or weights_path(model.kind))
    again = f"train it with: python train_gcn.py --set hand_model={model.kind}"
    content = load_torch(path, f"{again} (and copy the result there)")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} holds no weights of the graph network; {again}")
    template, own = content["template"], model.v_template.detach().float().cpu()
    same = template.shape == own.shape
    if not same or float((template - own).norm(dim=1).mean()) > SAME_TEMPLATE:
        raise UserError(
            f"{path} was trained for another hand model ('{content['hand_model']}', "
            f"{len(template)} vertices; this one is '{model.kind}' with {len(own)}); {again}"
        )
    levels = [Level(ids.numpy(), faces.numpy()) for ids, faces in content["levels"]]
    network = HandGCN(model, levels, content["settings"])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(content["state"][name])
    return network.eval()
