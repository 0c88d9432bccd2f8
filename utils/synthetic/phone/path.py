"""The way of a hand-held phone around a subject, and how its subject drifts meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from utils.cameras.calibrated import CalibratedCamera
from utils.cameras.lens import Lens
from utils.synthetic.fields import MM, unit

FOCAL = 0.75  # of the longer side: a phone's main camera, 27 mm in terms of 35 mm film
EXIF_ERROR = 0.03  # of the focal length that the phone states, relative
CENTRE_ERROR = 0.006  # of the principal point, as a share of the longer side
FILLS = 0.8  # of the shorter side that the subject spans
TURNS = 1.1
ELEVATIONS = (12.0, 58.0)  # degrees
WAVES = 2.5  # of the elevation a turn
SHAKE_DEGREES, SHAKE_PATH = 1.6, 0.03  # of aim, and of the place in distances
SMOOTH = 2.0  # photos over which shaking is alike
DRIFT_SMOOTH = 0.15  # of the session over which a drifting hand goes one way
DRIFT_TURN = np.radians(0.25)  # of a hand, a millimetre of its drift


@dataclass(frozen=True)
class PhonePath:
    """The cameras of all photos, which share K and lens, and the focal length that EXIF states."""

    cameras: list[CalibratedCamera]
    stated_focal: float  # pixels


def walk(
    points: np.ndarray,
    count: int,
    size: tuple[int, int],
    distortion: tuple[float, ...],
    rng: np.random.Generator,
) -> PhonePath:
    """`count` photos of size (height, width) that look at `points` (N, 3), z up, all about."""
    centre = (points.min(0) + points.max(0)) / 2
    radius = np.linalg.norm(points - centre, axis=1).max()
    K = _intrinsics(size, rng)
    distance = K[0, 0] * 2 * radius / (FILLS * min(size))
    time = np.arange(count) / count
    azimuth = 2 * np.pi * (TURNS * time + rng.uniform()) + 0.04 * _wobble(count, rng)
    low, high = np.radians(ELEVATIONS)
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * (WAVES * TURNS * time + rng.uniform()))
    elevation = low + (high - low) * wave + 0.03 * _wobble(count, rng)
    flat = np.cos(elevation)
    towards = np.stack([np.cos(azimuth) * flat, np.sin(azimuth) * flat, np.sin(elevation)], 1)
    reach = distance * (1 + 0.08 * _wobble(count, rng))
    places = np.stack([_wobble(count, rng) for _ in range(3)], 1) * SHAKE_PATH * distance
    eyes = centre + towards * reach[:, None] + places
    shakes = np.radians(SHAKE_DEGREES) * np.stack([_wobble(count, rng) for _ in range(3)], 1)
    lens = Lens.brown(distortion)
    cameras = []
    for photo, (eye, shake) in enumerate(zip(eyes, shakes)):
        R = Rotation.from_rotvec(shake).as_matrix() @ _upright(centre - eye)
        name = f"{photo:02d}"
        cameras.append(CalibratedCamera(name, K, R, -R @ eye, size, lens, f"{name}.jpg"))
    return PhonePath(cameras, float(K[0, 0] * (1 + rng.uniform(-EXIF_ERROR, EXIF_ERROR))))


def drift(count: int, millimetres: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Rigid motions (4, 4) of a hand about its middle: smooth, up to so many mm from its mean."""
    ways = gaussian_filter1d(rng.normal(size=(count, 6)), DRIFT_SMOOTH * count, axis=0)
    ways -= ways.mean(0)
    ways /= max(np.linalg.norm(ways[:, :3], axis=1).max(), 1e-12)
    motions = np.tile(np.eye(4), (count, 1, 1))
    motions[:, :3, 3] = millimetres * MM * ways[:, :3]
    motions[:, :3, :3] = Rotation.from_rotvec(millimetres * DRIFT_TURN * ways[:, 3:]).as_matrix()
    return list(motions)


def bends(count: int, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Angles (count, 16), radians: each finger bends and stretches, smoothly, up to `degrees`.

    All joints of a finger bend alike, about a mean of zero.
    """
    ways = gaussian_filter1d(rng.normal(size=(count, 5)), DRIFT_SMOOTH * count, axis=0)
    ways -= ways.mean(0)
    ways *= np.radians(degrees) / np.maximum(np.abs(ways).max(0), 1e-12)
    return np.pad(ways.repeat(3, axis=1), ((0, 0), (1, 0)))


def _intrinsics(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    K, longer = np.eye(3), max(size)
    K[0, 0] = K[1, 1] = FOCAL * longer * rng.uniform(0.97, 1.03)
    K[:2, 2] = (np.array(size[::-1]) - 1) / 2 + rng.normal(0, CENTRE_ERROR * longer / 2, 2)
    return K


def _wobble(count: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (count,) of unit deviation."""
    noise = gaussian_filter1d(rng.normal(size=count + 16), SMOOTH)[8:-8]
    return noise / max(noise.std(), 1e-9)


def _upright(forward: np.ndarray) -> np.ndarray:
    """cam_from_world (3, 3) that looks along `forward` with z up."""
    z = unit(forward)
    x = unit(np.cross(z, [0, 0, 1]))
    return np.stack([x, np.cross(z, x), z])
