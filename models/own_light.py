"""The light that would explain a photo best: how much of an error is the light's."""

from __future__ import annotations

import numpy as np
import torch

from models.appearance import Appearance
from models.lighting import sh_basis
from models.reconstruction import Reconstruction
from utils.cameras import Cameras
from utils.mesh import vertex_normals

DEGREE = 3  # of the spherical harmonics: 9 numbers a channel


def image_in_own_light(
    reconstruction: Reconstruction, camera: Cameras, photo: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """The hands (H, W, 3) in one camera under the light fitted to its photo in `region`.

    Least squares for nine spherical harmonics and the strength of the highlights, a channel each,
    given the reconstruction's albedo and normals. No prediction, since it has seen the photo, but
    a bound: what is still wrong, no such light can mend.
    """
    albedo = _attribute(reconstruction, camera, reconstruction.appearance.albedo)
    verts, faces = torch.from_numpy(reconstruction.verts), torch.from_numpy(reconstruction.faces)
    normals = 2 * _attribute(reconstruction, camera, (vertex_normals(verts, faces) + 1) / 2) - 1
    normals = torch.nn.functional.normalize(torch.from_numpy(normals), dim=-1)
    basis = sh_basis(normals, DEGREE).numpy().astype(float)
    shine = _highlights(reconstruction, camera)
    image = np.zeros_like(photo)
    for channel in range(3):
        columns = np.dstack([basis * albedo[..., channel, None], shine[..., channel]])
        light, *_ = np.linalg.lstsq(columns[region], photo[region][:, channel], rcond=None)
        image[..., channel] = columns @ light
    return image.clip(0, 1)


def _highlights(reconstruction: Reconstruction, camera: Cameras) -> np.ndarray:
    """The highlights alone as an image (H, W, 3)."""
    dark = torch.zeros_like(reconstruction.appearance.albedo)
    plain = Appearance(dark, torch.ones(1, 1), torch.ones(1, 3), reconstruction.appearance.lobes)
    return reconstruction.render(camera, plain)[0].image


def _attribute(reconstruction: Reconstruction, camera: Cameras, values: torch.Tensor) -> np.ndarray:
    """Values (V, 3) in [0, 1] of the vertices as an image (H, W, 3)."""
    plain = Appearance(values.float(), torch.ones(1, 1), torch.ones(1, 3))
    return reconstruction.render(camera, plain)[0].image
