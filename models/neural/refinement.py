"""Stage 2 of the neural renderer: the mesh once more, by what a trained renderer says of it.

Vertices move under the geometric terms of HAM so that the renderer's colours lie where the photos
have them. The renderer is held still meanwhile, so that it cannot explain a wrong surface away, as
features that are trained along would: its colours on the skin are what the views agree on, and a
surface that is too far out or in shows them shifted. From time to time its static colours, which
are cheap to solve, are found again on the mesh so far. Where one finger hides another, the photos
say where the border is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.appearance.shown import shown_surface
from models.ham.losses import photometric_loss, silhouette_loss
from models.ham.preconditioning import PreconditionedVertices, UniformAdam
from models.ham.state import HamState, mend_state
from models.ham.surface import surface_terms
from models.neural.fused import colors_at
from models.neural.inputs import SurfaceTable
from models.neural.known import KnownPixels
from models.neural.mesh import NeuralMesh
from models.neural.pixels import TrainingPixels
from models.neural.training import Trained, learning_rate, settle_static
from utils.geometry.mesh import vertex_normals
from utils.optimise import optimise
from utils.photos.crops import Photos, PixelRows
from utils.render import Fragments, Renderer
from utils.stage.config import Config
from utils.viewer.live import watched
from utils.viewer.shown import Shown

SHADED = 200_000  # pixels a step whose colours are compared
RENEWAL = 20  # steps between which static colours are solved again
FARTHEST = 0.3  # of 1: larger colour errors at an occlusion pull no harder


class GeometryTerms:
    """The weighted terms of stage 2, by a renderer ('mlp') trained on `mesh`."""

    def __init__(
        self,
        start: HamState,
        trained: Trained,
        mesh: NeuralMesh,
        photos: Photos,
        config: Config,
    ) -> None:
        self.config, self.photos, self.mesh = config, photos, mesh
        self.trained, self.model = trained, trained.model
        self.gain, self.offset = (factor.detach() for factor in trained.exposure.factors())
        self.centers = photos.cameras.centers().to(start.verts)
        self.faces = torch.from_numpy(start.faces).to(start.verts.device)
        self.renderer = Renderer(self.faces)
        self.surface = surface_terms(start.reference, start.faces)
        self.masked, self.highlights = photos.masked(), mesh.highlights()
        self.mask_weight = config.neural_render.mask_weight * photos.mask_share()

    def renew(self, verts: Tensor) -> None:
        """Solve the renderer's static colours again on the mesh, whose vertices have moved."""
        self.mesh = replace(self.mesh, verts=verts.detach(), known_visibility=self.mesh.visibility)
        pixels = TrainingPixels.of(self.mesh, self.photos)
        settle_static(self.trained, KnownPixels.of(pixels, self.mesh, self.model.shape))

    def __call__(self, verts: Tensor) -> dict[str, Tensor]:
        """Every term times its weight."""
        config, own = self.config, self.config.neural_render
        fragments, surface = self.surface.beside(
            lambda: self.renderer.rasterize(self.photos.cameras, verts), verts
        )
        rim = self.renderer.coverage(fragments)
        pixels = self.photos.at(rim.view, rim.y, rim.x)
        covered = pixels.first(rim.covered)
        columns = self._columns(verts)
        geometry = {
            "lap": config.lap_weight * surface["lap"],
            "edge": config.edge_weight * surface["edge"],
            "delta": config.delta_weight * surface["delta"],
            "fold": config.fold_weight * surface["fold"],
        }
        return {
            "sfs": own.photometric_factor * self._photometric(fragments, columns, covered),
            "occlusion": own.occlusion_weight * self._occlusion(fragments, columns, covered),
            "mask": self.mask_weight
            * silhouette_loss(rim.value, pixels.mask, pixels.silhouette, self.masked),
            **geometry,
        }

    def _columns(self, verts: Tensor) -> Tensor:
        """What the renderer is told at the vertices, and the features."""
        normals, appearance = vertex_normals(verts, self.faces), self.mesh.appearance
        visibility, skin = None, self.mesh.verts
        if "visibility" in self.model.shape.inputs:
            visibility = self.mesh.visibility[: len(verts)]  # follows a small motion
        table = SurfaceTable.of(
            verts,
            normals,
            appearance.vertex_colors(normals)[0],
            torch.ones_like(verts[:, :1]),
            visibility,
            appearance.albedo,
            skin,
            self.model.shape,
        )
        return torch.cat([table.columns, self.model.features.detach()], 1)

    def _colors(self, fragments: Fragments, columns: Tensor) -> Tensor:
        """Colours (N, 3) of the fragments in the exposure of their views."""
        values = self.renderer.interpolate(fragments, columns)
        colors = colors_at(self.model, values, fragments.view, self.centers, self.highlights)
        view = fragments.view.long()
        return colors * self.gain[view] + self.offset[view]

    def _photometric(self, fragments: Fragments, columns: Tensor, pixels: PixelRows) -> Tensor:
        """That of a random part of the fragments."""
        count = len(fragments)
        chosen = torch.randint(count, (min(SHADED, count),), device=columns.device).sort().values
        fragments, pixels = fragments.part(chosen), pixels.part(chosen)
        return self.config.sfs_weight * photometric_loss(
            self._colors(fragments, columns),
            pixels.color,
            pixels.photometric * fragments.front_facing(),
            self.config.outlier_residual,
        )

    def _occlusion(self, fragments: Fragments, columns: Tensor, pixels: PixelRows) -> Tensor:
        """Squared colour error beside occlusions, as a share of the masks' area.

        It moves the border of the nearer surface, nothing else.
        """
        beside = self.renderer.occlusions(fragments)
        pixels = pixels.part(beside)
        with torch.no_grad():
            image = columns.new_zeros(len(fragments), 3)
            image[beside] = self._colors(fragments.part(beside), columns).clamp(0, 1)
        drawn = self.renderer.occlusion_gradient(fragments, image)[beside]
        error = (drawn - pixels.color).clamp(-FARTHEST, FARTHEST).square().mean(1)
        return (error * pixels.photometric).sum() / max(self.masked, 1.0)


