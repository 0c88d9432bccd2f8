"""Albedo textures from photos: what each says beyond the vertices' colours, robustly averaged.

The vertices' albedo, solved from all photos at once, holds everything coarser than the mesh. A
photo adds what is finer: its difference from mesh shading without that difference's own coarse
part, which is the model's error in that view (light, highlights) and would leave seams where one
view takes over from another. What photos say of a texel is averaged by iteratively reweighted
least squares (Cauchy), so that what only one view shows stays out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.ndimage as ndi
import torch

from models.ham.reconstruction import Reconstruction
from models.textures.layout import AlbedoTexture, Texels, TextureLayout, surface_texels
from models.textures.painting import TexturePainter
from models.textures.registration import RegisteredView, register
from models.textures.sampling import SeenTexels, believable, sample, seen_texels

COARSE = 0.004  # metres at the hand: coarser differences are errors of light
ROUNDS = 3  # of registration and averaging
ROBUST_PASSES = 2
LEAST_SHADE = 0.15  # radiance below which a photo says nothing of the albedo
OUTLIER = 0.04  # where the robust weight is one half, albedo
LEAST_WEIGHT = 1e-3  # of the best seen texels: less counts as unseen
PAD = 24  # texels that colours reach beyond the charts, at least


@dataclass(frozen=True)
class BakedTexture:
    """albedo (H, W, 3) float32 in [0, 1], filled everywhere; seen (H, W) bool: texels that photos
    have coloured; on_surface (H, W) bool; misalignment: pixels by which photos and renderings
    differ, median over views, before and after registration."""

    albedo: np.ndarray
    seen: np.ndarray
    on_surface: np.ndarray
    misalignment: tuple[float, float]


@dataclass
class _View:
    """One photo prepared: pixels, its camera's parts, and the texels that it sees."""

    number: int
    photo: np.ndarray
    texels: SeenTexels


