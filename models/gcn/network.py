"""The graph network: 21 keypoints of a hand -> its mesh and the hand model's 48 + 10 parameters.

Keypoints are brought into the palm's frame (`models.gcn.frame`) and encoded; a first guess of the
parameters is posed, and what it misses the keypoints by mends the code (as in Kanazawa et al. 2018,
section 3.2, once). The code is spread over the coarsest mesh of a hierarchy and refined by
Chebyshev graph convolutions while the mesh is up-sampled level by level (the paper, section 3.2;
CoMA, Ranjan et al. 2018). A head reads the parameters off the code and the mesh. The network
knows right hands only; left ones are mirrored (`models.gcn.weights`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.gcn.batch_poser import BatchPoser, scale_and_origin
from models.gcn.frame import PalmFrame
from models.gcn.hierarchy import Level, upsampling
from models.gcn.layers import ChebyshevConv, GraphBlock, SparseMatrix
from models.hand import HandModel
from utils.keypoints import KEYPOINTS
from utils.keypoints.order import PALM

UNIT = 0.1  # metres: lengths inside the network are of the order of one
POSE, SHAPE = 48, 10
MISS_UNIT = 0.02  # metres: the same of what a first guess misses
READ_LEVEL = -2  # the mesh whose vertices the head reads the parameters off
FIRST_STEP = 0.1  # of the last layers' initial weights, so that training starts at the mean hand


@dataclass(frozen=True)
class Canonical:
    """What the network says of B hands, in the palm's frame, metres."""

    verts: Tensor  # (B or fewer, V, 3)
    middle: Tensor  # (B, V', 3) the same surface on the next coarser mesh
    pose: Tensor  # (B, 48), the global rotation within the palm's frame
    shape: Tensor  # (B, 10)
    first_pose: Tensor  # (B, 48) the first guess
    first_shape: Tensor  # (B, 10)
    first_keypoints: Tensor  # (B, 21, 3) of the first guess, moved onto what was seen


