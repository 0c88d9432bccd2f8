"""How made-up hands move: smooth poses and paths with a fast part, and hands that never touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from utils.synthetic.fields import MM
from utils.synthetic.hands import Hand, build_hand
from utils.synthetic.skeleton import Template

FRAME_RATE = 30.0  # frames a second
CYCLE = 80.0  # frames that a movement takes where it is slow
BURST_EVERY = 60  # frames; each holds one fast part ...
BURST_AT, BURST_WIDTH = 0.6, 2.5  # ... there, as a share of them; its standard deviation in frames
BURST_SPEED = 5.0  # times as fast, on top of the slow movement
KEY_POSES = 4  # of a cycle
CROSSING = 0.055  # metres to either side that a hand goes as it crosses the other
SWAY = 0.02  # metres up and down
SWING = np.array([18.0, 14.0, 22.0])  # degrees that a wrist turns about x, y and z
LEAST_GAP = 8 * MM  # between the hands, in all frames
SIDEWAYS = {"left": 1.0, "right": -1.0}


@dataclass(frozen=True)
class Person:
    """Whose hands move: shape and skin by side, from seeds, so that each frame shows the same."""

    sides: Sequence[str]
    betas: dict[str, np.ndarray]  # (10,) by side
    seeds: dict[str, int]
    melanin: float

    @staticmethod
    def of(sides: Sequence[str], rng: np.random.Generator) -> Person:
        """Somebody."""
        betas = rng.normal(0, 0.8, 10).clip(-1.6, 1.6)
        melanin = rng.uniform(0.05, 0.45)
        own = {side: betas + rng.normal(0, 0.1, 10) for side in sides}
        return Person(sides, own, {side: int(rng.integers(2**31)) for side in sides}, melanin)

    def hand(
        self,
        template: Template,
        side: str,
        levels: int,
        pose: np.ndarray | None = None,
        pose_seed: int | None = None,
    ) -> Hand:
        """The hand of one side, fingers up, in a pose (16, 3) or in one that a seed draws."""
        pose_rng = None if pose_seed is None else np.random.default_rng(pose_seed)
        own, betas = np.random.default_rng(self.seeds[side]), self.betas[side]
        return build_hand(template, side, betas, self.melanin, levels, own, pose_rng, pose)


def phases(frames: int) -> np.ndarray:
    """Where in its cycle the movement is in each frame (frames,), which starts at 0.

    Its speed is even but for short bursts, in which it is BURST_SPEED + 1 times as fast.
    """
    times = np.arange(frames, dtype=float)
    period = min(frames, BURST_EVERY)
    middles = np.arange(BURST_AT * period, frames + BURST_EVERY, BURST_EVERY)
    beside = (times[:, None] - middles) / BURST_WIDTH
    speed = 1 + BURST_SPEED * np.exp(-(beside**2) / 2).sum(1)
    return np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2)]) / CYCLE


def finger_poses(keys: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Poses (T, 16, 3) at the phases (T,) of a smooth loop through the key poses (K, 16, 3)."""
    places = np.arange(len(keys) + 1) / len(keys)
    return CubicSpline(places, np.concatenate([keys, keys[:1]]), bc_type="periodic")(phase % 1)


def moving_hands(
    template: Template, person: Person, levels: int, frames: int, rng: np.random.Generator
) -> list[list[Hand]]:
    """The hands (left first) in every frame, in the world.

    Two hands half face each other, pass each other sideways, one before the other, and never
    come nearer than LEAST_GAP. `levels` of Loop subdivision.
    """
    phase, sequence = phases(frames), []
    moves = {side: _Movement.of(template, person, side, phase, rng) for side in person.sides}
    turn = Rotation.from_euler("z", rng.uniform(-180, 180), degrees=True).as_matrix()
    place = rng.normal([0, 0, 1], 0.12)
    for frame in range(frames):
        hands = []
        for side, move in moves.items():
            hand = person.hand(template, side, levels, pose=move.poses[frame])
            middle = hand.keypoints[9]  # turns go about the palm, which then stays in its place
            hand.move(np.eye(3), -middle)
            hand.move(move.turns[frame], move.path[frame])
            hands.append(hand)
        sequence.append(hands)
    _keep_apart(sequence)
    for hand in (hand for hands in sequence for hand in hands):
        hand.move(turn, place)
        hand.verts = hand.verts.astype(np.float32).astype(np.float64)  # exactly what is written
    return sequence


@dataclass(frozen=True)
class _Movement:
    """One hand's poses (T, 16, 3), turns (T, 3, 3) and places (T, 3) of the palm."""

    poses: np.ndarray
    turns: np.ndarray
    path: np.ndarray

    @staticmethod
    def of(
        template: Template,
        person: Person,
        side: str,
        phase: np.ndarray,
        rng: np.random.Generator,
    ) -> _Movement:
        seeds = rng.integers(2**31, size=KEY_POSES)
        keys = [person.hand(template, side, 0, pose_seed=int(seed)).pose for seed in seeds]
        sign, angle = SIDEWAYS[side], 2 * np.pi * phase
        own = rng.uniform(0, 2 * np.pi, 4)  # where in its own swing each axis begins
        lean = rng.normal([0, 0, 40 * sign], 6, 3)
        swing = np.stack([np.sin(angle + start) for start in own[:3]], 1)
        turns = Rotation.from_euler("xyz", lean + SWING * swing, degrees=True).as_matrix()
        across = -sign * CROSSING * np.cos(angle)
        up = SWAY * np.sin(2 * angle + own[3])
        path = np.stack([across, np.zeros_like(angle), up], 1)
        return _Movement(finger_poses(np.stack(keys), phase), turns, path)


def _keep_apart(sequence: Sequence[Sequence[Hand]]) -> None:
    """Move two hands apart along y, by as much in all frames, until they are LEAST_GAP apart."""
    if len(sequence[0]) < 2:
        return
    while (gap := min(_gap(*hands) for hands in sequence)) < LEAST_GAP:
        step = LEAST_GAP - gap + 0.5 * MM
        for left, right in sequence:
            left.move(np.eye(3), np.array([0, step / 2, 0]))
            right.move(np.eye(3), np.array([0, -step / 2, 0]))
    for left, right in sequence:
        apart = float(cKDTree(left.verts).query(right.verts)[0].min()) / MM
        left.facts["distance_to_other_mm"] = right.facts["distance_to_other_mm"] = apart


def _gap(left: Hand, right: Hand) -> float:
    """Distance of the hands; where they overlap as seen along y, at most how far the left hand lies
    beyond the right one there, which is negative once they have passed through each other."""
    apart = float(cKDTree(right.verts).query(left.verts)[0].min())
    distance, nearest = cKDTree(right.verts[:, [0, 2]]).query(left.verts[:, [0, 2]])
    above = distance < LEAST_GAP
    if not above.any():
        return apart
    return min(apart, float((left.verts[above, 1] - right.verts[nearest[above], 1]).min()))
