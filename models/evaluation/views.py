"""A reconstruction in single views: what they show of it, and how that compares with photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.appearance.light import sh_basis
from models.appearance.model import Appearance
from models.appearance.shading import Rendering, capped
from models.evaluation.forearms import covered_pixels
from models.ham.reconstruction import Reconstruction
from models.textures.drawing import draw_mesh
from models.textures.layout import AlbedoTexture
from utils.cameras import Cameras
from utils.captures.evaluation_views import EvaluationViews
from utils.geometry.mesh import vertex_normals
from utils.metrics.image import ColorAlignment, Lpips, align_colors, image_scores, psnr
from utils.metrics.masks import evaluation_region, mask_scores, wrist_pixels
from utils.render import Renderer

SMALLEST_REGION = 64  # pixels: fewer say nothing, and a window of SSIM does not fit in
DEGREE = 3  # of the spherical harmonics: 9 numbers a channel


@dataclass(frozen=True)
class ViewShape:
    """What a view shows of the mesh: covered and ignored (the wrist's end) (H, W) bool."""

    covered: np.ndarray
    ignored: np.ndarray


@dataclass
class ViewResult:
    """One view: its renderings by name, what they were compared with, and the scores.

    masks: scores of the mask, empty without one; images: for each renderer its scores, empty
    without a photo or where the region is empty; status says why, or 'ok'. alignment is that of
    the mesh shading.
    """

    view: int
    name: str
    renderings: dict[str, Rendering]
    shape: ViewShape
    region: np.ndarray
    status: str = "ok"
    masks: dict[str, float | None] = field(default_factory=dict)
    images: dict[str, dict[str, float | None]] = field(default_factory=dict)
    alignment: ColorAlignment | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "view": self.view,
            "name": self.name,
            "status": self.status,
            "region_pixels": int(self.region.sum()),
            "mask": self.masks or None,
            **self.images,
        }


def shape_in_view(
    reconstruction: Reconstruction, camera: Cameras, forearms: tuple[Tensor, Tensor] | None
) -> ViewShape:
    """Where one camera shows the hands, and which pixels are about the wrist's end.

    forearms are those that `find_forearms` found in the masks.
    """
    covered, wrist = reconstruction.covered_and_wrist(camera)
    forearm = np.zeros_like(covered)
    if forearms is not None:
        verts, faces = forearms
        forearm = covered_pixels(verts, faces, camera)[0]
    return ViewShape(covered, wrist_pixels(covered, wrist, forearm))


def score_view(
    view: int,
    name: str,
    renderings: dict[str, Rendering],
    shape: ViewShape,
    photo: np.ndarray | None,
    mask: np.ndarray | None,
    lpips: Lpips | str = "",
) -> ViewResult:
    """Compare renderings (renderer -> image; the first is the mesh shading) with photo and mask.

    `lpips` is the function for it, or in words why there is none.
    """
    measure = None if isinstance(lpips, str) else lpips
    main = next(iter(renderings.values()))
    region = evaluation_region(shape.covered, mask)
    result = ViewResult(view, name, renderings, shape, region)
    if not shape.covered.any():
        result.status = "no hand in this view"
        return result
    if mask is not None:
        nowhere = np.zeros_like(mask)
        result.masks = mask_scores(shape.covered, mask, shape.ignored)
        result.masks["iou_with_forearm"] = mask_scores(shape.covered, mask, nowhere)["iou"]
        if not mask.any():
            result.status = "the mask is empty"
            return result
    if region.sum() < SMALLEST_REGION:
        result.status = "the mask does not overlap the rendered hand"
        return result
    if photo is None:
        result.status = "no photo"
        return result
    result.alignment = align_colors(main.image, photo, region)
    for name, rendering in renderings.items():
        result.images[name] = image_scores(rendering.image, photo, region, measure)
    return result


def judge_view(
    reconstruction: Reconstruction,
    views: EvaluationViews,
    view: int,
    appearance: Appearance,
    forearms: tuple[Tensor, Tensor] | None,
    renderers: Mapping[str, Callable[[Cameras], Sequence[np.ndarray]]],
    lpips: Lpips | str,
    texture: AlbedoTexture | None = None,
) -> ViewResult:
    """Draw one view, with mesh shading (with the texture) and with all renderers, and score it."""
    camera, photo = views.cameras[view], views.image(view)
    shape = shape_in_view(reconstruction, camera, forearms)
    renderings = {"mesh": draw_mesh(reconstruction, camera, appearance, texture)}
    for renderer, draw in renderers.items():
        renderings[renderer] = Rendering(draw(camera)[0], shape.covered)
    name, mask = views.names[view], views.mask(view)
    result = score_view(view, name, renderings, shape, photo, mask, lpips)
    if "mesh" in result.images:
        ideal = image_in_own_light(reconstruction, camera, photo, result.region)
        result.images["mesh"]["psnr_own_light"] = psnr(ideal, photo, result.region)
    return result


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
    fragments = renderer.rasterize(own, verts)
    values = renderer.interpolate(fragments, torch.cat([appearance.albedo, normals, shine], 1))
    albedo, normals, shine = values.double().split(3, dim=1)
    normals = torch.nn.functional.normalize(normals, dim=1)
    at = fragments.y.numpy(), fragments.x.numpy()
    return at, albedo.numpy(), normals.numpy(), shine.numpy()