def bake_albedo(
    reconstruction: Reconstruction,
    layout: TextureLayout,
    photo: Callable[[int], np.ndarray],
    size: int = 2048,
    used_views: np.ndarray | None = None,
) -> BakedTexture:
    """The hands' albedo texture of `size` rows from the photos of the fitted views.

    photo(view) gives RGB (H, W, 3) in [0, 1]; used_views (views,) bool leaves some out.
    """
    verts, cameras = reconstruction.in_hand_units(reconstruction.cameras)
    faces = torch.from_numpy(reconstruction.faces)
    plain = TexturePainter(verts, faces, reconstruction.appearance, None)
    texels = surface_texels(layout, size)
    points = texels.at(verts.numpy(), reconstruction.faces)
    normals = texels.at(plain.normals[: len(verts)].numpy(), reconstruction.faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    coarse = texels.at(reconstruction.appearance.albedo.numpy(), reconstruction.faces)
    views = range(len(cameras)) if used_views is None else np.flatnonzero(used_views).tolist()
    _Baker.metre = reconstruction.scale / reconstruction.frame.scale
    print("metre", _Baker.metre)
    baker = _Baker(plain, cameras, texels, points, normals, views, photo)
    detail, total = baker.solve(None)
    shifts = [baker.misalignment]
    for _ in range(ROUNDS - 1):
        image = _filled(texels, coarse + detail)
        texture = AlbedoTexture(torch.from_numpy(image), layout)
        detail, total = baker.solve(texture)
        shifts.append(baker.misalignment)
    seen = np.zeros(texels.shape, bool)
    on_surface = seen.copy()
    on_surface[texels.y, texels.x] = True
    seen[texels.y, texels.x] = total > LEAST_WEIGHT * np.quantile(total, 0.99)
    albedo = _filled(texels, (coarse + detail).clip(0, 1))
    return BakedTexture(albedo, seen, on_surface, (shifts[0], shifts[-1]))


class _Baker:
    """Goes through the photos, one at a time, and averages what they say."""

    def __init__(self, plain, cameras, texels: Texels, points, normals, views, photo):
        self.plain, self.cameras, self.texels = plain, cameras, texels
        self.points, self.normals, self.views, self.photo = points, normals, views, photo
        self.misalignment = np.nan
        self.prepared: dict[int, SeenTexels] = {}

    def solve(self, texture: AlbedoTexture | None) -> tuple[np.ndarray, np.ndarray]:
        """Detail (N, 3) of the texels beyond the vertices' albedo, and their summed weights (N,).

        texture: what photos are registered to; None: mesh shading by vertices.
        """
        found = [self._detail_image(view, texture) for view in self.views]
        self.misalignment = float(np.median([each[2] for each in found])) if found else np.nan
        count = len(self.texels.face)
        detail, total = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
        for robust in range(ROBUST_PASSES + 1):
            summed, weights = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
            for image, warp, _, seen in found:
                pixel = seen.pixel if warp is None else seen.pixel + sample(warp, seen.pixel)
                values = sample(image, pixel)
                weight = seen.weight * values[:, 3]
                if robust:
                    off = np.abs(values[:, :3] - detail[seen.index]).max(1)
                    weight = weight / (1 + (off / OUTLIER) ** 2)
                summed[seen.index] += weight[:, None] * values[:, :3]
                weights[seen.index] += weight
            detail = summed / np.maximum(weights, 1e-12)[:, None]
            total = weights
        return detail, total

    def _detail_image(self, view: int, texture: AlbedoTexture | None):
        """(H, W, 4): the photo's detail in albedo and its trust; its warp; the misalignment."""
        camera, photo = self.cameras[view], self.photo(view)
        fragments = self.plain.fragments(camera)
        shading = self.plain.shading(camera, fragments, view)
        y, x = fragments.y.numpy(), fragments.x.numpy()
        depth = np.full(photo.shape[:2], np.inf, np.float32)
        depth[y, x] = fragments.depth.numpy()
        focal = float((camera.K[0, 0, 0] * camera.K[0, 1, 1]).sqrt())
        if view not in self.prepared:
            self.prepared[view] = self._seen(camera, depth, focal)
        seen = self.prepared[view]
        gain = self.plain.appearance.gain[view]
        albedo, shade, shine = (part.numpy() for part in shading.split([3, 1, 3], 1))
        shown = TexturePainter.colors(self.plain, camera, fragments, view).numpy()
        if texture is not None:
            self.plain.texture = texture
            shown = self.plain.colors(camera, fragments, view).numpy()
            self.plain.texture = None
        rendered = np.zeros_like(photo)
        rendered[y, x] = shown
        covered = np.isfinite(depth)
        registered: RegisteredView = register(photo, rendered, covered)
        image = np.zeros((*photo.shape[:2], 4), np.float32)
        # what the photo says where it is warped back onto the rendering
        warped = registered.image
        says = (warped[y, x] / gain.numpy() - shine) / np.maximum(shade, LEAST_SHADE) - albedo
        image[y, x, :3] = says
        image[..., 3] = believable(warped) * covered
        image[y, x, 3] *= shade[:, 0] > LEAST_SHADE
        sigma = COARSE * self.metre * focal / float(np.median(fragments.depth.numpy()))
        image[..., :3] -= _blurred(image[..., :3], image[..., 3], sigma)
        return image, None, registered.misalignment, seen

    metre = 1.0  # hand units

    def _seen(self, camera, depth: np.ndarray, focal: float) -> SeenTexels:
        R, t, K = (value[0].double().numpy() for value in (camera.R, camera.t, camera.K))
        matrix = K @ np.column_stack([R, t])
        return seen_texels(self.points, self.normals, matrix, -R.T @ t, depth, focal)


def _blurred(image: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Normalised Gaussian blur of (H, W, 3) where weight (H, W) says that there is something."""
    kernel = (0, 0)
    top = cv2.GaussianBlur(image * weight[..., None], kernel, sigma)
    bottom = cv2.GaussianBlur(weight, kernel, sigma)
    return top / np.maximum(bottom, 1e-4)[..., None]


def _filled(texels: Texels, values: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) of the texels' values; elsewhere that of the nearest texel."""
    image = np.zeros((*texels.shape, 3), np.float32)
    image[texels.y, texels.x] = values
    free = np.ones(texels.shape, bool)
    free[texels.y, texels.x] = False
    y, x = ndi.distance_transform_edt(free, return_distances=False, return_indices=True)
    return image[y, x]
