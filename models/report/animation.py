"""Poses that the 3D view of a report plays: the hands open and close."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.export.reposing import posed_as
from models.gcn.pose_sampler import PoseSampler
from models.hand.fitted import FittedHand
from utils.keypoints.order import FINGER_NAMES, N_JOINTS
from utils.motion.track import Hands

CLOSED = 0.85  # of the way from the mean pose to the limit, in a fist
THUMB_CLOSED = 0.5  # the same of the thumb, which lies before the fingers


@dataclass(frozen=True)
class Clip:
    """One hand's animation: poses (N, 48) relative to hands_mean, and places (N, 3) or None.

    places are translations in world units; None: the hand stays where it is.
    """

    poses: Tensor
    places: Tensor | None = None

    def rotations(self, hand: FittedHand) -> Tensor:
        """Local rotations (N, 16, 4) as quaternions x, y, z, w, as three.js has them."""
        turned = self.poses[:, 3:] + hand.model.hands_mean.to(self.poses)
        vectors = torch.cat([self.poses[:, :3], turned], 1).reshape(-1, N_JOINTS, 3)
        angles = vectors.norm(dim=-1, keepdim=True)
        axes = vectors / angles.clamp(min=1e-12)
        return torch.cat([axes * (angles / 2).sin(), (angles / 2).cos()], -1)


def own_clips(hand: FittedHand) -> dict[str, Clip]:
    """The hand as fitted, closing to a fist, and one finger after another, as key poses.

    Each begins and ends with the fitted pose, and keeps the wrist.
    """
    sampler = PoseSampler(hand.model, {})
    relaxed = torch.zeros(45)
    fingers = [_closed(sampler, [name]) for name in FINGER_NAMES]
    wave = [pose for finger in fingers for pose in (finger, relaxed)]
    fitted = hand.pose[0, 3:].float().cpu()
    fist = _closed(sampler, FINGER_NAMES)
    keys = {"fist": [fitted, relaxed, fist, relaxed, fitted]}
    keys["fingers"] = [fitted, relaxed, *wave, fitted]
    wrist = hand.pose[0, :3].float().cpu()
    return {
        name: Clip(torch.stack([torch.cat([wrist, pose]) for pose in poses]))
        for name, poses in keys.items()
    }


def _closed(sampler: PoseSampler, fingers: list[str] | tuple[str, ...]) -> Tensor:
    """A pose (45,) in which these fingers are closed and the others as the model's mean."""
    pose = torch.zeros(45)
    for finger in fingers:
        share = THUMB_CLOSED if finger == "thumb" else CLOSED
        for angle, sign in sampler.closing[finger]:
            limit = sampler.high if sign > 0 else sampler.low
            pose[angle] = share * limit[angle]
    return pose


def given_clip(hand: FittedHand, frames: list[Hands]) -> Clip:
    """The frames of a file of poses for this hand; it stays as it is where a frame lacks it."""
    own = [next((h for h in hands if h["type"] == hand.side), None) for hands in frames]
    posed = [hand if each is None else posed_as(hand, each) for each in own]
    poses = torch.cat([each.pose for each in posed]).float()
    return Clip(poses, torch.cat([each.trans for each in posed]))
