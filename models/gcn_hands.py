"""The graph network as a whole suite uses it: weights on disk, both sides, world coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.fitted_hand import FittedHand
from models.gcn import Canonical, HandGCN
from models.gcn_frame import PalmFrame
from models.gcn_posing import scale_and_origin
from models.hand_model import HandModel
from models.mesh_hierarchy import Level
from models.skinning import rotation_matrices
from utils.errors import UserError
from utils.files import load_torch, save_torch
from utils.keypoints import KEYPOINTS

WEIGHTS_DIR = Path(__file__).parent / "weights"
FORMAT = 1  # of the weights' files
SAME_TEMPLATE = 2e-3  # metres, mean: templates farther apart are other hand models
MIRROR = (-1.0, 1.0, 1.0)  # a left hand's points as a right hand's, and back
MIRROR_TURN = (1.0, -1.0, -1.0)  # the same of rotation vectors


@dataclass(frozen=True)
class NetworkHand:
    """What the network makes of one hand's keypoints, in world coordinates."""

    hand: FittedHand  # parameters; scale and place are those that fit the mesh best
    verts: Tensor  # (V, 3) float64: the network's own mesh


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


def predict(network: HandGCN, model: HandModel, points: np.ndarray) -> NetworkHand:
    """One hand from its keypoints (21, 3), world units, nan where not seen.

    `model` (float64) says the side; whether enough keypoints were seen is the caller's to know.
    """
    with torch.inference_mode():
        found = _predicted(network, model, points)
    verts, *numbers = (x.clone() for x in found)  # ordinary tensors again
    return NetworkHand(FittedHand(model, *numbers), verts)


def _predicted(network: HandGCN, model: HandModel, points: np.ndarray) -> tuple[Tensor, ...]:
    """Vertices (V, 3), pose (1, 48), shape (1, 10), trans (1, 3) and scale (1,), float64."""
    given = as_right(torch.from_numpy(np.nan_to_num(points)).double(), model)
    seen = torch.from_numpy(np.isfinite(points).all(1))
    # Worlds may be large and far off; float32 is enough beside the hand itself.
    centre, size = given[seen].mean(0), given[seen].std().clamp(min=1e-12)
    near = torch.where(seen[:, None], (given - centre) / size, 0.0).float()
    found, frame = network(near.reshape(1, KEYPOINTS, 3), seen[None])
    verts = frame.to_world(found.verts)[0].double() * size + centre
    verts = as_right(verts, model)  # the mirror is its own inverse
    pose, shape = _world_pose(found, frame), found.shape.double()
    if model.side == "left":
        pose = (pose.unflatten(1, (16, 3)) * torch.tensor(MIRROR_TURN)).flatten(1)
    posed, _ = model(pose, shape, torch.zeros(1, 3).double(), torch.ones(1).double())
    scale, trans = scale_and_origin(posed, verts[None])
    return verts, pose, shape, trans, scale


def as_right(points: Tensor, model: HandModel) -> Tensor:
    """Points (..., 3) of the model's side as a right hand's: mirrored if it is the left."""
    return points * points.new_tensor(MIRROR) if model.side == "left" else points


def _world_pose(found: Canonical, frame: PalmFrame) -> Tensor:
    """(B, 48) with the global rotation in the world."""
    from scipy.spatial.transform import Rotation

    turned = frame.rotation.double() @ rotation_matrices(found.pose[:, :3].double())
    turns = torch.from_numpy(Rotation.from_matrix(turned.numpy()).as_rotvec())
    return torch.cat([turns, found.pose[:, 3:].double()], 1)
