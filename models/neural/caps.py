"""The colour of the caps on open wrists, which no stage before has looked at, from the photos."""

from __future__ import annotations

from dataclasses import replace

import torch

from models.neural.renderer import NeuralMesh
from models.wrist_caps import rims
from utils.mesh import vertex_normals
from utils.photos import Photos
from utils.render import Renderer

FEWEST_PIXELS = 64  # fewer say nothing of a cap's colour
DARK = 0.02  # of 1: darker shading says nothing of an albedo


@torch.no_grad()
def with_cap_colors(mesh: NeuralMesh, photos: Photos) -> NeuralMesh:
    """The mesh with caps in the median colour that the photos show, light apart.

    A cap that hardly any photo shows gets that of its hand.
    """
    found = rims(torch.from_numpy(mesh.faces), len(mesh.verts))
    if not found:
        return mesh
    verts, faces, appearance = mesh.closed()
    renderer = Renderer(faces)
    fragments = renderer.rasterize(photos.cameras, verts)
    rows = photos.at(fragments.view, fragments.y, fragments.x)
    shading = appearance.vertex_colors(vertex_normals(verts, faces))[0]
    factor = rows.color / renderer.interpolate(fragments, shading).clamp(min=DARK)
    usable = (rows.photometric > 0) & fragments.front_facing()
    albedo, first = [], len(mesh.faces)
    for _, rim in found:
        own = usable & (fragments.face >= first) & (fragments.face < first + len(rim))
        color = appearance.albedo[faces[first, 0]]
        if own.sum() >= FEWEST_PIXELS:
            color = (color * factor[own].median(0).values).clamp(0, 1)
        albedo.append(color)
        first += len(rim)
    return replace(mesh, cap_albedo=torch.stack(albedo))
