"""A hand model of few vertices, made from the open one: fast, and of another topology."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch

from models.hand import HandModel
from models.hand.files import HandData, load_hand_data
from utils.geometry.decimation import decimate

SETTINGS = {  # as the config's section `gcn`, for a network that trains in seconds
    "levels": [90, 40, 16],
    "channels": [8, 8, 16, 16],
    "blocks": 1,
    "order": 2,
    "code": 48,
    "steps": 60,
    "batch": 16,
    "fine": 8,
    "lr": 0.003,
    "ema": 0.9,
    "poses": {"prior": 1.0},
    "faults": {"noise": 3.0, "gross": 0.1, "gross_size": 50.0, "missing": 0.2, "clean": 0.3},
    "weights": {
        **{"verts": 1.0, "middle": 1.0, "keypoints": 0.5, "posed": 0.5, "consistency": 0.3},
        **{"first": 0.2, "edges": 1.0, "normals": 0.1, "pose": 0.8, "shape": 0.02},
    },
}


def small_hand(
    side: str = "right", vertices: int = 200, dtype: torch.dtype = torch.float32
) -> HandModel:
    """The open hand decimated to `vertices`."""
    return HandModel(small_data(side, vertices), dtype)


@cache
def small_data(side: str, vertices: int) -> HandData:
    """Its arrays; the joints of any shape are where the open hand has them."""
    full = load_hand_data(side, "open")
    ids, faces = decimate(full.v_template, full.f, [vertices])[0]
    template, shapedirs = full.v_template[ids], full.shapedirs[ids]
    known = np.concatenate([template, np.ones((len(ids), 1)), shapedirs.reshape(len(ids), -1)], 1)
    wanted = np.concatenate(
        [
            full.J_regressor @ full.v_template,
            np.ones((16, 1)),
            np.einsum("jv,vck->jck", full.J_regressor, full.shapedirs).reshape(16, -1),
        ],
        1,
    )
    regressor = np.linalg.lstsq(known.T, wanted.T, rcond=None)[0].T
    tips = [np.linalg.norm(template - full.v_template[tip], axis=1).argmin() for tip in full.tips]
    return HandData(
        path=Path("small_hand.npz"),
        kind="open",
        side=side,
        v_template=template,
        f=faces,
        shapedirs=shapedirs,
        posedirs=full.posedirs[ids],
        J_regressor=regressor,
        weights=full.weights[ids],
        kintree_table=full.kintree_table,
        hands_components=full.hands_components,
        hands_mean=full.hands_mean,
        hands_std=full.hands_std,
        hands_limits=full.hands_limits,
        tips=np.array(tips),
    )
