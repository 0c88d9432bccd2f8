"""Albedo textures from photos: what each says beyond the vertices' colours, robustly averaged.

The vertices' albedo, solved from all photos at once, holds everything coarser than the mesh. A
photo adds what is finer: its difference from mesh shading without that difference's own coarse
part, which is the model's error in that view (light, highlights) and would leave seams where one
view takes over from another. What photos say of a texel is averaged by iteratively reweighted
least squares (Cauchy), so that what only one view shows stays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from torch import Tensor

from models.ham.reconstruction import Reconstruction
from models.textures.averaging import agreement, averaged
from models.textures.layout import AlbedoTexture, Texels, TextureLayout
from models.textures.painting import TexturePainter
from models.textures.registration import register
from models.textures.sampling import SeenTexels, believable, sample, seen_texels
from utils.cameras import Cameras
from utils.errors import UserError
from utils.parallel import mapped
from utils.photos.crops import ViewCrop
from utils.progress_bar import progress
from utils.render import Fragments

COARSE = 0.005  # metres at the hand: coarser differences are errors of light
ROUNDS = 2  # of registration and averaging
ROBUST_PASSES = 2
LEAST_SHADE = 0.2  # radiance below which a photo says nothing of the albedo
LARGEST_DETAIL = 0.15  # of albedo: more is not skin
REACH = 1 / 64  # of the texture's height that colours go on beyond the charts
LARGEST_CROP = 2_000_000  # pixels of a photo around the hands
THREADS = 2
EDGE = 3  # pixels of a mask's rim that show a mixture with the background
LEAST_WEIGHT = 0.02  # of what well seen texels have: less counts as unseen
WELL_SEEN = 0.9  # quantile of the weights


@dataclass(frozen=True)
class BakedTexture:
    """albedo (H, W, 3) float32 in [0, 1], filled everywhere; seen (H, W) bool: texels that photos
    have coloured; on_surface (H, W) bool; misalignment: median pixels by which photos and
    renderings with this texture differ, over the views."""

    albedo: np.ndarray
    seen: np.ndarray
    on_surface: np.ndarray
    misalignment: float


@dataclass(frozen=True)
class _Surface:
    """Texels with their points and unit normals (N, 3), hand units, and coarse albedo (N, 3)."""

    texels: Texels
    points: np.ndarray
    normals: np.ndarray
    coarse: np.ndarray


@dataclass(frozen=True)
class _Photo:
    """One photo around the hands, its camera, and what it covers."""

    number: int
    image: np.ndarray
    trust: np.ndarray
    camera: Cameras
    fragments: Fragments
    shading: Tensor

    @property
    def at(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns (n,) of the covered pixels."""
        return self.fragments.y.numpy(), self.fragments.x.numpy()

    def picture(self, values: np.ndarray, elsewhere: float = 0.0) -> np.ndarray:
        """Values (n, ...) of the covered pixels as a picture (h, w, ...)."""
        picture = np.full((*self.image.shape[:2], *values.shape[1:]), elsewhere, values.dtype)
        picture[self.at] = values
        return picture


@dataclass(frozen=True)
class _View:
    """A photo and the texels that it shows."""

    photo: _Photo
    seen: SeenTexels


def bake_albedo(
    reconstruction: Reconstruction,
    layout: TextureLayout,
    texels: Texels,
    crops: Sequence[ViewCrop],
) -> BakedTexture:
    """The hands' albedo texture, of the texels' size, from the photos that they were fitted to.

    Raises UserError where no photo may be compared with the hands.
    """
    verts, cameras = reconstruction.in_hand_units(reconstruction.cameras)
    faces = torch.from_numpy(reconstruction.faces)
    painter = TexturePainter(verts, faces, reconstruction.appearance, None)
    surface = _surface(reconstruction, painter, texels)
    photos = [
        _photo(number, crop, cameras[number], painter)
        for number, crop in enumerate(progress(crops, "views"))
        if crop.photometric.any()
    ]
    seen_by = mapped(partial(_seen_in, surface=surface), photos, THREADS)
    views = [_View(photo, seen) for photo, seen in zip(photos, seen_by)]
    if not views:
        raise UserError("textures: no photo shows any part of the hands; none are written")
    sigma = COARSE * reconstruction.scale / reconstruction.frame.scale  # hand units
    detail, total = _solve(views, painter, surface, sigma)[:2]
    misalignment = 0.0
    for _ in range(ROUNDS - 1):
        image = fill(surface.texels, surface.coarse + detail)
        painter.texture = AlbedoTexture(torch.from_numpy(image), layout)
        detail, total, misalignment = _solve(views, painter, surface, sigma)
    seen, on_surface = np.zeros((2, *surface.texels.shape), bool)
    at = surface.texels.y, surface.texels.x
    on_surface[at] = True
    if (total > 0).any():
        seen[at] = total > LEAST_WEIGHT * np.quantile(total[total > 0], WELL_SEEN)
    albedo = fill(surface.texels, (surface.coarse + detail).clip(0, 1))
    return BakedTexture(albedo, seen, on_surface, misalignment)