def refine_surface(
    start: HamState, trained: Trained, mesh: NeuralMesh, photos: Photos, config: Config
) -> tuple[Tensor, list[dict[str, float]]]:
    """Vertices (V, 3) and the terms of every step.

    `trained` is an MLP renderer of `mesh`, the start as it is drawn; only its static colours
    change. Folds and crossings that the steps left are mended. When the loss turns nan the last
    good state is returned.
    """
    own = config.neural_render
    terms = GeometryTerms(start, trained, mesh, photos, config)
    surface = PreconditionedVertices(start.verts, start.faces, own.smoothness)

    def renewed_terms(step: int) -> dict[str, Tensor]:
        verts = surface.verts()
        if step and step % RENEWAL == 0:
            terms.renew(verts)
        return terms(verts)

    with watched(lambda _: Shown(shown_surface(surface.verts(), start.faces, start.appearance))):
        done = optimise(
            renewed_terms,
            [UniformAdam([surface.u], lr=own.vertex_lr)],
            own.joint_steps,
            learning_rate(own.joint_steps),
            title="stage 2",
            shown=("sfs", "mask"),
            update_last=False,
        )
    refined, _ = mend_state(replace(start, verts=surface.verts().detach()))
    return refined.verts, done.history


@torch.no_grad()
def silhouette_agreement(verts: Tensor, faces: np.ndarray, photos: Photos) -> float | None:
    """IoU of mesh and masks over the believed pixels; None where none is believed."""
    masked = float((photos.rows().mask * photos.rows().silhouette).sum())
    if masked == 0:
        return None
    renderer = Renderer(torch.from_numpy(faces).to(verts.device))
    fragments = renderer.rasterize(photos.cameras, verts)
    rows = photos.at(fragments.view, fragments.y, fragments.x)
    both = float((rows.mask * rows.silhouette).sum())
    covered = float(rows.silhouette.sum())
    return both / max(masked + covered - both, 1.0)
