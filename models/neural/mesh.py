"""The mesh that the neural renderer draws, with caps on open wrists in the colour of the photos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.appearance.light import Highlights
from models.appearance.model import Appearance, light_for_unseen
from models.appearance.shading import capped, rims
from models.appearance.visibility import visibility_harmonics
from models.neural.inputs import NetShape, SurfaceTable
from utils.geometry.mesh import vertex_normals
from utils.photos.crops import Photos
from utils.render import Renderer

FEWEST_PIXELS = 64  # fewer say nothing of a cap's colour
DARK = 0.02  # of 1: darker shading says nothing of an albedo


@dataclass(frozen=True)
class NeuralMesh:
    """The mesh that is rendered: verts (V, 3) in hand units, faces (F, 3), albedo and light.

    appearance holds one light and gain, those of unseen views. skin (V, 3) names the spots of
    the skin where verts were reposed; cap_albedo (caps, 3), see `models.appearance.shading`.
    known_visibility is the `visibility` of a mesh of the same or nearly the same surface, if known.
    """

    verts: Tensor
    faces: np.ndarray
    appearance: Appearance
    skin: Tensor | None = None
    cap_albedo: Tensor | None = None
    known_visibility: Tensor | None = None

    @staticmethod
    def of(
        verts: Tensor, faces: np.ndarray, fitted: Appearance, visibility: Tensor | None = None
    ) -> NeuralMesh:
        """With the light for unseen views that the fitted ones suggest."""
        light = light_for_unseen(fitted, 1)
        return NeuralMesh(verts, faces, light, known_visibility=visibility)

    def closed(self) -> tuple[Tensor, Tensor, Appearance]:
        """Vertices, faces and appearance with caps on the open wrists, after everything else."""
        faces = torch.from_numpy(self.faces).to(self.verts.device)
        verts, faces, appearance = capped(self.verts, faces, self.appearance, self.cap_albedo)
        assert appearance is not None
        return verts, faces, appearance

    def highlights(self) -> Highlights | None:
        """Those of the mesh's shading, the gain included; None where there are none."""
        lobes = self.appearance.lobes
        if lobes is None:
            return None
        return Highlights(lobes.to(self.verts) * self.appearance.gain[0])

    @cached_property
    def visibility(self) -> Tensor:
        """Harmonics (V + caps, 9) of what the closed mesh sees of the world, worked out once."""
        if self.known_visibility is not None:
            return self.known_visibility
        verts, faces, _ = self.closed()
        return visibility_harmonics(verts, faces, vertex_normals(verts, faces))

    def table(self, shape: NetShape) -> SurfaceTable:
        """What a network of `shape` needs to know at the vertices of the closed mesh."""
        verts, faces, appearance = self.closed()
        normals = vertex_normals(verts, faces)
        shading, is_skin = appearance.vertex_colors(normals)[0], torch.zeros_like(verts[:, :1])
        is_skin[: len(self.verts)] = 1
        visibility = self.visibility if "visibility" in shape.inputs else None
        spots = verts if self.skin is None else capped(self.skin, faces[: len(self.faces)], None)[0]
        return SurfaceTable.of(
            verts, normals, shading, is_skin, visibility, appearance.albedo, spots, shape
        )


@torch.no_grad()
def with_cap_colors(mesh: NeuralMesh, photos: Photos) -> NeuralMesh:
    """The mesh with caps in the median colour that the photos show, light apart.

    A cap that hardly any photo shows gets that of its hand.
    """
    wrists = rims(torch.from_numpy(mesh.faces), len(mesh.verts))
    if not wrists:
        return mesh
    verts, faces, appearance = mesh.closed()
    renderer = Renderer(faces)
    fragments = renderer.rasterize(photos.cameras, verts)
    rows = photos.at(fragments.view, fragments.y, fragments.x)
    shading = appearance.vertex_colors(vertex_normals(verts, faces))[0]
    factor = rows.color / renderer.interpolate(fragments, shading).clamp(min=DARK)
    usable = (rows.photometric > 0) & fragments.front_facing()
    albedo, first = [], len(mesh.faces)
    for _, rim in wrists:
        own = usable & (fragments.face >= first) & (fragments.face < first + len(rim))
        color = appearance.albedo[faces[first, 0]]
        if own.sum() >= FEWEST_PIXELS:
            color = (color * factor[own].median(0).values).clamp(0, 1)
        albedo.append(color)
        first += len(rim)
    return replace(mesh, cap_albedo=torch.stack(albedo))
