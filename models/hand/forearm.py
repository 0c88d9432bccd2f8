"""Where a forearm may be seen: around the wrist's open end, whichever way the wrist is bent.

The hand model ends at the wrist, masks often don't. What lies there is neither the hand's nor
against it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.hand.model import HandModel
from utils.geometry.mesh import open_edges

MCP_JOINTS = (1, 4, 7, 10)  # roots of the four fingers among the model's joints
TILTS = (0.0, 25.0, 50.0)  # degrees between the forearm and the wrist end's normal
AZIMUTHS = 8
WIDENING = 1.3  # of the forearm towards the elbow


def wrist_faces(model: HandModel) -> Tensor:
    """Faces (F,) bool at the wrist's end: all beyond the wrist joint or on the open rim."""
    joints = model.rest_joints(torch.zeros(10).to(model.v_template))
    axis = joints[list(MCP_JOINTS)].mean(0) - joints[0]
    beyond = (model.v_template - joints[0]) @ axis < 0
    return beyond[model.faces.long()].all(1) | rim_faces(model)


def rim_faces(model: HandModel) -> Tensor:
    """Faces (F,) bool that touch the open rim."""
    on_rim = torch.zeros(len(model.v_template), dtype=torch.bool, device=model.faces.device)
    on_rim[open_edges(model.faces).flatten()] = True
    return on_rim[model.faces.long()].any(1)


def forearm_fan(verts: Tensor, rim: Tensor) -> tuple[Tensor, Tensor]:
    """A fan of tubes from the open rim: vertices (T E 4, 3) and faces (T E 2, 3).

    verts (V, 3) of the posed hand; rim (E, 2) its open edges. Tubes are as long as the hand and
    bent by `TILTS` in `AZIMUTHS` directions.
    """
    start, end = verts[rim[:, 0]], verts[rim[:, 1]]  # (E, 3)
    centre = start.mean(0)
    normal = torch.linalg.cross(start - centre, end - centre).sum(0)
    normal = normal / normal.norm()
    if (verts.mean(0) - centre) @ normal > 0:
        normal = -normal
    length = (verts - centre).norm(dim=1).max()
    shifts = length * fan_directions(normal)[:, None]  # (T, 1, 3)
    corners = [start.expand(len(shifts), -1, -1), end.expand(len(shifts), -1, -1)]
    corners += [centre + WIDENING * (p - centre) + shifts for p in (end, start)]
    points = torch.stack(corners, 2).reshape(-1, 3)
    quads = 4 * torch.arange(len(points) // 4)[:, None, None]
    return points, (quads + torch.tensor([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)


def fan_directions(normal: Tensor) -> Tensor:
    """Unit directions (T, 3) about `normal` (3,)."""
    helper = torch.eye(3).to(normal)[int(normal.abs().argmin())]
    side = torch.linalg.cross(normal, helper)
    side = side / side.norm()
    other = torch.linalg.cross(normal, side)
    directions = [normal]
    for tilt in np.radians(TILTS[1:]):
        for azimuth in np.linspace(0, 2 * np.pi, AZIMUTHS, endpoint=False):
            across = np.cos(azimuth) * side + np.sin(azimuth) * other
            directions.append(np.cos(tilt) * normal + np.sin(tilt) * across)
    return torch.stack(directions)
