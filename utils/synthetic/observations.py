"""What a rig records of a made-up scene: masks, 8-bit photos, and a detector's faulty keypoints."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from utils.cameras import Cameras
from utils.captures.pose_files import POSE_KEYS
from utils.io.images import to_bytes
from utils.keypoints import KEYPOINTS, SIDES
from utils.synthetic.fields import smoothstep, srgb_from_linear, unit

BACKDROP = np.array([0.9, 1.0, 1.12]) * 0.0045  # linear
BACKDROP_RISE = 0.9  # how much brighter it is overhead
BRIGHT_SKIN = 0.58  # linear value that the brightest 5 % of the skin starts at
REFERENCE_WIDTH = 640  # pixels; errors below are at this image width and grow with it
NOISE_SD = 2.0  # pixels, each axis
OUTLIER_SHARE, OUTLIER_DISTANCE = 0.05, (20.0, 60.0)  # of the keypoints; pixels
MISSED_SHARE = 1 / 8  # of the views: one hand is not found
SWAPPED_SHARE = 1 / 10  # of the views with two hands: left and right are exchanged
OTHER = dict(zip(SIDES, reversed(SIDES)))


def covered_pixels(px: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Mask (H, W): pixels whose centre lies inside or on a projected triangle.

    px (V, 2) pixels of a closed mesh in front of the camera, faces (F, 3), size (H, W).
    """
    height, width = size
    corners = px[faces]
    low = np.maximum(np.ceil(corners.min(1)), 0).astype(np.int64)
    high = np.minimum(np.floor(corners.max(1)), [width - 1, height - 1]).astype(np.int64)
    spans = np.maximum(high - low + 1, 0)
    counts = spans.prod(1)
    face = np.repeat(np.arange(len(faces)), counts)
    within = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    x = low[face, 0] + within % spans[face, 0]
    y = low[face, 1] + within // spans[face, 0]
    sides = []
    for k in range(3):
        a, b = corners[face, k], corners[face, (k + 1) % 3]
        sides.append((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0]))
    inside = np.all(np.stack(sides) >= 0, 0) | np.all(np.stack(sides) <= 0, 0)
    mask = np.zeros(size, bool)
    mask[y[inside], x[inside]] = True
    return mask


def backdrop(K: np.ndarray, R: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Linear RGB (H, W, 3) of a dark room that brightens a little upwards. No noise in it."""
    y, x = np.mgrid[: size[0], : size[1]]
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones(size)], -1)
    upward = unit(rays) @ R[:, 2]  # z of the rays in the world
    return (1 + BACKDROP_RISE * smoothstep(-0.8, 0.6, upward))[..., None] * BACKDROP


def exposure_of(radiance: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """One factor for all views that brings bright skin to BRIGHT_SKIN."""
    skin = np.concatenate([rgb[mask].max(1) for rgb, mask in zip(radiance, masks)])
    return float(BRIGHT_SKIN / np.percentile(skin, 95))


def sample_gains(count: int, rng: np.random.Generator) -> np.ndarray:
    """Exposure and white balance of `count` views (count, 3): a third of them differ from 1."""
    gains = np.ones((count, 3))
    for view in rng.permutation(count)[: round(count / 3)]:
        gains[view] = rng.uniform(0.9, 1.1) * rng.uniform([0.9, 1, 0.9], [1.1, 1, 1.1])
    return gains


def develop(
    radiance: np.ndarray, alpha: np.ndarray, behind: np.ndarray, gain: np.ndarray
) -> np.ndarray:
    """8-bit sRGB (H, W, 3): premultiplied radiance times gain (3,), over `behind`, clipped."""
    linear = radiance * gain + (1 - alpha[..., None]) * behind
    return to_bytes(srgb_from_linear(linear.clip(0, 1)))


@dataclass
class Detections:
    """`poses`: one dict a view as pose/*.json holds it; the rest says what is wrong in them."""

    poses: list[dict[str, list[float]]]
    missed: dict[int, str] = field(default_factory=dict)  # view: true side
    swapped: list[int] = field(default_factory=list)  # views
    outliers: list[tuple[int, str, int]] = field(default_factory=list)  # view, true side, keypoint


def detect(
    keypoints: dict[str, np.ndarray], cameras: Cameras, rng: np.random.Generator
) -> Detections:
    """Detect `keypoints`, (21, 3) in world units by true side, in every view of `cameras`.

    Or (views, 21, 3), where each view sees them elsewhere.

    x and y are 2u/W - 1 and 2v/H - 1 of pixels u, v; z is a depth relative to the wrist of no
    particular scale, as MediaPipe's.
    """
    count = len(cameras)
    order = rng.permutation(count).tolist()
    n_missed = max(1, round(count * MISSED_SHARE))
    n_swapped = max(1, round(count * SWAPPED_SHARE)) if len(keypoints) == 2 else 0
    detections = Detections([])
    detections.missed = {view: str(rng.choice(list(keypoints))) for view in order[:n_missed]}
    detections.swapped = sorted(order[n_missed : n_missed + n_swapped])
    for view in range(count):
        pose: dict[str, list[float]] = {key: [] for key in POSE_KEYS}
        for side, points in keypoints.items():
            values, outliers = _one_hand(
                points if points.ndim == 2 else points[view], cameras[view], rng
            )
            if detections.missed.get(view) == side:
                continue
            called = OTHER[side] if view in detections.swapped else side
            pose[POSE_KEYS[SIDES.index(called)]] = values.ravel().round(7).tolist()
            detections.outliers += [(view, side, int(k)) for k in outliers]
        detections.poses.append(pose)
    return detections


def _one_hand(
    points: np.ndarray, camera: Cameras, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Values (21, 3) of one hand in one view, and which of its keypoints are outliers."""
    height, width = camera.sizes[0].tolist()
    R, t, K = camera.R[0].numpy(), camera.t[0].numpy(), camera.K[0].numpy()
    in_camera = points @ R.T + t
    wrong, angle = rng.random(KEYPOINTS) < OUTLIER_SHARE, rng.uniform(0, 2 * np.pi, KEYPOINTS)
    jump = wrong * rng.uniform(*OUTLIER_DISTANCE, KEYPOINTS) * [np.cos(angle), np.sin(angle)]
    error = (rng.normal(0, NOISE_SD, (KEYPOINTS, 2)) + jump.T) * width / REFERENCE_WIDTH
    px = (in_camera @ K.T)[:, :2] / in_camera[:, 2:] + error
    depth = (in_camera[:, 2] - in_camera[0, 2]) * 5 - 1
    return np.column_stack([2 * px / [width, height] - 1, depth]), np.flatnonzero(wrong)