def _surface(reconstruction: Reconstruction, painter: TexturePainter, texels: Texels) -> _Surface:
    faces, count = reconstruction.faces, len(reconstruction.verts)
    normals = texels.at(painter.normals[:count].numpy(), faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    points = texels.at(painter.verts[:count].numpy(), faces)
    albedo = reconstruction.appearance.albedo.clamp(0, 1).numpy()
    return _Surface(texels, points, normals, texels.at(albedo, faces))


def _photo(number: int, crop: ViewCrop, camera: Cameras, painter: TexturePainter) -> _Photo:
    camera = camera.crop(torch.tensor([crop.box]))
    camera, image, compared = _shrunk(camera, crop)
    fragments = painter.fragments(camera)
    inner = cv2.erode(compared.astype(np.uint8), np.ones((2 * EDGE + 1,) * 2))
    trust = believable(image) * inner
    return _Photo(
        number, image, trust, camera, fragments, painter.shading(camera, fragments, number)
    )


def _seen_in(photo: _Photo, surface: _Surface) -> SeenTexels:
    camera, depth = photo.camera, photo.picture(photo.fragments.depth.numpy(), np.inf)
    R, t, K = (value[0].double().numpy() for value in (camera.R, camera.t, camera.K))
    matrix, focal = K @ np.column_stack([R, t]), float(np.sqrt(K[0, 0] * K[1, 1]))
    return seen_texels(surface.points, surface.normals, matrix, -R.T @ t, depth, focal)


def _shrunk(camera: Cameras, crop: ViewCrop) -> tuple[Cameras, np.ndarray, np.ndarray]:
    """Camera, photo and comparable pixels of a crop, of LARGEST_CROP pixels at most: textures hold
    no more."""
    height, width = crop.image.shape[:2]
    scale = (LARGEST_CROP / (height * width)) ** 0.5
    if scale >= 1:
        return camera, crop.image, crop.photometric
    size = round(height * scale), round(width * scale)
    image = cv2.resize(crop.image, size[::-1], interpolation=cv2.INTER_AREA)
    share = crop.photometric.astype(np.float32)
    share = cv2.resize(share, size[::-1], interpolation=cv2.INTER_AREA)
    return camera.resize(torch.tensor([size])), image, share > 0.999


def _solve(
    views: Sequence[_View], painter: TexturePainter, surface: _Surface, sigma: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Detail (N, 3) of the texels, summed weights (N,), and the views' median misalignment."""
    photos = [view.photo for view in views]
    drawn = (painter.colors(p.camera, p.fragments, p.number).numpy() for p in photos)
    said, shifts = [], []
    details = mapped(
        lambda each: _details(*each, painter=painter, sigma=sigma), zip(views, drawn), THREADS
    )
    for view, (values, shift) in zip(progress(views, "details"), details):
        said.append((view.seen.index, values, view.seen.weight))
        shifts.append(shift)
    count = len(surface.points)
    center = detail = np.zeros((count, 3), np.float32)
    for robust in range(ROBUST_PASSES + 1):
        center = detail
        detail, total = averaged(said, center, robust > 0)
    trust = agreement(surface.texels, detail, total, said, center)
    return detail * trust[:, None], total, float(np.median(shifts)) if shifts else 0.0


def _details(
    view: _View, drawn: np.ndarray, painter: TexturePainter, sigma: float
) -> tuple[np.ndarray, float]:
    """What the photo says beyond the vertices' albedo at the texels that it shows, and how far
    that is trusted (n, 4); and the median pixels of misalignment. drawn: colours of the fragments.
    """
    photo, fragments = view.photo, view.photo.fragments
    covered = photo.picture(np.ones(len(fragments), bool))
    laid = register(photo.image, photo.picture(drawn), covered, photo.trust)
    gain = painter.appearance.gain[photo.number].numpy()
    albedo, shade, shine = (part.numpy() for part in photo.shading.split([3, 1, 3], 1))
    says = (laid.image[photo.at] / gain - shine) / np.maximum(shade, LEAST_SHADE) - albedo
    trust = laid.trust[photo.at] * (shade[:, 0] > LEAST_SHADE)
    image = photo.picture(np.column_stack([says, trust]).astype(np.float32))
    depth = float(np.median(fragments.depth.numpy()))
    pixels = sigma * float(photo.camera.K[0, 0, 0]) / depth
    image[..., :3] -= _blurred(image[..., :3], image[..., 3], pixels)
    image[..., 3] *= np.abs(image[..., :3]).max(-1) < LARGEST_DETAIL
    return sample(image, view.seen.pixel), laid.misalignment


def _blurred(image: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Normalised Gaussian blur of (h, w, 3) where weight (h, w) says that there is something."""
    top = cv2.GaussianBlur(image * weight[..., None], (0, 0), sigma)
    bottom = cv2.GaussianBlur(weight, (0, 0), sigma)
    return top / np.maximum(bottom, 1e-4)[..., None]


def fill(texels: Texels, values: np.ndarray) -> np.ndarray:
    """A picture (H, W, C) of the texels' values (N, C).

    About the charts the nearest texel's value goes on for REACH of the height, far enough for
    mipmaps; beyond, all is the mean.
    """
    height = texels.shape[0]
    image = np.zeros((*texels.shape, values.shape[1]), np.float32)
    image[texels.y, texels.x] = values
    free = np.ones(texels.shape, np.uint8)
    free[texels.y, texels.x] = 0
    near = max(round(REACH * height), 8)
    away, label = cv2.distanceTransformWithLabels(
        free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(label.max() + 1, np.int64)
    own = label[texels.y, texels.x]
    nearest[own] = np.arange(len(own))
    rim = (free > 0) & (away <= near)
    image[rim] = values[nearest[label[rim]]]
    image[away > near] = values.mean(0)
    return image