class HandGCN(nn.Module):
    """The network for one right-hand model; `levels` are its mesh hierarchy, finest first.

    settings: `channels` (features a vertex, finest level first; as many as levels), `blocks`
    (convolutions a level), `order` (of the Chebyshev polynomials), `code` (numbers that encode
    the keypoints).
    """

    def __init__(self, model: HandModel, levels: Sequence[Level], settings: Mapping[str, Any]):
        super().__init__()
        self.settings = {k: settings[k] for k in ("channels", "blocks", "order", "code")}
        self.levels = list(levels)
        mesh, keypoints = mean_hand(model)
        self.register_buffer("template", mesh / UNIT, persistent=False)
        self.register_buffer("rest", keypoints, persistent=False)
        anchors = np.searchsorted(levels[1].ids, levels[READ_LEVEL].ids)
        self.register_buffer("anchors", torch.from_numpy(anchors), persistent=False)
        self.register_buffer("middle", torch.from_numpy(levels[1].ids), persistent=False)
        channels, code = self.settings["channels"], self.settings["code"]
        self.encoder = _encoder(KEYPOINTS * 4, code, 2)
        self.guess = nn.Linear(code, POSE + SHAPE)
        # A copy, so that neither precision nor device of the caller's model matter.
        self.poser = BatchPoser(deepcopy(model).float(), [0])  # nearly of keypoints alone
        self.mend = _encoder(code + KEYPOINTS * 4 + POSE + SHAPE, code, 1)
        self.spread = nn.Linear(code, len(levels[-1]) * channels[-1])
        coarse_first = range(len(levels) - 1, -1, -1)
        self.coarse_first = nn.ModuleList(self._level(k, levels, model) for k in coarse_first)
        outputs = zip(self.coarse_first[-2:], (channels[1], channels[0]))
        self.out = nn.ModuleList(
            ChebyshevConv(level.operator, width, 3, settings["order"]) for level, width in outputs
        )
        self.head = _perceptron(code + 3 * len(anchors), code, POSE + SHAPE)
        with torch.no_grad():
            for layer in (*self.out, self.guess, self.head[-1]):
                layer.weight *= FIRST_STEP

    def _level(self, k: int, levels: Sequence[Level], model: HandModel) -> _Level:
        rest = model.v_template.detach().double().cpu().numpy()
        coarser = k + 1 < len(levels)
        rows = upsampling(rest, levels[k], levels[k + 1]) if coarser else None
        widths = self.settings["channels"][k : k + 2]
        blocks, order = self.settings["blocks"], self.settings["order"]
        return _Level(levels[k].chebyshev_operator(), rows, widths, blocks, order)

    def forward(self, points: Tensor, seen: Tensor) -> tuple[Canonical, PalmFrame]:
        """Keypoints (B, 21, 3) of right hands, any unit, and which were seen (B, 21) bool.

        What was not seen may hold any finite number.
        """
        frame = self.frame(points, seen)
        return self.canonical(frame.to_canonical(points), seen), frame

    def frame(self, points: Tensor, seen: Tensor) -> PalmFrame:
        """Where the palms of `forward`'s keypoints are."""
        return PalmFrame.of(points, seen, self.rest)

    def canonical(self, points: Tensor, seen: Tensor, fine: int | None = None) -> Canonical:
        """As `forward`, of keypoints that are in the palm's frame already, metres.

        Only the first `fine` hands (default: all) go on to the finest mesh, which takes most of
        the time and has the least to learn.
        """
        code, first, first_keypoints = self._encode(points, seen)
        x = self.spread(F.relu(code)).unflatten(1, (-1, self.settings["channels"][-1]))
        x = x.transpose(0, 1)  # (V, B, C)
        for level in self.coarse_first[:-1]:
            x = level(x)
        finest, ids = self.coarse_first[-1], self.middle
        middle = self.out[0](F.relu(x))
        verts = finest.upsample(middle[:, :fine]) + self.out[1](F.relu(finest(x[:, :fine])))
        middle, verts = middle.transpose(0, 1), verts.transpose(0, 1)
        correction = self.head(torch.cat([F.relu(code), middle[:, self.anchors].flatten(1)], 1))
        pose, shape = (first + correction).split([POSE, SHAPE], 1)
        first_pose, first_shape = first.split([POSE, SHAPE], 1)
        return Canonical(
            verts=UNIT * (verts + self.template),
            middle=UNIT * (middle + self.template[ids]),
            pose=pose,
            shape=shape,
            first_pose=first_pose,
            first_shape=first_shape,
            first_keypoints=first_keypoints,
        )

    def _encode(self, points: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The code (B, code), the first guess (B, 58) and its keypoints (B, 21, 3)."""
        weight = seen[..., None].to(points)
        offsets = (points - self.rest) / UNIT * weight
        code = self.encoder(torch.cat([offsets, weight], -1).flatten(1))
        guess = self.guess(F.relu(code))
        pose, shape = guess.split([POSE, SHAPE], 1)
        _, keypoints = self.poser(pose, shape)
        scale, origin = scale_and_origin(keypoints, points, weight)
        keypoints = scale[:, None, None] * keypoints + origin[:, None]
        missed = (points - keypoints) / MISS_UNIT * weight
        clues = [F.relu(code), missed.flatten(1), weight.flatten(1), guess]
        return code + self.mend(torch.cat(clues, 1)), guess, keypoints


class _Residual(nn.Module):
    """x + two layers of x, which learns several times faster than the layers alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class _Level(nn.Module):
    """Up-sampling onto one mesh, and convolutions there."""

    def __init__(
        self,
        operator: sp.spmatrix,
        upsample: sp.spmatrix | None,
        widths: Sequence[int],
        blocks: int,
        order: int,
    ):
        super().__init__()
        self.operator = SparseMatrix(operator)
        self.upsample = None
        if upsample is not None:
            self.narrow = nn.Linear(widths[1], widths[0])
            self.upsample = SparseMatrix(upsample)
        self.place = nn.Parameter(0.1 * torch.randn(operator.shape[0], 1, widths[0]))
        self.blocks = nn.Sequential(
            *(GraphBlock(self.operator, widths[0], order) for _ in range(blocks))
        )

    def forward(self, x: Tensor) -> Tensor:
        """(V of the coarser level, B, C) -> (V, B, C of this one)."""
        if self.upsample is not None:
            x = self.upsample(self.narrow(x))
        return self.blocks(x + self.place)


def _encoder(inputs: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), *(_Residual(width) for _ in range(blocks)))


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(),
        nn.Linear(hidden, hidden), nn.ReLU(),
        nn.Linear(hidden, outputs),
    )  # fmt: skip


def mean_hand(model: HandModel) -> tuple[Tensor, Tensor]:
    """The mean shape in the mean pose, about the palm's centre.

    Vertices (V, 3) and keypoints (21, 3), float32, metres.
    """
    pose, shape, trans = (torch.zeros(1, n).to(model.v_template) for n in (POSE, SHAPE, 3))
    with torch.no_grad():
        verts, joints = model(pose, shape, trans, torch.ones(1).to(model.v_template))
        keypoints = model.keypoints(verts, joints)[0]
    centre = keypoints[PALM].mean(0)
    return (verts[0] - centre).float(), (keypoints - centre).float()
