"""Endless samples for the graph network: posed hands, and keypoints as detectors leave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.gcn.batch_poser import BatchPoser
from models.gcn.frame import PalmFrame
from models.gcn.pose_sampler import PoseSampler
from models.hand import HandModel
from utils.geometry.rotations import random_rotations, rotation_matrices, rotation_vectors
from utils.keypoints import KEYPOINTS
from utils.keypoints.order import FINGER_KEYPOINTS
from utils.keypoints.views import MIN_JOINTS

MM = 1e-3
BLOCK = 32  # batches that are drawn together
SEED_STRIDE = 1_000_003  # between the random streams of two seeds


@dataclass(frozen=True)
class Samples:
    """B right hands in metres: what they are, and what a detector saw of them."""

    verts: Tensor  # (B, V, 3)
    keypoints: Tensor  # (B, 21, 3)
    pose: Tensor  # (B, 48)
    shape: Tensor  # (B, 10)
    points: Tensor  # (B, 21, 3) keypoints with errors
    seen: Tensor  # (B, 21) bool


@dataclass(frozen=True)
class Faults:
    """How keypoints go wrong; lengths in mm of a natural hand."""

    noise: float = 0.0  # standard deviation of each coordinate, at most
    same_noise: bool = False  # every hand has that much noise, instead of at most that
    gross: float = 0.0  # share of joints that are somewhere else
    gross_size: float = 50.0  # how far away, at most
    missing: float = 0.0  # share of joints that are not seen
    clean: float = 0.0  # share of hands without any fault

    @staticmethod
    def of(settings: Mapping[str, Any]) -> Faults:
        """From the config's section `gcn.faults`."""
        return Faults(**settings)


class HandSampler:
    """Draws batches; the n-th batch of a seed is the same on every device and in every order."""

    def __init__(
        self,
        model: HandModel,
        batch: int,
        seed: int,
        poses: Mapping[str, float],
        faults: Faults,
        people: Tensor | None = None,
    ) -> None:
        """`poses` are the shares of `models.gcn.pose_sampler.KINDS`.

        people (N, 45 + 10): poses and shapes of which every second hand takes one.
        """
        self.people = people
        self.batch, self.seed, self.faults = batch, seed, faults
        self.poses, self.poser = PoseSampler(model, poses), BatchPoser(model)
        self.device = model.v_template.device
        self._block: tuple[int, list[Tensor]] = (-1, [])

    def __call__(self, number: int) -> Samples:
        """Batch `number` (0, 1, ...)."""
        block, place = divmod(number, BLOCK)
        if self._block[0] != block:
            self._block = (block, [x.to(self.device) for x in self._draw(block)])
        rows = slice(place * self.batch, (place + 1) * self.batch)
        pose, shape, errors, seen = (x[rows] for x in self._block[1])
        with torch.no_grad():
            verts, keypoints = self.poser(pose, shape)
        return Samples(verts, keypoints, pose, shape, keypoints + errors, seen)

    def _draw(self, block: int) -> tuple[Tensor, ...]:
        """Parameters and faults of BLOCK batches: many small numbers are drawn best together."""
        random = torch.Generator().manual_seed(self.seed * SEED_STRIDE + block)
        count = BLOCK * self.batch
        pose = torch.cat([random_rotations(count, random), self.poses.draw(count, random)], 1)
        shape = torch.randn(count, 10, generator=random)
        if self.people is not None:
            chosen = self.people[torch.randint(len(self.people), (count,), generator=random)]
            pose[::2, 3:], shape[::2] = chosen[::2, :45], chosen[::2, 45:]
        errors, seen = draw_faults(self.faults, count, random)
        return pose, shape, errors, seen


def draw_faults(faults: Faults, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Errors (count, 21, 3) in metres to add to keypoints, and which are seen (count, 21) bool.

    Each hand has its own noise level; half of the missing joints go by whole fingers; at least
    MIN_JOINTS joints stay.
    """

    def uniform(*size: int) -> Tensor:
        return torch.rand(*size, generator=random)

    level = faults.noise * MM * uniform(count, 1, 1).clamp(min=float(faults.same_noise))
    errors = level * torch.randn(count, KEYPOINTS, 3, generator=random)
    off = torch.nn.functional.normalize(torch.randn(count, KEYPOINTS, 3, generator=random), dim=2)
    far = faults.gross_size * MM * uniform(count, KEYPOINTS, 1)
    gross = (uniform(count, KEYPOINTS, 1) < faults.gross) & (uniform(count, 1, 1) < 0.5)
    errors = errors + off * far * gross
    order = uniform(count, KEYPOINTS)
    lost = order < faults.missing * uniform(count, 1)
    for finger in FINGER_KEYPOINTS:
        gone = uniform(count) < faults.missing / 2
        first = (4 * uniform(count)).long()  # the tip alone, or more of the finger
        for k, joint in enumerate(finger):
            lost[:, joint] |= gone & (first <= k)
    rank = order.argsort(1).argsort(1)
    seen = ~lost | (rank >= KEYPOINTS - MIN_JOINTS)
    clean = uniform(count) < faults.clean
    return errors * ~clean[:, None, None], seen | clean[:, None]


def in_frame(samples: Samples, frame: PalmFrame) -> Samples:
    """The same hands as their (faulty) keypoints' palm frame sees them."""
    moved = (frame.to_canonical(x) for x in (samples.verts, samples.keypoints, samples.points))
    verts, keypoints, points = moved
    rotation = rotation_matrices(samples.pose[:, :3])
    turned = frame.rotation.transpose(1, 2) @ rotation
    pose = torch.cat([rotation_vectors(turned), samples.pose[:, 3:]], 1)
    return Samples(verts, keypoints, pose, samples.shape, points, samples.seen)
