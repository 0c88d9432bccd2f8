"""The pose space: poses sampled within joint limits -> mean, components, spread and limits."""

from dataclasses import dataclass

import numpy as np

from mano.open_hand.anatomy import (
    INDEX,
    MIDDLE,
    PINKY,
    RING,
    THUMB,
    UP,
    finger_joints,
    flexion_axes,
    thumb_axes,
)

# How closed the hand is (0 flat, 1 fist) in each kind of pose, and how frequent the kind is;
# None: every finger closes on its own.
CLOSURE = {
    "relaxed": (0.3, 0.2),
    "fist": (0.9, 0.15),
    "open": (0.02, 0.15),
    "independent": (None, 0.25),
    "grasp": (0.5, 0.15),
    "pinch": (0.45, 0.1),
}
# Degrees of a closed finger, their standard deviation, and the joint's limits.
FLEXION = {"mcp": (80, 10, -20, 90), "pip": (100, 0, -3, 110), "dip": (0, 8, -8, 80)}
DIP_FOLLOWS_PIP = 0.6
SPREAD = {INDEX: 1.0, MIDDLE: 0.1, RING: -0.4, PINKY: -1.0}
# Radians of spread in every axis: joints' axes differ between people by some degrees.
AXIS_NOISE = 0.03
LIMIT_QUANTILES = (0.001, 0.999)


@dataclass
class PoseSpace:
    """Axis-angle statistics in radians; rows of `components` are orthonormal."""

    mean: np.ndarray  # (45,)
    components: np.ndarray  # (45, 45)
    std: np.ndarray  # (45,) along the components
    limits: np.ndarray  # (2, 45) least and greatest value of each axis-angle entry


def sample_poses(count: int, directions: np.ndarray, seed: int) -> np.ndarray:
    """(N, 15, 3) axis-angle poses of the right hand; directions (16, 3) as `bone_directions`."""
    rng = np.random.default_rng(seed)
    kinds, shares = list(CLOSURE), [share for _, share in CLOSURE.values()]
    drawn = rng.choice(len(kinds), size=count, p=shares)
    base = np.array([np.nan if CLOSURE[k][0] is None else CLOSURE[k][0] for k in kinds])[drawn]
    poses, axes = np.zeros((count, 15, 3)), flexion_axes(directions)
    for finger in (INDEX, MIDDLE, PINKY, RING):
        joints = finger_joints(finger)
        angles, sideways = _finger_angles(base, finger, rng)
        rotations = np.radians(angles)[:, :, None] * axes[joints]
        rotations[:, 0] -= np.radians(sideways)[:, None] * UP
        rotations[:, 0] += np.radians(rng.normal(0, 2, (count, 1))) * directions[joints[0]]
        poses[:, [j - 1 for j in joints]] = rotations
    poses[:, [j - 1 for j in finger_joints(THUMB)]] = _thumb(base, directions, rng)
    return poses + rng.normal(0, AXIS_NOISE, poses.shape)


def _finger_angles(
    base: np.ndarray, finger: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Flexion (N, 3) and sideways angle (N,) in degrees."""
    count = len(base)
    closed = np.where(np.isnan(base), rng.random(count), rng.normal(base, 0.12).clip(-0.1, 1))

    def flexion(joint: str, centre: np.ndarray) -> np.ndarray:
        _, sd, low, high = FLEXION[joint]
        return (centre + rng.normal(0, 1, count) * sd).clip(low, high)

    mcp = flexion("mcp", closed * FLEXION["mcp"][0])
    pip = flexion("pip", closed * FLEXION["pip"][0])
    dip = flexion("dip", DIP_FOLLOWS_PIP * pip)
    sideways = SPREAD[finger] * rng.normal(0, 8, count) + rng.normal(0, 3, count)
    # A bent knuckle's side ligaments are tight: fingers spread only when straight.
    return np.stack([mcp, pip, dip], axis=1), sideways * (1 - mcp / 90).clip(0.15, 1)


def _thumb(base: np.ndarray, directions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N, 3, 3) axis-angle of the thumb's CMC, MCP and IP joints."""
    count = len(base)
    flexion, opposition = thumb_axes(directions)

    def choose(centre: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(base), rng.random(count), centre)

    opposed = choose(rng.normal(np.minimum(base + 0.1, 0.8), 0.15).clip(0, 1))
    bend = (opposed * 30 + rng.normal(0, 8, count)).clip(-15, 40)
    oppose = (opposed * 30 - 10 + rng.normal(0, 10, count)).clip(-25, 35)
    twist = (opposed * 20 + rng.normal(0, 5, count)).clip(-10, 30)
    mcp = (choose(base) * 45 + rng.normal(0, 8, count)).clip(-10, 55)
    tip = (choose(base) * 60 + rng.normal(0, 12, count)).clip(-15, 75)
    cmc = bend[:, None] * flexion + oppose[:, None] * opposition + twist[:, None] * directions[13]
    return np.radians(np.stack([cmc, mcp[:, None] * flexion, tip[:, None] * flexion], axis=1))


def pose_space(poses: np.ndarray) -> PoseSpace:
    """Principal components of poses (N, 15, 3); a positive first coefficient closes the hand."""
    flat = poses.reshape(len(poses), -1)
    mean = flat.mean(0)
    _, sizes, components = np.linalg.svd(flat - mean, full_matrices=False)
    components *= np.where(components[np.arange(45), np.abs(components).argmax(1)] < 0, -1, 1)[
        :, None
    ]
    if components[0].reshape(15, 3)[1, 2] < 0:
        components[0] *= -1
    limits = np.quantile(flat, LIMIT_QUANTILES, axis=0)
    return PoseSpace(mean, components, sizes / np.sqrt(len(flat)), limits)
