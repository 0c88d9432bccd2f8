"""Made-up hands before made-up cameras, and captures of them on disk, for tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from utils.cameras import Cameras
from utils.captures.camera_files import save_cameras
from utils.io.images import save_image

FINGER_ROOTS = [(-25, 30), (-25, 88), (-4, 92), (15, 86), (33, 75)]  # mm, right hand, palm to -z
FINGER_BONES = [(38, 32, 27), (42, 25, 22), (46, 29, 23), (42, 27, 23), (33, 20, 19)]  # mm
FINGER_SPREAD = [-0.8, -0.15, 0.0, 0.13, 0.3]  # radians


def right_hand(rng: np.random.Generator) -> np.ndarray:
    """21 keypoints (21, 3) in metres of a right hand with randomly bent fingers."""
    points = [np.zeros(3)]
    for (x, y), bones, spread in zip(FINGER_ROOTS, FINGER_BONES, FINGER_SPREAD):
        joint, bend = np.array([x, y, 0.0]), 0.0
        points.append(joint)
        for length in bones:
            bend += rng.uniform(0.05, 0.6)
            along = [np.sin(spread) * np.cos(bend), np.cos(spread) * np.cos(bend), -np.sin(bend)]
            joint = joint + length * np.array(along)
            points.append(joint)
    return np.array(points) / 1000


def two_hands(rng: np.random.Generator, gap: float = 0.2) -> np.ndarray:
    """Left and right hand (2, 21, 3), metres, of the same bones, about the origin."""
    hands = np.stack([right_hand(rng) * [-1, 1, 1], right_hand(rng)]) - [0, 0.08, 0]
    return hands + np.array([[-gap / 2, 0, 0], [gap / 2, 0, 0]])[:, None]


def ring_of_cameras(count: int, size: tuple[int, int] = (600, 800), focal: float = 1000.0):
    """Cameras on a ring of 0.8 m radius, at changing heights, that look at the origin."""
    angles = 2 * np.pi * np.arange(count) / count + 0.1
    heights = 0.3 * np.cos(3 * angles)
    centres = np.stack([0.8 * np.sin(angles), heights, 0.8 * np.cos(angles)], 1)
    z = -centres / np.linalg.norm(centres, axis=1, keepdims=True)
    x = np.cross(z, [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    R = np.stack([x, np.cross(z, x), z], 1)
    t = -(R @ centres[..., None])[..., 0]
    height, width = size
    K = np.array([[focal, 0, width / 2 - 3], [0, focal * 1.01, height / 2 + 2], [0, 0, 1]])
    K = np.broadcast_to(K, (count, 3, 3)).copy()
    return Cameras(*map(torch.from_numpy, (K, R, t)), torch.tensor([size] * count))


def project(cameras: Cameras, hands: np.ndarray) -> np.ndarray:
    """Pixels (N, 2, 21, 2) of hands (2, 21, 3)."""
    px = cameras.project(torch.from_numpy(hands.reshape(-1, 3)))
    return px.numpy().reshape(len(cameras), 2, 21, 2)


@dataclass
class Corrupted:
    """Detections with all faults that detectors have, and which of them are clean."""

    xy: np.ndarray  # (N, 2, 21, 2) pixels by the detector's name, nan: not detected
    confidence: np.ndarray  # (N, 2, 21)
    by_hand: np.ndarray  # (N, 2, 21, 2) the same by true hand
    clean: np.ndarray  # (N, 2, 21) by true hand: neither missing nor an outlier
    swapped: int  # the view whose names are swapped


def corrupt(exact: np.ndarray, rng: np.random.Generator, noise: float = 2.0) -> Corrupted:
    """Add `noise` px, 5 % gross outliers, missing hands, a swapped view to exact (N, 2, 21, 2)."""
    by_hand = exact + noise * rng.normal(size=exact.shape)
    outlier = rng.random(exact.shape[:3]) < 0.05
    angle = rng.uniform(0, 2 * np.pi, outlier.sum())
    gross = rng.uniform(30, 100, outlier.sum())[:, None]
    by_hand[outlier] += gross * np.stack([np.cos(angle), np.sin(angle)], 1)
    swapped, *empty = rng.permutation(len(exact))[:4]
    by_hand[empty[0]] = np.nan  # a view that sees nothing
    by_hand[empty[1], 0] = np.nan
    by_hand[empty[2], 1] = np.nan
    seen = np.isfinite(by_hand[..., 0])
    xy = by_hand.copy()
    xy[swapped] = xy[swapped, ::-1]
    clean = seen & ~outlier
    return Corrupted(xy, np.isfinite(xy[..., 0]).astype(float), by_hand, clean, int(swapped))


def write_capture(
    folder: Path, cameras: Cameras, xy: np.ndarray, hands: np.ndarray, masks: bool = True
) -> Path:
    """Write a capture in the demo layout: grey photos with bright discs at the keypoints."""
    for view in range(len(cameras)):
        height, width = cameras.sizes[view].tolist()
        mask = _discs(project(cameras, hands)[view], height, width)
        photo = np.where(mask[..., None], [0.8, 0.6, 0.5], 0.15)
        save_image(folder / "img" / f"{view:02d}.png", photo)
        if masks:
            save_image(folder / "mask" / f"{view:02d}.png", mask)
        write_pose(folder / "pose" / f"{view:02d}.json", xy[view], (height, width))
    save_cameras(folder / "camera" / "param.npz", cameras, np.diag([0.2, 0.2, 0.2, 1.0]))
    return folder


def write_pose(path: Path, xy: np.ndarray, size: tuple[int, int]) -> None:
    """Write detections xy (2, 21, 2) in pixels as a pose file; nan: not detected."""
    height, width = size
    lists = {}
    for side, points in zip(("Left", "Right"), xy):
        values = np.concatenate([2 * points / [width, height] - 1, np.zeros((21, 1))], 1)
        lists[side] = values.ravel().tolist() if np.isfinite(points).all() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(lists))


def _discs(xy: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mask (H, W) of discs of a finger's width about the keypoints and between them."""
    from utils.keypoints.order import BONES

    along = np.linspace(0, 1, 8)[:, None, None, None]
    dots = (xy[:, BONES[:, 0]] * (1 - along) + xy[:, BONES[:, 1]] * along).reshape(-1, 2)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), bool)
    for px, py in dots[np.isfinite(dots).all(1)]:
        mask |= (x - px) ** 2 + (y - py) ** 2 < (0.013 * width) ** 2
    return mask
