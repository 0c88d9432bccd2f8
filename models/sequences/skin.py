"""What all frames share of how hands look: albedo, light, and the mean detail at rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.appearance.model import Appearance, vertex_samples
from models.ham.results import HamResult
from models.hand.fitted import FittedHand, hand_slices
from models.sequences.resting import RestingMesh
from utils.render import Renderer

ENOUGH = 20.0  # pixels of a vertex, all views together: more count no more
HARDLY = 0.05  # pixels of a vertex that no view sees: what the regularisation says counts little
BLEND = 100.0  # lambda of (I + lambda L)^-1: frames blend over ten edges, lest the mean has folds


@dataclass(frozen=True)
class SharedSkin:
    """albedo (V', 3) and mean offsets (V', 3), metres at rest, of each side; light, gain and
    camera corrections of the rig's views (views, ...), highlights, and what photos are shrunk by.
    """

    albedo: dict[str, Tensor]
    detail: dict[str, Tensor]
    sh_coeff: Tensor
    gain: Tensor
    lobes: Tensor | None
    correction: Tensor
    photo_scale: float

    def appearance(self, sides: Sequence[str], views: Sequence[int]) -> Appearance:
        """How hands of these sides look in these views."""
        albedo = torch.cat([self.albedo[side] for side in sides])
        rows = list(views)
        return Appearance(albedo, self.sh_coeff[rows], self.gain[rows], self.lobes)

    def as_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a file."""
        return dict(vars(self))


@dataclass(frozen=True)
class RefinedFrame:
    """A frame that was refined from scratch; views: the rig's, in its cameras' order."""

    hands: Sequence[FittedHand]
    result: HamResult
    views: Sequence[int]


def shared_skin(
    frames: Sequence[RefinedFrame], meshes: Mapping[str, RestingMesh], views: int
) -> SharedSkin:
    """The mean of these frames, each vertex weighed by how much the views see of it.

    views: how many the rig has. Views that no frame has get the others' mean.
    """
    albedo, detail, weights = {}, {}, {}
    for frame in frames:
        state = frame.result.state
        verts = torch.from_numpy(frame.result.verts_world())
        seen = _seen(frame.result)
        for hand, part in zip(frame.hands, hand_slices(len(verts), len(frame.hands))):
            side = hand.side
            weight = meshes[side].smoothed(seen[part, None], BLEND).clamp(min=HARDLY)
            offsets = meshes[side].offsets(hand, verts[part])
            own = state.appearance.albedo[part].cpu()
            albedo[side] = albedo.get(side, 0) + weight * own
            detail[side] = detail.get(side, 0) + weight.double() * offsets
            weights[side] = weights.get(side, 0) + weight
    looks = [frame.result.state.appearance.to("cpu") for frame in frames]
    lobes = [look.lobes for look in looks if look.lobes is not None]
    return SharedSkin(
        albedo={side: value / weights[side] for side, value in albedo.items()},
        detail={side: value / weights[side].double() for side, value in detail.items()},
        sh_coeff=_of_views(frames, [look.sh_coeff for look in looks], views),
        gain=_of_views(frames, [look.gain for look in looks], views),
        lobes=torch.stack(lobes).mean(0) if 2 * len(lobes) > len(looks) else None,
        correction=_of_views(frames, [f.result.state.correction.cpu() for f in frames], views),
        photo_scale=min(frame.result.photo_scale for frame in frames),
    )


def _seen(result: HamResult) -> Tensor:
    """Pixels (V,) of the photos that each vertex has a share in, up to ENOUGH."""
    state, cameras = result.state, result.cameras.to(dtype=torch.float32)
    verts, faces = state.verts.cpu(), torch.from_numpy(state.faces)
    total = torch.zeros(len(verts))
    renderer = Renderer(faces, backend="cpu")
    for view in range(len(cameras)):
        fragments = renderer.rasterize(cameras[view], verts)
        facing = fragments.front_facing().float()
        nothing = torch.zeros(len(fragments), 3)
        _, weights = vertex_samples(renderer, fragments, nothing, facing)
        total += weights[0]
    return total.clamp(max=ENOUGH)


def _of_views(frames: Sequence[RefinedFrame], values: Sequence[Tensor], views: int) -> Tensor:
    """The mean over frames of each view's numbers (views, n)."""
    total = values[0].new_zeros(views, values[0].shape[1])
    counts = total.new_zeros(views, 1)
    for frame, own in zip(frames, values):
        total[list(frame.views)] += own
        counts[list(frame.views)] += 1
    everywhere = total.sum(0) / counts.sum().clamp(min=1)
    return torch.where(counts > 0, total / counts.clamp(min=1), everywhere)
