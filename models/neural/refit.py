"""Albedo and light of a refined mesh once more, from some of the views, as HAM finds them.

HAM has seen every photo. What a photo says of a renderer is fair only beside a mesh whose albedo
and light do not know that photo either.
"""

from __future__ import annotations

import torch
from tqdm import tqdm

from models.appearance import Appearance
from models.ham import Terms, appearance_optimizer, decay
from models.ham_state import HamState
from models.lighting import light_spread
from models.neural.refinement import SurfaceStart
from utils.camera_correction import SIZE
from utils.config import Config
from utils.mesh import vertex_normals
from utils.photos import Photos

STEPS = 60  # as HAM takes on its finest level


def refit_appearance(
    start: SurfaceStart, photos: Photos, config: Config, title: str = ""
) -> Appearance:
    """Appearance in the views of `photos`, hand units; nothing of start.appearance is used.

    The mesh stays as it is. The config is the whole one.
    """
    correction = torch.zeros(len(photos.starts), SIZE).to(start.verts)
    state = HamState(start.verts, start.reference, start.faces.cpu().numpy(), correction)
    terms = Terms(state, photos, config)
    appearance, normals = terms.start_appearance(state), vertex_normals(start.verts, start.faces)
    with torch.no_grad():
        fragments = terms.render(start.verts, photos.cameras)
        pixels = photos.at(fragments.view, fragments.y, fragments.x)
    optimizer = appearance_optimizer(appearance, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, decay(STEPS))
    fitted = appearance.copy()
    for _ in tqdm(range(STEPS), desc=title, leave=False, dynamic_ncols=True):
        colors = appearance.colors_in(photos.cameras, start.verts, normals)
        loss = (
            terms.photometric(fragments, colors, pixels)
            + config.albedo_weight * terms.surface.albedo(appearance.albedo)
            + config.light_weight * light_spread(appearance.sh_coeff)
        )
        if not torch.isfinite(loss):
            break  # what the step before had is kept
        fitted = appearance.copy()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    else:
        fitted = appearance.copy()
    fitted.normalise_()
    return fitted
