"""The course of each hand over a sequence: smoothed where it was seen, bridged over short gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

from models.hand.fitted import FittedHand
from models.hand.kinematics import LAYOUT
from models.sequences.smoothing import Measured, second_differences, smooth
from models.sequences.walk import FramePoses
from utils.geometry.rotations import rotation_and_jacobian

FINGER = 9  # angles
PARTS = [LAYOUT["trans"], LAYOUT["rotation"]]
PARTS += [slice(k, k + FINGER) for k in range(LAYOUT["pose"].start, LAYOUT["pose"].stop, FINGER)]
SIZE = LAYOUT["pose"].stop


@dataclass(frozen=True)
class Course:
    """One hand at T even steps of time.

    rotation (T, 3) and pose (T, 45) radians, as S.pt has them; trans (T, 3), world units; seen (T,)
    bool: fitted in that frame; bridged (T,) bool: between frames that are, not too far apart.
    noise: standard deviation of the fits' errors over what their residuals claim.
    Elsewhere the hand stays as it is in the nearest frame, or goes evenly over a long gap.
    """

    rotation: np.ndarray
    pose: np.ndarray
    trans: np.ndarray
    seen: np.ndarray
    bridged: np.ndarray
    noise: float

    def hand(self, like: FittedHand, frame: int) -> FittedHand:
        """The hand of one frame; `like` has its model, shape and scale."""
        pose = torch.from_numpy(np.concatenate([self.rotation[frame], self.pose[frame]]))[None]
        return FittedHand(
            like.model, pose, like.shape, torch.from_numpy(self.trans[frame])[None], like.scale
        )


def course_of(
    side: str, frames: Mapping[int, FramePoses], steps: int, longest_bridge: int, smoothing: bool
) -> Course | None:
    """The course of one side's hand over `steps` steps; None where no frame shows it.

    frames: what was fitted, by step. Gaps of up to `longest_bridge` steps are bridged; longer ones
    part the sequence, whose pieces are smoothed on their own.
    """
    seen = np.array([t in frames and side in frames[t].hands for t in range(steps)])
    if not seen.any():
        return None
    measured = np.flatnonzero(seen)
    hands = [frames[t].hands[side] for t in measured]
    scale = float(hands[0].scale)
    values = _interpolated(measured, hands, steps)
    information, counts = np.zeros((steps, SIZE, SIZE)), np.zeros(steps)
    for step in measured:
        rotation, counts[step] = values[step, LAYOUT["rotation"]], frames[step].counts[side]
        information[step] = _about_turns(frames[step].information[side].numpy(), rotation)
    values[:, LAYOUT["trans"]] /= scale  # metres, as the information is in
    bridged, noises = np.zeros(steps, bool), []
    for piece in _pieces(measured, longest_bridge):
        bridged[piece] = ~seen[piece]
        if smoothing:
            values[piece], noise = _smoothed(values[piece], information[piece], counts[piece])
            noises.append(noise)
    values[:, LAYOUT["trans"]] *= scale
    return Course(
        values[:, LAYOUT["rotation"]],
        values[:, LAYOUT["pose"]],
        values[:, LAYOUT["trans"]],
        seen,
        bridged,
        float(np.mean(noises)) if noises else 1.0,
    )


def _pieces(measured: np.ndarray, longest_bridge: int) -> list[slice]:
    """Runs of steps without a longer gap than that."""
    breaks = np.flatnonzero(np.diff(measured) > longest_bridge + 1)
    starts = measured[np.concatenate([[0], breaks + 1])]
    ends = measured[np.concatenate([breaks, [len(measured) - 1]])]
    return [slice(int(a), int(b) + 1) for a, b in zip(starts, ends)]


def _interpolated(measured: np.ndarray, hands: Sequence[FittedHand], steps: int) -> np.ndarray:
    """Values (T, 51) of the measured steps, and evenly between them; constant beyond."""
    times = np.clip(np.arange(steps), measured[0], measured[-1])
    pose = np.stack([hand.pose[0].numpy() for hand in hands])
    trans = np.stack([hand.trans[0].numpy() for hand in hands])
    values = np.empty((steps, SIZE))
    for part, given in (("trans", trans), ("pose", pose[:, 3:])):
        for column, own in zip(range(*LAYOUT[part].indices(SIZE)), given.T):
            values[:, column] = np.interp(times, measured, own)
    turns = Rotation.from_rotvec(pose[:, :3])
    between = turns if len(measured) == 1 else Slerp(measured, turns)(times)
    values[:, LAYOUT["rotation"]] = between.as_rotvec()
    return values


def _about_turns(information: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Information in a rotation vector as information in small turns of the world about it."""
    _, left = rotation_and_jacobian(torch.from_numpy(rotation))
    by_turn = np.eye(SIZE)
    by_turn[LAYOUT["rotation"], LAYOUT["rotation"]] = np.linalg.inv(left.numpy())
    return by_turn.T @ information @ by_turn


def _smoothed(
    values: np.ndarray, information: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, float]:
    """Values of a piece (T, 51), and its noise; rotations go by small turns of the world."""
    if len(values) < 3:
        return values, 1.0
    turns = Rotation.from_rotvec(values[:, LAYOUT["rotation"]])
    steps = (turns[1:] * turns[:-1].inv()).as_rotvec()
    accelerations = second_differences(values)
    accelerations[:, LAYOUT["rotation"]] = steps[1:] - steps[:-1]
    given = values.copy()
    given[:, LAYOUT["rotation"]] = 0
    found, noise = smooth(Measured(given, information, counts, accelerations), PARTS)
    offset = Rotation.from_rotvec(found[:, LAYOUT["rotation"]])
    found[:, LAYOUT["rotation"]] = (offset * turns).as_rotvec()
    return found, noise
