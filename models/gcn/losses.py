"""What the graph network learns from: the terms compare it with the posed hand model.

Lengths are in centimetres of a hand whose palm is as large as the mean one, angles in radians.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.gcn.batch_poser import BatchPoser, place_like
from models.gcn.hierarchy import Level
from models.gcn.layers import SparseMatrix
from models.gcn.network import Canonical
from models.gcn.samples import Samples
from models.hand import HandModel

CM = 100.0
SMALL_ANGLE = 0.1  # radians: below, errors count squared
TINY_AREA = 1e-12  # square metres; keeps collapsed faces from dividing by zero


class GcnLoss(nn.Module):
    """The weighted sum of all terms; `weights` are the config's `gcn.weights`."""

    def __init__(self, model: HandModel, levels: list[Level], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.sides = SparseMatrix(_face_sides(model.faces.cpu().numpy(), len(levels[0])))
        # Parameters are held against the vertices of the next coarser mesh, for speed.
        self.register_buffer("ids", torch.from_numpy(levels[1].ids))
        self.poser = BatchPoser(model, levels[1].ids)
        self.to(model.v_template.device)

    def forward(self, predicted: Canonical, true: Samples) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of predictions against samples in the palm's frame, and each term by name."""
        fine, middle = true.verts[: len(predicted.verts)], true.verts[:, self.ids]
        posed, keypoints = self.poser(predicted.pose, predicted.shape)
        posed, keypoints = place_like(posed, keypoints, predicted.middle)
        normals, edges = self._surface(predicted.verts, fine)
        poses = predicted.pose, predicted.first_pose
        shapes = predicted.shape, predicted.first_shape
        terms = {
            "verts": _apart(predicted.verts, fine),
            "middle": _apart(predicted.middle, middle),
            "keypoints": _apart(keypoints, true.keypoints),
            "normals": normals,
            "edges": edges,
            "first": _apart(predicted.first_keypoints, true.keypoints),
            "pose": sum(_angles(pose, true.pose) for pose in poses) / 2,
            "shape": sum(F.mse_loss(shape, true.shape) for shape in shapes) / 2,
            "posed": _apart(posed, middle),
            "consistency": _apart(posed, predicted.middle),
        }
        return sum(self.weights[name] * term for name, term in terms.items()), terms

    def _surface(self, predicted: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of 1 - cos between the faces' normals, and mean difference of edges' lengths, cm."""
        sides = [self.sides(x.transpose(0, 1)).unflatten(0, (3, -1)) for x in (predicted, true)]
        a, b = (torch.linalg.cross(x[0], x[1]) for x in sides)  # (F, B, 3)
        size = b.norm(dim=2)
        cosine = (a * b).sum(2) / (a.norm(dim=2) * size).clamp(min=TINY_AREA)
        normals = ((1 - cosine) * size).sum() / size.sum()
        lengths = [x.norm(dim=3) for x in sides]
        return normals, CM * (lengths[0] - lengths[1]).abs().mean()


def _face_sides(faces: np.ndarray, count: int) -> sp.csr_matrix:
    """Matrix (3 F, V): from vertices to the vectors along each face's first, second, third side."""
    start, end = faces.T.ravel(), np.roll(faces, -1, axis=1).T.ravel()
    rows = np.arange(len(start))
    values = np.repeat([1.0, -1.0], len(rows))
    columns = np.concatenate([end, start])
    return sp.csr_matrix((values, (np.tile(rows, 2), columns)), (len(rows), count))


def _angles(predicted: Tensor, true: Tensor) -> Tensor:
    return F.smooth_l1_loss(predicted, true, beta=SMALL_ANGLE)


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance of points (B, N, 3), cm."""
    return CM * (a - b).norm(dim=2).mean()
