"""How a hand's joints move, as engines take it: rotations in the parents' frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.export.reposing import Reposer
from models.export.scene import SceneFrame
from models.ham.reconstruction import Reconstruction
from models.hand.fitted import FittedHand
from utils.geometry.rotations import rotation_matrices
from utils.keypoints.order import N_JOINTS
from utils.motion.track import Hands

FPS = 24.0  # frames a second of a motion that says nothing else


@dataclass(frozen=True)
class Motion:
    """T frames of one hand: rotations (T, 16, 3, 3), each in its parent's frame, the wrist's in the
    scene's; places (T, 3) of the wrist in the scene, metres; fps."""

    rotations: np.ndarray
    places: np.ndarray
    fps: float = FPS

    def __len__(self) -> int:
        return len(self.places)

    @property
    def times(self) -> np.ndarray:
        """Seconds (T,) of the frames."""
        return np.arange(len(self)) / self.fps


def motion_of(hands: Sequence[FittedHand], frame: SceneFrame, fps: float = FPS) -> Motion:
    """The motion of one hand that takes these poses, one a frame."""
    rotations, places = [], []
    for hand in hands:
        pose = torch.cat([hand.pose[0, :3], hand.pose[0, 3:] + hand.model.hands_mean])
        turns = rotation_matrices(pose.reshape(N_JOINTS, 3)).numpy()
        turns[0] = frame.rotation @ turns[0]
        wrist = hand.scale * hand.model.rest_joints(hand.shape)[0, 0] + hand.trans[0]
        rotations.append(turns)
        places.append(frame.apply(wrist.numpy()))
    return Motion(np.stack(rotations), np.stack(places), fps)


def motions_of(
    reconstruction: Reconstruction, frames: Sequence[Hands], frame: SceneFrame, fps: float = FPS
) -> dict[str, Motion]:
    """The motion of each hand by side; frames as `utils.motion.load.load_motion` reads them.

    Raises UserError where a frame names only hands that the reconstruction lacks.
    """
    reposer = Reposer(reconstruction)
    posed = [reposer.hands(target) for target in frames]
    return {
        side: motion_of([hands[side] for hands in posed], frame, fps)
        for side in reconstruction.sides
    }
