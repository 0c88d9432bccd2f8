"""The frame of exported scenes: metres, y up, as the first camera sees the hands, about the origin.

glTF, USD and most engines count so; captures lie in whatever frame their calibration chose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.ham.reconstruction import Reconstruction
from utils.cameras import Cameras
from utils.metrics.keypoints import WorldUnit, world_unit

PARALLEL = 1e-6  # length of what is left of a unit vector: it is no direction any more


@dataclass(frozen=True)
class SceneFrame:
    """scene = metres * rotation @ (world - origin): rotation (3, 3), origin (3,) in world units,
    metres in a world unit; unit says how these are known."""

    rotation: np.ndarray
    origin: np.ndarray
    metres: float
    unit: WorldUnit

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in world units -> metres of the scene."""
        return self.metres * (points - self.origin) @ self.rotation.T

    def world_from_scene(self) -> np.ndarray:
        """(4, 4), acting on columns: the way back."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = self.rotation.T / self.metres, self.origin
        return matrix


def scene_frame(reconstruction: Reconstruction) -> SceneFrame:
    """The frame of a capture's hands, the same for all files of them.

    Up is up in the cameras' pictures, on average; z points to the first camera; the origin is the
    middle of the hands. Metres are those of the world's unit as the hands' size tells it; where it
    tells none, the hands get the size of their model.
    """
    unit = world_unit(reconstruction.scale)
    verts = reconstruction.verts
    origin = (verts.min(0) + verts.max(0)) / 2
    rotation = _upright(reconstruction.cameras, origin)
    return SceneFrame(rotation, origin, unit.mm / 1000, unit)


def _upright(cameras: Cameras, origin: np.ndarray) -> np.ndarray:
    """Rotation (3, 3), scene from world: rows right, up, and towards the first camera."""
    R = cameras.R.double().numpy()
    up = -R[:, 1].sum(0)
    if np.linalg.norm(up) < PARALLEL:  # cameras that stand on their heads as often as not
        up = -R[0, 1]
    up /= np.linalg.norm(up)
    towards = cameras.centers()[0].double().numpy() - origin
    towards /= np.linalg.norm(towards)
    towards -= (towards @ up) * up
    if np.linalg.norm(towards) < PARALLEL:  # the first camera looks down
        towards = R[0, 1] - (R[0, 1] @ up) * up
    towards /= np.linalg.norm(towards)
    return np.stack([np.cross(up, towards), up, towards])
