"""Poses to learn from and to test on: drawn within a hand model's own limits, of several kinds.

Works for any hand model, since it reads which angle closes a finger or moves it sideways off the
model itself. Poses are (N, 45) axis-angle in radians, relative to hands_mean, and always within
`pose_limits`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.hand import HandModel
from utils.keypoints.order import FINGER_KEYPOINTS, FINGER_NAMES, JOINT_NAMES

KINDS = ("prior", "fingers", "limits", "fist", "crossed")
PRIOR_SPREAD = 1.3  # of the model's own standard deviations
CLOSED = (0.75, 1.0)  # of the way from the mean to the limit, in a fist
BENT = (0.0, 0.5)  # the same of crossed fingers
STEP = 0.05  # radians, of the difference quotients that tell what an angle does


class PoseSampler:
    """Draws poses of one right-hand model on the CPU, reproducibly."""

    def __init__(self, model: HandModel, shares: Mapping[str, float]) -> None:
        """`shares` says how frequent each of KINDS is; they are normalised."""
        self.shares = torch.tensor([float(shares.get(kind, 0)) for kind in KINDS])
        self.low, self.high = model.pose_limits.detach().float().cpu()
        std = model.hands_std.detach().float().cpu() * PRIOR_SPREAD
        self.spread = std[:, None] * model.hands_components.detach().float().cpu()
        self.angles = [_angles_of(finger) for finger in FINGER_NAMES]
        closing, sideways = _effects(model)
        self.closing = self._main_angles(closing)
        for joints in self.closing.values():
            sideways[[angle for angle, _ in joints]] = 0  # a bent finger is not meant
        self.sideways = {f: joints[0] for f, joints in self._main_angles(sideways).items()}

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """(count, 45) poses of all kinds, in the constructor's shares."""
        kinds = torch.multinomial(self.shares, count, True, generator=random)
        poses = torch.empty(count, 45)
        for number, kind in enumerate(KINDS):
            rows = kinds == number
            poses[rows] = self.of_kind(kind, int(rows.sum()), random)
        return poses

    def of_kind(self, kind: str, count: int, random: torch.Generator) -> Tensor:
        """(count, 45) poses of one of KINDS."""
        poses = getattr(self, f"_{kind}")(count, random)
        return torch.minimum(torch.maximum(poses, self.low), self.high)

    def _prior(self, count: int, random: torch.Generator) -> Tensor:
        """As the model's own poses are distributed."""
        return torch.randn(count, 45, generator=random) @ self.spread

    def _fingers(self, count: int, random: torch.Generator) -> Tensor:
        """The same, each finger taken from another pose."""
        poses = torch.empty(count, 45)
        for angles in self.angles:
            poses[:, angles] = self._prior(count, random)[:, angles]
        return poses

    def _limits(self, count: int, random: torch.Generator) -> Tensor:
        """Every angle anywhere between its limits, the angles of a finger closing together."""
        share = torch.rand(count, 45, generator=random)
        poses = self.low + share * (self.high - self.low)
        for joints in self.closing.values():
            together = torch.rand(count, 1, generator=random)
            own = torch.rand(count, len(joints), generator=random)
            share = (0.7 * together + 0.3 * own).clamp(0, 1)
            for k, (angle, sign) in enumerate(joints):
                poses[:, angle] = self._towards(angle, sign, 1.3 * share[:, k] - 0.3)
        return poses

    def _fist(self, count: int, random: torch.Generator) -> Tensor:
        """All fingers closed nearly as far as they go, the thumb anywhere."""
        poses = 0.5 * self._prior(count, random)
        for finger, joints in self.closing.items():
            for angle, sign in joints:
                share = _between(CLOSED, count, random)
                if finger == "thumb":
                    share = torch.rand(count, generator=random)
                poses[:, angle] = self._towards(angle, sign, share)
        return poses

    def _crossed(self, count: int, random: torch.Generator) -> Tensor:
        """Two neighbours bent over one another: each as far sideways, towards it, as it goes."""
        poses = 0.5 * self._fingers(count, random)
        first = torch.randint(1, 4, (count,), generator=random)  # index, middle or ring
        for number, finger in enumerate(FINGER_NAMES[1:], 1):
            for offset, towards in ((0, 1.0), (1, -1.0)):
                rows = first + offset == number
                amount = int(rows.sum())
                angle, sign = self.sideways[finger]
                share = _between(CLOSED, amount, random)
                poses[rows, angle] = self._towards(angle, sign * towards, share)
                share = _between(BENT, amount, random)
                for angle, sign in self.closing[finger]:
                    poses[rows, angle] = self._towards(angle, sign, share)
        return poses

    def _towards(self, angle: int, sign: float, share: Tensor) -> Tensor:
        """Angles that far from the mean (0) to the limit (1) on the side of `sign`.

        Negative shares go to the other side's limit.
        """
        ahead, behind = (self.high, self.low) if sign > 0 else (self.low, self.high)
        return torch.where(share >= 0, share * ahead[angle], -share * behind[angle])

    def _main_angles(self, effect: Tensor) -> dict[str, list[tuple[int, float]]]:
        """For each joint of a finger, the angle of most effect over its range, and its sign."""
        reach = effect * (self.high - self.low)
        main = {}
        for finger, own in zip(FINGER_NAMES, self.angles):
            joints = [own[k : k + 3] for k in (0, 3, 6)]
            best = [max(joint, key=lambda a: abs(float(reach[a]))) for joint in joints]
            main[finger] = [(a, float(effect[a].sign())) for a in best]
        return main


def _between(ends: tuple[float, float], count: int, random: torch.Generator) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * torch.rand(count, generator=random)


def _angles_of(finger: str) -> list[int]:
    """Places of a finger's nine angles, root joint first."""
    joints = [JOINT_NAMES.index(f"{finger}{k}") - 1 for k in (1, 2, 3)]
    return [3 * joint + axis for joint in joints for axis in range(3)]


def _effects(model: HandModel) -> tuple[Tensor, Tensor]:
    """What a radian of each of the 45 angles does to its finger's tip, metres.

    closing (45,): how much nearer to the wrist; sideways (45,): how far across the palm, from
    the index towards the little finger.
    """
    zeros = torch.zeros(46, 48).to(model.v_template)
    zeros[1:, 3:] = STEP * torch.eye(45)
    shape, place = zeros.new_zeros(46, 10), zeros.new_zeros(46, 3)
    with torch.no_grad():
        points = model.joints_and_tips(zeros, shape, place, zeros.new_ones(46)).float().cpu()
    across = points[0, 17] - points[0, 5]
    across = across / across.norm()
    closing, sideways = torch.zeros(45), torch.zeros(45)
    for finger, keypoints in zip(FINGER_NAMES, FINGER_KEYPOINTS):
        tip = points[:, keypoints[3]]
        nearer = (tip - points[:, 0]).norm(dim=1)
        for angle in _angles_of(finger):
            closing[angle] = (nearer[0] - nearer[1 + angle]) / STEP
            sideways[angle] = (tip[1 + angle] - tip[0]) @ across / STEP
    return closing, sideways
