"""The graph network as a whole suite uses it: weights on disk, both sides, world coordinates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.gcn.hierarchy import Level
from models.gcn.network import HandGCN
from models.hand import HandModel
from utils.errors import UserError
from utils.io.checks import FileCheck
from utils.io.described import described
from utils.io.files import load_torch, save_torch
from utils.paths import ROOT

WEIGHTS_DIR = ROOT / "models" / "weights"
FORMAT = 1  # of the weights' files
KEYS = ("hand_model", "template", "settings", "levels", "state")
SETTINGS = ("blocks", "order", "code")  # whole numbers, beside the list of channels
MOST = 4096  # of any setting: what is beyond is damaged
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
    check = FileCheck(path, again)
    check.mapping(content, "the file", KEYS)
    kind, own = content["hand_model"], model.v_template.detach().float().cpu()
    template = check.tensor(content["template"], "template", ("V", 3)).float()
    same = template.shape == own.shape
    if not same or float((template - own).norm(dim=1).mean()) > SAME_TEMPLATE:
        raise UserError(
            f"{path} was trained for another hand model ({described(kind)}, "
            f"{len(template)} vertices; this one is '{model.kind}' with {len(own)}); {again}"
        )
    levels = _checked_levels(check, content["levels"])
    network = HandGCN(model, levels, _checked_settings(check, content["settings"], len(levels)))
    parameters = dict(network.named_parameters())
    state = check.tensors(content["state"], "state", parameters)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state[name])
    return network.eval()


def _checked_levels(check: FileCheck, kept: Any) -> list[Level]:
    """The mesh hierarchy of a file, finest first."""
    if not isinstance(kept, list | tuple) or len(kept) < 2:
        raise check.error(f"levels is {described(kept)}, expected a list of meshes")
    levels: list[Level] = []
    for number, each in enumerate(kept):
        name = f"level {number}"
        if not isinstance(each, list | tuple) or len(each) != 2:
            raise check.error(f"{name} is {described(each)}, expected vertices and faces")
        ids = check.tensor(each[0], name, (f"V{number}",), "int", 0, most=check.sizes["V"] - 1)
        shape, last = (f"F{number}", 3), len(ids) - 1
        faces = check.tensor(each[1], f"{name}, faces", shape, "int", 0, most=last)
        finer = np.arange(check.sizes["V"]) if number == 0 else levels[-1].ids
        if len(ids) < 4 or not np.isin(ids, finer).all() or (ids.diff() <= 0).any():
            raise check.error(f"{name} keeps something else than some vertices of the one before")
        levels.append(Level(ids.long().numpy(), faces.long().numpy()))
    return levels


def _checked_settings(check: FileCheck, kept: Any, levels: int) -> dict[str, Any]:
    """The network's settings in a file."""
    check.mapping(kept, "settings", ("channels", *SETTINGS))
    channels = check.numbers(kept["channels"], "settings, channels", levels)
    return {
        "channels": [check.whole(int(n), "settings, channels", 1, MOST) for n in channels],
        **{name: check.whole(kept[name], f"settings, {name}", 1, MOST) for name in SETTINGS},
    }
