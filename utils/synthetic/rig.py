"""A dome of cameras around the hands, and the lights between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from utils.cameras import Cameras, Similarity
from utils.synthetic.fields import unit

ELEVATIONS = (-22.0, 62.0)  # degrees above the hands' middle
DISTANCE = 5.5  # of the cameras, in radii of the hands
MARGIN = 0.035  # free border of every image, as a share of its shorter side
ZOOM_RANGE = 1.25  # longest focal length over the one that the tightest view allows
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
NORMALISED_RADIUS = 1.08  # of world_from_norm, in radii of the hands
KEY_FILL_RIM = (1.0, 0.5, 0.4, 0.3, 0.3)  # power of each light, key light first
AMBIENT = (0.24, 0.245, 0.255)  # radiance from everywhere


def make_cameras(
    points: np.ndarray, count: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Cameras, Similarity]:
    """`count` cameras in order of azimuth that all see `points` (N, 3) whole, and world_from_norm.

    `size` is (height, width). Elevations cover the dome evenly; aim, roll, distance, principal
    point and focal length vary a little from camera to camera.
    """
    centre = (points.min(0) + points.max(0)) / 2
    radius = np.linalg.norm(points - centre, axis=1).max()
    lowest, highest = np.sin(np.radians(ELEVATIONS))
    sines = np.linspace(lowest, highest, count)
    elevation = np.arcsin(sines) + rng.normal(0, 0.04, count)
    azimuth = np.arange(count) * GOLDEN_ANGLE + rng.uniform(0, 2 * np.pi)
    azimuth = (azimuth + rng.normal(0, 0.1, count)) % (2 * np.pi)
    order = np.argsort(azimuth)
    towards = _directions(azimuth[order], elevation[order])
    eyes = centre + towards * (DISTANCE * radius * rng.uniform(0.93, 1.08, (count, 1)))
    targets = centre + rng.normal(0, 0.05 * radius, (count, 3))
    R = np.stack([_look(target - eye, rng) for eye, target in zip(eyes, targets)])
    t = -np.einsum("nij,nj->ni", R, eyes)
    K = _intrinsics(np.einsum("nij,vj->nvi", R, points) + t[:, None], size, rng)
    sizes = torch.tensor([size] * count)
    offset = centre + rng.normal(0, 0.03 * radius, 3)
    world_from_norm = Similarity(float(NORMALISED_RADIUS * radius), torch.from_numpy(offset))
    return Cameras.of(K, R, t, sizes), world_from_norm


def _directions(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 3), z up, of angles in radians."""
    flat = np.cos(elevation)
    return np.stack([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation)], -1)


def _look(forward: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """cam_from_world (3, 3) that looks along `forward` with z up, rolled by a few degrees."""
    z = unit(forward)
    x = unit(np.cross(z, [0, 0, 1]))
    x = Rotation.from_rotvec(rng.normal(0, 0.1) * z).apply(x)
    return np.stack([x, np.cross(z, x), z])


def _intrinsics(
    points_cam: np.ndarray, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """K (n, 3, 3) so that points_cam (n, N, 3) fill the images up to MARGIN or to ZOOM_RANGE."""
    height, width = size
    slopes = points_cam[..., :2] / points_cam[..., 2:]
    corner = np.array([width - 1.0, height - 1.0])
    centres = corner / 2 + rng.uniform(-0.02, 0.02, (len(slopes), 2)) * min(size)
    border = MARGIN * min(size)
    fits = np.minimum(
        (centres - border) / -slopes.min(1), (corner - centres - border) / slopes.max(1)
    ).min(1)
    focal = np.minimum(fits, ZOOM_RANGE * fits.min()) * rng.uniform(0.96, 1, len(fits))
    K = np.tile(np.eye(3), (len(slopes), 1, 1))
    K[:, 0, 0] = K[:, 1, 1] = focal
    K[:, :2, 2] = centres
    return K


@dataclass(frozen=True)
class Light:
    """A square area light that looks at `target`; metres and linear RGB radiance."""

    position: np.ndarray  # (3,)
    target: np.ndarray  # (3,)
    half_size: float
    radiance: np.ndarray  # (3,)


def make_lights(centre: np.ndarray, rng: np.random.Generator) -> list[Light]:
    """A key light, a fill light and one to three rim lights about `centre` (3,)."""
    count, start, lights = int(rng.integers(3, 6)), rng.uniform(0, 2 * np.pi), []
    for rank in range(count):
        azimuth = start + 2.4 * rank + rng.normal(0, 0.2)
        elevation = np.radians(rng.uniform(15, 65))
        position = centre + rng.uniform(1.3, 1.7) * _directions(azimuth, elevation)
        half_size = rng.uniform(0.18, 0.32)
        warmth = np.exp(rng.normal(0, 0.05) * np.array([1, 0, -1]))
        power = KEY_FILL_RIM[rank] * rng.uniform(0.8, 1.2) * warmth
        lights.append(Light(position, centre, float(half_size), power / half_size**2))
    return lights
