"""Posed model hands of known parameters before cameras on a ring, with exact masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from models.fitting.observations import Observations
from models.hand import load_hand_model
from models.hand.fitted import FittedHand, joined_mesh
from tests.scenes.captures import project, ring_of_cameras
from utils.cameras import Cameras
from utils.cameras.correction import CorrectableCameras
from utils.keypoints.search import match_detections
from utils.render import Renderer
from utils.stage.config import load_config


@dataclass(frozen=True)
class HandScene:
    """Known hands, cameras, what an exact detector sees, and exact masks."""

    hands: list[FittedHand]
    cameras: Cameras
    points: np.ndarray  # (2, 21, 3), nan for absent hands
    xy: np.ndarray  # (N, 2, 21, 2)
    masks: list[np.ndarray]

    @property
    def models(self) -> list:
        """The hands' models."""
        return [hand.model for hand in self.hands]

    @property
    def confidence(self) -> np.ndarray:
        """1 where a keypoint is seen (N, 2, 21)."""
        return np.isfinite(self.xy[..., 0]).astype(float)

    def observations(self, **changed: Any) -> Observations:
        """What a fit is held against; `changed` fields (detections by any name) instead of these.

        There are no masks and no photos but those given.
        """
        seen = Observations(
            points=self.points,
            cameras=self.cameras,
            xy=self.xy,
            confidence=self.confidence,
            masks=[None] * len(self.cameras),
        )
        seen = replace(seen, **changed)
        xy, confidence = match_detections(
            seen.points, seen.cameras, seen.xy, seen.confidence, load_config().pose_optim
        )
        return replace(seen, xy=xy, confidence=confidence)


def hand_scene(
    sides: Sequence[str] = ("left", "right"), views: int = 8, seed: int = 0, unit: float = 1.0
) -> HandScene:
    """Hands 0.2 m apart before cameras 0.8 m away; `unit` world units a metre."""
    rng = np.random.default_rng(seed)
    shape = torch.from_numpy(0.7 * rng.normal(size=(1, 10)))
    hands = [_hand(side, shape, rng, unit) for side in sides]
    cameras = ring_of_cameras(views, size=(300, 400), focal=620.0)
    cameras = replace(cameras, t=cameras.t * unit)
    points = np.full((2, 21, 3), np.nan)
    for hand in hands:
        points[("left", "right").index(hand.side)] = hand.keypoints().numpy()
    return HandScene(hands, cameras, points, project(cameras, points), masks_of(hands, cameras))


def _hand(side: str, shape: torch.Tensor, rng: np.random.Generator, unit: float) -> FittedHand:
    model = load_hand_model(side, "open", dtype=torch.float64)
    components = model.hands_components.T * model.hands_std
    pose = components[:, :12] @ torch.from_numpy(0.6 * rng.normal(size=12))
    turn = torch.from_numpy(rng.normal(size=3))
    trans = torch.tensor([[-0.1 if side == "left" else 0.1, 0.0, 0.0]]).double()
    size = torch.tensor([1.03 * unit]).double()
    return FittedHand(model, torch.cat([turn, pose])[None], shape, trans * unit, size)


def masks_of(hands: list[FittedHand], cameras: Cameras) -> list[np.ndarray]:
    """Exact silhouettes (H, W) bool of all hands together."""
    verts, faces = (torch.from_numpy(part) for part in joined_mesh(hands))
    fragments = Renderer(faces, backend="cpu").rasterize(cameras, verts)
    images = [np.zeros(size, bool) for size in cameras.sizes.tolist()]
    for view, image in enumerate(images):
        rows = fragments.view == view
        image[fragments.y[rows], fragments.x[rows]] = True
    return images


def moved(cameras: Cameras, view: int, px: float) -> Cameras:
    """Cameras of which one is turned so that the world's origin moves by `px` pixels in x."""
    views = CorrectableCameras(cameras, torch.zeros(3).double())
    correction = torch.zeros(len(cameras), 6).double()
    correction[view, 3] = px / cameras.K[view, 0, 0]
    return views.corrected(correction)


def surface_error(found: list[FittedHand], true: list[FittedHand]) -> float:
    """Largest mean distance of a hand's vertices to where they should be, world units."""
    return max(float((a.verts() - b.verts()).norm(dim=1).mean()) for a, b in zip(found, true))
