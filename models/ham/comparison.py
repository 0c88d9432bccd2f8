"""The mesh's rendering against the photos: HAM's two terms that look at pixels.

On the CPU by kernels (`utils.render.cpu.comparison`, `models.appearance.vertex_colors`), which
leave out what no view sees; elsewhere by the same formulas in torch.
"""

from __future__ import annotations

from torch import Tensor

from models.appearance.model import Appearance
from models.ham.losses import photometric_loss, silhouette_loss
from utils.cameras import Cameras
from utils.photos.crops import Photos
from utils.render import Fragments, Renderer


class PhotoTerms:
    """Photometric and silhouette term, not weighted, of renderings of one mesh.

    clip: the largest colour error, as in `photometric_loss`.
    """

    def __init__(self, renderer: Renderer, photos: Photos, clip: float):
        self.renderer, self.photos, self.clip = renderer, photos, clip
        self.masked, self.mask_share = photos.masked(), photos.mask_share()

    def __call__(
        self,
        fragments: Fragments,
        appearance: Appearance,
        cameras: Cameras,
        verts: Tensor,
        normals: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Both terms of verts (V, 3) with unit normals (V, 3), drawn as `fragments` by cameras."""
        if verts.device.type == "cpu":
            return self._by_kernels(fragments, appearance, cameras, verts, normals)
        colors = appearance.colors_in(cameras, verts, normals)
        rim = self.renderer.coverage(fragments)
        pixels = self.photos.at(rim.view, rim.y, rim.x)
        return (
            self.photometric(fragments, colors),
            self.mask_share
            * silhouette_loss(rim.value, pixels.mask, pixels.silhouette, self.masked),
        )

    def photometric(self, fragments: Fragments, colors: Tensor) -> Tensor:
        """The photometric term of vertex colours (views, V, 3)."""
        pixels = self.photos.at(fragments.view, fragments.y, fragments.x)
        predicted = self.renderer.interpolate(fragments, colors)
        weight = pixels.photometric * fragments.front_facing()
        return photometric_loss(predicted, pixels.color, weight, self.clip)

    def _by_kernels(
        self,
        fragments: Fragments,
        appearance: Appearance,
        cameras: Cameras,
        verts: Tensor,
        normals: Tensor,
    ) -> tuple[Tensor, Tensor]:
        from models.appearance.vertex_colors import seen_colors
        from utils.render.cpu.comparison import compare_with_photos, seen_vertices

        colors = seen_colors(appearance, cameras, verts, normals, seen_vertices(fragments))
        photos = self.photos.table, self.photos.starts
        error, covered = compare_with_photos(fragments, colors, *photos, self.clip)
        if self.masked <= 0:
            return error, covered * 0
        return error, self.mask_share * (1 + covered / self.masked)
