"""Detail of one frame of a sequence: from that of the frame before, on skin that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.appearance.model import Appearance
from models.ham.mending import Soundness, bad_faces
from models.ham.preconditioning import CholeskySolver, UniformAdam, smoothing_solver
from models.ham.refine import Terms, decay
from models.ham.results import HamResult, RestSurface
from models.ham.state import HamState, LevelReport, hand_frame, mend_state
from models.hand.fitted import FittedHand, HandsMesh, hand_slices
from models.sequences.light import relit
from models.sequences.resting import RestingMesh
from models.sequences.skin import SharedSkin
from utils.cameras import Similarity
from utils.captures import Capture
from utils.captures.trusted_views import trusted_views
from utils.geometry.mesh import vertex_normals
from utils.optimise import optimise
from utils.photos.crops import Photos, pack_photos
from utils.stage.config import Config

Offsets = dict[str, Tensor]  # (V', 3) metres at rest, by side


class TrackingTerms(Terms):
    """The terms of vertices alone: albedo, cameras and the light at the start are held.

    The state's reference is the hand with the sequence's mean detail, so what the surface terms
    smooth and hold small is a frame's offset from that.
    """

    def __init__(self, state: HamState, photos: Photos, config: Config) -> None:
        super().__init__(state, photos, config)
        self.held: Appearance = relit(self, state)
        self.held_cameras = self.cameras.corrected(state.correction)

    def of(self, verts: Tensor) -> dict[str, Tensor]:
        """Every term times its weight, of vertices (V, 3)."""
        config, normals = self.config, vertex_normals(verts, self.faces)
        fragments, surface = self.surface.beside(
            lambda: self.render(verts, self.held_cameras), verts
        )
        photometric, silhouette = self.pixels(
            fragments, self.held, self.held_cameras, verts, normals
        )
        return {
            "sfs": config.sfs_weight * photometric,
            "mask": config.mask_weight * silhouette,
            "lap": config.lap_weight * surface["lap"],
            "edge": config.edge_weight * surface["edge"],
            "delta": config.sequence.detail_weight * surface["delta"],
            "fold": config.fold_weight * surface["fold"],
        }


@dataclass(frozen=True)
class Tracked:
    """A frame's result, its hands at rest, and its offsets, from which the next frame starts."""

    result: HamResult
    rests: list[RestSurface]
    offsets: Offsets


