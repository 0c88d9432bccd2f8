"""Hands over time, as files have them and as stages take them: one frame after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation, Slerp

POSE_SIZE = 48  # axis-angle: 3 global and 45
Hands = list[dict[str, Any]]  # one dict a hand, as in mano_out/S.pt
ROUNDING = 1e-6  # of a frame: what times may be off


@dataclass(frozen=True)
class HandTrack:
    """One hand over T frames, radians, joints in MANO's order.

    fingers (T, 45) axis-angle in the parents' frames: whole rotations from the flat hand, or, not
    `flat`, relative to the model's hands_mean; wrist (T, 3) axis-angle: rotation in the world, or,
    `from_captured`, a turn after the captured one; trans (T, 3) world units, or None: the place
    stays; seen (T,): where the other numbers mean something.
    """

    fingers: np.ndarray
    wrist: np.ndarray
    seen: np.ndarray
    trans: np.ndarray | None = None
    flat: bool = True
    from_captured: bool = False

    def rows(self, chosen: slice) -> HandTrack:
        """Some of its frames."""
        trans = None if self.trans is None else self.trans[chosen]
        return replace(
            self,
            fingers=self.fingers[chosen],
            wrist=self.wrist[chosen],
            seen=self.seen[chosen],
            trans=trans,
        )

    def at(self, times: np.ndarray, wanted: np.ndarray) -> HandTrack:
        """The hand at the times `wanted` (N,), from its own at `times` (T,), both in seconds.

        Between frames that show it, it moves evenly: wrists on the shortest way, finger angles
        and places along lines. Before the first and after the last of them it stands still.
        """
        known = times[self.seen]
        wanted = wanted.clip(known[0], known[-1])
        fingers, trans = self.fingers[self.seen], self.trans
        if len(known) == 1:
            wrist = np.repeat(self.wrist[self.seen], len(wanted), axis=0)
        else:
            turns = Slerp(known, Rotation.from_rotvec(self.wrist[self.seen]))
            wrist = turns(wanted).as_rotvec()
        return replace(
            self,
            fingers=_between(known, fingers, wanted),
            wrist=wrist,
            seen=np.ones(len(wanted), bool),
            trans=None if trans is None else _between(known, trans[self.seen], wanted),
        )

    def hand(self, side: str, frame: int) -> dict[str, Any]:
        """One frame's hand, as `models.export.reposing` takes it."""
        pose = np.concatenate([self.wrist[frame], self.fingers[frame]])
        hand = {"type": side, "pose": torch.from_numpy(pose), "flat_hand_mean": self.flat}
        if self.from_captured:
            hand["wrist_from_captured"] = True
        if self.trans is not None:
            hand["trans"] = torch.from_numpy(self.trans[frame].copy())
        return hand


@dataclass(frozen=True)
class Track:
    """All hands of a file by side, at times (T,) in seconds that rise; a hand is seen somewhere."""

    hands: Mapping[str, HandTrack]
    times: np.ndarray

    def resampled(self, fps: float) -> Track:
        """The same motion at `fps` frames a second, from its first frame on."""
        own = self.times - self.times[0]
        wanted = np.arange(int(own[-1] * fps + ROUNDING) + 1) / fps
        hands = {side: track.at(own, wanted) for side, track in self.hands.items()}
        return Track(hands, wanted)

    def frames(self) -> list[Hands]:
        """The hands of each frame."""
        return [
            [track.hand(side, frame) for side, track in self.hands.items()]
            for frame in range(len(self.times))
        ]


def _between(times: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Columns of values (T, n) at the times `wanted`."""
    return np.stack([np.interp(wanted, times, column) for column in values.T], 1)
