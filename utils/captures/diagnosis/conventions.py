"""Suspects that are one of a kind: conventions of cameras, and photos flipped or turned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from utils.captures.diagnosis.sightings import Sightings

GL_AXES = np.diag([1.0, -1.0, -1.0])  # OpenGL: y up, z backwards
LEFT_UP_AXES = np.diag([-1.0, -1.0, 1.0])  # PyTorch3D: x left, y up
MIRROR = np.diag([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Suspect:
    """One thing that may be wrong: its name, the remedy, and what would undo it."""

    cause: str
    remedy: str
    undone: Callable[[Sightings], Sightings]


def _inverted(sightings: Sightings) -> Sightings:
    R = np.swapaxes(sightings.R, 1, 2)
    return replace(sightings, R=R.copy(), t=-(R @ sightings.t[..., None])[..., 0])


def _turned_axes(axes: np.ndarray, sightings: Sightings) -> Sightings:
    return replace(sightings, R=axes @ sightings.R, t=sightings.t @ axes)


def _transposed(sightings: Sightings) -> Sightings:
    return replace(sightings, R=np.swapaxes(sightings.R, 1, 2).copy())


def _mirrored_world(sightings: Sightings) -> Sightings:
    """A left-handed world's [R | t] has a negative determinant: what was read from it is -R."""
    return replace(sightings, R=-sightings.R @ MIRROR, t=-sightings.t)


def _flipped(axis: int, sightings: Sightings) -> Sightings:
    """Detections in photos that are flipped back along axis 0 (x) or 1 (y)."""
    last = sightings.sizes[:, None, None, 1 - axis] - 1.0
    xy = sightings.xy.copy()
    xy[..., axis] = last - xy[..., axis]
    return replace(sightings, xy=xy)


def _half_turn(sightings: Sightings) -> Sightings:
    return _flipped(0, _flipped(1, sightings))


def _quarter_turn(clockwise: bool, sightings: Sightings) -> Sightings:
    """Detections in photos that are turned by a quarter."""
    height, width = (sightings.sizes[:, None, None, k] for k in (0, 1))
    x, y = sightings.xy[..., 0], sightings.xy[..., 1]
    turned = (height - 1 - y, x) if clockwise else (y, width - 1 - x)
    sizes = sightings.sizes[:, ::-1].copy()
    return replace(sightings, xy=np.stack(turned, -1), sizes=sizes)


def _from_unit_range(sightings: Sightings) -> Sightings:
    """Detections whose numbers are x / W and y / H, which were read as 2 x / W - 1."""
    xy = 2 * sightings.xy - sightings.sizes[:, None, None, ::-1]
    return replace(sightings, xy=xy)


CAMERA_REMEDY = "export OpenCV's cam_from_world: K [R | t], x right, y down, z forward"
SUSPECTS = (
    Suspect(
        "the camera matrices are camera-to-world",
        f"invert [R | t]; {CAMERA_REMEDY}",
        _inverted,
    ),
    Suspect(
        "the cameras are in OpenGL's axes (y up, z backwards)",
        f"negate the second and third row of [R | t]; {CAMERA_REMEDY}",
        lambda seen: _turned_axes(GL_AXES, seen),
    ),
    Suspect(
        "the camera matrices are camera-to-world in OpenGL's axes (y up, z backwards; NeRF's)",
        f"negate their second and third column, then invert them; {CAMERA_REMEDY}",
        lambda seen: _turned_axes(GL_AXES, _inverted(seen)),
    ),
    Suspect(
        "the camera matrices are camera-to-world in PyTorch3D's axes (x left, y up)",
        f"negate their first and second column, then invert them; {CAMERA_REMEDY}",
        lambda seen: _turned_axes(LEFT_UP_AXES, _inverted(seen)),
    ),
    Suspect(
        "the cameras are in PyTorch3D's axes (x left, y up)",
        f"negate the first and second row of [R | t]; {CAMERA_REMEDY}",
        lambda seen: _turned_axes(LEFT_UP_AXES, seen),
    ),
    Suspect(
        "the cameras' rotations are transposed",
        f"transpose R (t stays); {CAMERA_REMEDY}",
        _transposed,
    ),
    Suspect(
        "the cameras' world is left-handed",
        "negate one axis of the world (a column of R, and of everything in that world)",
        _mirrored_world,
    ),
    Suspect(
        "the photos are mirrored (left and right)",
        "export them as the cameras saw them, masks and keypoints too",
        lambda seen: _flipped(0, seen),
    ),
    Suspect(
        "the photos are flipped (top and bottom)",
        "export them as the cameras saw them, masks and keypoints too",
        lambda seen: _flipped(1, seen),
    ),
    Suspect(
        "the photos are turned by 180 degrees",
        "turn photos, masks and keypoints back",
        _half_turn,
    ),
    Suspect(
        "the photos are turned by 90 degrees clockwise",
        "turn photos, masks and keypoints back; EXIF may have turned them",
        lambda seen: _quarter_turn(False, seen),
    ),
    Suspect(
        "the photos are turned by 90 degrees counterclockwise",
        "turn photos, masks and keypoints back; EXIF may have turned them",
        lambda seen: _quarter_turn(True, seen),
    ),
    Suspect(
        "the keypoints are in [0, 1]",
        "write x and y as 2 u / W - 1 and 2 v / H - 1, u and v in pixels",
        _from_unit_range,
    ),
)