class Tracker:
    """Refines frame after frame; what only depends on the mesh is kept.

    meshes: each side's; skin: what the frames share.
    """

    def __init__(
        self, meshes: Mapping[str, RestingMesh], skin: SharedSkin, config: Config, device: str
    ) -> None:
        self.meshes, self.skin, self.config, self.device = meshes, skin, config, device
        self.level = config.ham_levels[-1]
        self._solvers: dict[tuple[str, ...], CholeskySolver] = {}  # by the hands' sides

    def track(
        self,
        capture: Capture,
        hands: HandsMesh,
        views: Sequence[int],
        before: Mapping[str, Tensor],
        title: str,
    ) -> Tracked:
        """Refine one frame. before: offsets of the frame before it, of the hands that it had."""
        fitted = [
            FittedHand.of_dict(hand, self.meshes[hand["type"]].model) for hand in hands.parameters
        ]
        state, frame, reference = self._start(fitted, hands, before, views)
        cameras = capture.cameras.normalised(frame)
        coarse = frame.inverse().apply(torch.from_numpy(hands.verts)).numpy()
        crops, verdicts = trusted_views(capture, cameras, coarse, hands.folder)
        scale = self.skin.photo_scale
        photos = pack_photos(crops, cameras, scale * self.level.image_scale, self.device)
        sides = tuple(hand.side for hand in fitted)
        state, soundness = self._mended(self._refined(state, photos, sides, title))
        report = LevelReport.of(state, soundness, 0)
        state = replace(state, reference=reference)
        names = capture.names
        result = HamResult(state, frame, cameras, crops, verdicts, [report], names, scale)
        return Tracked(result, *self._at_rest(fitted, torch.from_numpy(result.verts_world())))

    @staticmethod
    def _mended(state: HamState) -> tuple[HamState, Soundness]:
        """`mend_state`; what the mean detail had is only asked where something is to be mended."""
        if len(bad_faces(state.verts.cpu().double().numpy(), state.faces)) == 0:
            return state, Soundness(start=0, found=0, left=0)
        return mend_state(state)

    def _at_rest(
        self, hands: Sequence[FittedHand], verts: Tensor
    ) -> tuple[list[RestSurface], Offsets]:
        """Refined vertices (V, 3), world units, of all hands un-posed; their offsets by side."""
        rests, offsets = [], {}
        for hand, part in zip(hands, hand_slices(len(verts), len(hands))):
            mesh, side = self.meshes[hand.side], hand.side
            rest = mesh.unposed(hand, verts[part])
            rests.append(RestSurface(side, (rest * hand.scale).numpy(), mesh.faces))
            offsets[side] = rest - mesh.rest(hand)
        return rests, offsets

    def _start(
        self,
        fitted: Sequence[FittedHand],
        hands: HandsMesh,
        before: Mapping[str, Tensor],
        views: Sequence[int],
    ) -> tuple[HamState, Similarity, Tensor]:
        """Where the frame starts, with the mean detail as its reference; world_from_hand_units;
        and the parametric hands (V, 3)."""
        frame = hand_frame(hands)
        detail = self.skin.detail

        def together(parts: Sequence[Tensor]) -> Tensor:
            return frame.inverse().apply(torch.cat(list(parts))).to(self.device, torch.float32)

        meshes = [self.meshes[hand.side] for hand in fitted]
        mean = together([m.posed(h, detail[h.side]) for m, h in zip(meshes, fitted)])
        starts = [before.get(hand.side, detail[hand.side]) for hand in fitted]
        start = together([m.posed(h, own) for m, h, own in zip(meshes, fitted, starts)])
        reference = together([m.reference(h) for m, h in zip(meshes, fitted)])
        first = np.cumsum([0, *(len(mesh.weights) for mesh in meshes)])
        faces = np.concatenate([mesh.faces + k for mesh, k in zip(meshes, first)])
        appearance = self.skin.appearance([h.side for h in fitted], views).to(self.device)
        correction = self.skin.correction[list(views)].to(self.device)
        state = HamState(
            verts=start,
            reference=mean,
            faces=faces,
            correction=correction,
            hands=len(fitted),
            subdivisions=self.subdivisions,
            appearance=appearance,
        )
        return state, frame, reference

    @property
    def subdivisions(self) -> int:
        """How often the hand models' meshes are subdivided."""
        return next(iter(self.meshes.values())).subdivisions

    def _refined(
        self, state: HamState, photos: Photos, sides: tuple[str, ...], title: str
    ) -> HamState:
        options = self.config.sequence
        terms = TrackingTerms(state, photos, self.config)
        solver, start = self._solver(state, sides), state.verts
        u = torch.zeros_like(start).requires_grad_(True)
        done = optimise(
            lambda _: terms.of(start + solver(u)),
            [UniformAdam([u], lr=options.lr)],
            options.steps,
            decay(options.steps),
            title,
            shown=("sfs", "mask"),
        )
        verts = (start + solver(u)).detach()
        return replace(state, verts=verts, appearance=terms.held, history=done.history)

    def _solver(self, state: HamState, sides: tuple[str, ...]) -> CholeskySolver:
        """(I + smoothness L)^-1 of the mesh of these hands."""
        if sides not in self._solvers:
            self._solvers[sides] = smoothing_solver(
                state.faces, len(state.verts), self.level.smoothness, state.verts.device
            )
        return self._solvers[sides]
