"""Caps on open wrists, for drawing: else the inner side of the skin is seen through them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from models.appearance import Appearance
from models.forearm import open_edges


def capped(
    verts: Tensor, faces: Tensor, appearance: Appearance | None
) -> tuple[Tensor, Tensor, Appearance | None]:
    """The mesh with a fan over each loop of open edges, in the median albedo of its hand.

    verts (V, 3), faces (F, 3). Caps have vertices of their own, after the others, so that they are
    shaded by their own normals; faces, too, are appended.
    """
    rim = open_edges(faces)
    if len(rim) == 0:
        return verts, faces, appearance
    hand_of = _parts(faces, len(verts)).to(verts.device)
    corners, cap_faces, colors, count = [verts], [faces], [], len(verts)
    for hand in hand_of[rim[:, 0]].unique():
        start, end = verts[rim[hand_of[rim[:, 0]] == hand]].unbind(1)  # (E, 3) each
        middle = start.mean(0, keepdim=True)
        own = torch.stack([end, start, middle.expand_as(start)], 1).reshape(-1, 3)
        corners.append(own)
        cap_faces.append(count + torch.arange(len(own), device=faces.device).view(-1, 3).to(faces))
        count += len(own)
        if appearance is not None:
            albedo = appearance.albedo[hand_of == hand].median(0).values
            colors.append(albedo.expand(len(own), 3))
    if appearance is not None:
        appearance = replace(appearance, albedo=torch.cat([appearance.albedo, *colors]))
    return torch.cat(corners), torch.cat(cap_faces), appearance


def _parts(faces: Tensor, count: int) -> Tensor:
    """The connected part (V,) that each vertex belongs to."""
    edges = faces.cpu().numpy()[:, [0, 1, 1, 2]].reshape(-1, 2).T
    graph = sp.coo_matrix((np.ones(edges.shape[1]), edges), (count, count))
    return torch.from_numpy(sp.csgraph.connected_components(graph, directed=False)[1])
