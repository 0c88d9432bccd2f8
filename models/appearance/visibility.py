"""What each spot of the skin can see of the world past the hands themselves.

Light that a highlight mirrors may be hidden by a finger. Shadow maps from directions all around
(Williams 1978) say where; low spherical harmonics keep it in a few numbers a vertex, as
precomputed radiance transfer does (Sloan et al. 2002).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.appearance.light import sh_basis, spiral
from utils.cameras import Cameras
from utils.render import Renderer

DIRECTIONS = 96  # spread evenly over the sphere
AT_ONCE = 8  # shadow maps
MAP = 192  # pixels of a shadow map's side
FAR = 40.0  # radii of the mesh between it and a map's camera: rays are parallel to 1.4 degrees
OFFSET = 0.015  # radii of the mesh that a spot is lifted off it, lest it shades itself
DEGREE = 3
NUMBERS = DEGREE**2  # a vertex
GRAZING = 0.1  # cosine below the horizon to which directions count
SHRINK = 0.01  # towards zero, relative to the system's mean diagonal


@torch.no_grad()
def visibility_harmonics(verts: Tensor, faces: Tensor, normals: Tensor) -> Tensor:
    """Harmonics (V, NUMBERS) of visibility, for `visible_along`.

    verts (V, 3) in any unit, faces (F, 3), unit normals (V, 3). Least squares over the directions
    above each vertex' horizon; what lies below is left to continue them.
    """
    towards = spiral(DIRECTIONS).to(verts)
    seen = _seen_from(verts, faces, normals, towards)
    basis = sh_basis(towards, DEGREE)
    weight = (normals @ towards.T + GRAZING).clamp(min=0).sqrt()
    products = (basis[:, :, None] * basis[:, None]).flatten(1)
    system = (weight @ products).unflatten(1, (NUMBERS, NUMBERS))
    scale = system.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
    system = system + SHRINK * scale * torch.eye(NUMBERS).to(system)
    return torch.linalg.solve(system, ((weight * seen) @ basis)[..., None])[..., 0]


def visible_along(harmonics: Tensor, directions: Tensor) -> Tensor:
    """Visibility (N, 1), 0 hidden to 1 open, of N spots with harmonics along unit directions."""
    visibility = (harmonics * sh_basis(directions, DEGREE)).sum(-1, keepdim=True)
    return visibility.clamp(0, 1)


def _seen_from(verts: Tensor, faces: Tensor, normals: Tensor, towards: Tensor) -> Tensor:
    """(V, D) 1 where nothing of the mesh lies between a vertex and infinity towards (D, 3)."""
    cameras, radius = _cameras_towards(verts, towards)
    renderer, lifted = Renderer(faces), verts + OFFSET * radius * normals
    columns = []
    for start in range(0, len(towards), AT_ONCE):
        some = cameras[list(range(start, min(start + AT_ONCE, len(towards))))]
        fragments = renderer.rasterize(some, verts)
        depth = verts.new_full((len(some), 1, MAP, MAP), torch.inf)
        depth[fragments.view.long(), 0, fragments.y.long(), fragments.x.long()] = fragments.depth
        px = some.px_from_world(lifted)
        where = 2 * px[:, :, None, :2] / px[:, :, None, 2:] / (MAP - 1) - 1
        nearest = functional.grid_sample(depth, where, mode="nearest", align_corners=True)
        columns.append(px[..., 2] < nearest[:, 0, :, 0] + OFFSET * radius)
    return torch.cat(columns).T.to(verts)


def _cameras_towards(verts: Tensor, towards: Tensor) -> tuple[Cameras, float]:
    """Cameras far off in directions (D, 3) that see all vertices, and the mesh's radius."""
    middle = (verts.amin(0) + verts.amax(0)) / 2
    radius = float((verts - middle).norm(dim=1).max())
    aside = torch.eye(3).to(verts)[towards.abs().argmin(1)]  # an axis far from the direction
    x = functional.normalize(torch.linalg.cross(aside, -towards), dim=1)
    R = torch.stack([x, torch.linalg.cross(-towards, x), -towards], 1)
    t = -(R @ (middle + FAR * radius * towards)[..., None])[..., 0]
    focal, centre = 0.95 * MAP / 2 * (FAR - 1), (MAP - 1) / 2
    K = torch.tensor([[focal, 0, centre], [0, focal, centre], [0, 0, 1]]).to(verts)
    sizes = torch.tensor([[MAP, MAP]] * len(towards))
    return Cameras(K.expand(len(towards), -1, -1), R, t, sizes), radius
