"""The light that would explain a photo best: how much of an error is the light's."""

from __future__ import annotations

import numpy as np
import torch

from models.lighting import sh_basis
from models.reconstruction import Reconstruction
from models.wrist_caps import capped
from utils.cameras import Cameras
from utils.mesh import vertex_normals
from utils.render import Renderer

DEGREE = 3  # of the spherical harmonics: 9 numbers a channel


def image_in_own_light(
    reconstruction: Reconstruction, camera: Cameras, photo: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """The hands (H, W, 3) in one camera under the light fitted to its photo in `region`.

    Least squares for nine spherical harmonics and the strength of the highlights, a channel each,
    given the reconstruction's albedo and normals. No prediction, since it has seen the photo, but
    a bound: what is still wrong, no such light can mend.
    """
    (y, x), albedo, normals, shine = _surface_in(reconstruction, camera)
    basis = sh_basis(torch.from_numpy(normals), DEGREE).numpy()
    compared, colors = region[y, x], photo[y, x]
    image = np.zeros_like(photo)
    for channel in range(3):
        columns = np.column_stack([basis * albedo[:, channel, None], shine[:, channel]])
        light, *_ = np.linalg.lstsq(columns[compared], colors[compared, channel], rcond=None)
        image[y, x, channel] = columns @ light
    return image.clip(0, 1)


def _surface_in(
    reconstruction: Reconstruction, camera: Cameras
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Covered pixels y, x (N,) of one camera; albedo, unit normals, highlights (N, 3) there."""
    verts, own = reconstruction.in_hand_units(camera)
    faces = torch.from_numpy(reconstruction.faces)
    verts, faces, appearance = capped(verts, faces, reconstruction.appearance)
    assert appearance is not None
    normals = vertex_normals(verts, faces)
    highlights = appearance.highlights_in(own, verts, normals)
    shine = torch.zeros_like(verts) if highlights is None else highlights[0]
    renderer = Renderer(faces)
    found = renderer.rasterize(own, verts)
    values = renderer.interpolate(found, torch.cat([appearance.albedo, normals, shine], 1))
    albedo, normals, shine = values.double().split(3, dim=1)
    normals = torch.nn.functional.normalize(normals, dim=1)
    at = found.y.numpy(), found.x.numpy()
    return at, albedo.numpy(), normals.numpy(), shine.numpy()
