"""Mesh shading with a texture: albedo from texels, light and highlights from the vertices."""

from __future__ import annotations

import torch
from torch import Tensor

from models.appearance.light import radiance, sh_basis
from models.appearance.model import Appearance
from models.appearance.shading import Rendering, capped
from models.textures.layout import AlbedoTexture
from utils.cameras import Cameras
from utils.geometry.mesh import vertex_normals
from utils.render import Fragments, Renderer


class TexturePainter:
    """Draws a mesh (V, 3) with faces (F, 3), in hand units, under an appearance and a texture.

    Wrists are closed by caps, which have their vertices' colours, as has everything without a
    texture (None).
    """

    def __init__(
        self, verts: Tensor, faces: Tensor, appearance: Appearance, texture: AlbedoTexture | None
    ):
        self.own_faces, self.texture = len(faces), texture
        self.verts, self.faces, closed = capped(verts, faces, appearance)
        assert closed is not None
        self.appearance = closed
        self.normals = vertex_normals(self.verts, self.faces)
        self.renderer = Renderer(self.faces)

    def fragments(self, camera: Cameras) -> Fragments:
        """The pixels of one camera that the hands cover."""
        with torch.no_grad():
            return self.renderer.rasterize(camera, self.verts)

    def shading(self, camera: Cameras, fragments: Fragments, view: int) -> Tensor:
        """(N, 7): vertex albedo, radiance, highlights at the fragments under light `view`."""
        shade = radiance(self.appearance.sh_coeff[view : view + 1], self._basis())[0]
        highlights = self.appearance.highlights_in(camera, self.verts, self.normals)
        shine = torch.zeros_like(self.verts) if highlights is None else highlights[0]
        values = torch.cat([self.appearance.albedo, shade[:, None], shine], 1)
        with torch.no_grad():
            return self.renderer.interpolate(fragments, values)

    def colors(self, camera: Cameras, fragments: Fragments, view: int) -> Tensor:
        """Colours (N, 3) of the fragments under light `view`."""
        albedo, shade, shine = self.shading(camera, fragments, view).split([3, 1, 3], 1)
        if self.texture is not None:
            own = torch.nonzero(fragments.face < self.own_faces)[:, 0]
            face = fragments.face[own]
            areas = self.pixel_areas(fragments)[face.long()]
            albedo = albedo.index_copy(0, own, self.texture(face, fragments.bary[own], areas))
        return (albedo * shade + shine) * self.appearance.gain[view]

    def pixel_areas(self, fragments: Fragments) -> Tensor:
        """Area (F,) of every face in the image, square pixels."""
        px = fragments.verts_px[0]
        corners = (px[:, :2] / px[:, 2:])[self.faces.long()]
        (ax, ay), (bx, by) = ((corners[:, k] - corners[:, 0]).unbind(1) for k in (1, 2))
        return (ax * by - ay * bx).abs() / 2

    def render(self, camera: Cameras, view: int) -> Rendering:
        """The picture of one camera under light `view`."""
        fragments = self.fragments(camera)
        return Rendering.of(fragments, self.colors(camera, fragments, view).clamp(0, 1), camera)

    def _basis(self) -> Tensor:
        return sh_basis(self.normals, self.appearance.degree)
