"""The distance to the true surface drawn on the hands, from several sides, with a colour bar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.appearance.model import Appearance
from models.ham.reconstruction import Reconstruction
from models.hand.fitted import hand_slices
from utils.cameras import Cameras
from utils.geometry.mesh import vertex_normals
from utils.io.files import atomic_path
from utils.keypoints import SIDES

COLORMAP = "RdBu_r"  # blue: the mesh lies inside the true surface, red: outside
UNKNOWN = 0.5  # grey: the true surface ends there
LIMITS_MM = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
SIDES_OF_A_HAND = ("back", "little finger", "palm", "thumb")
PIXELS = 520
DISTANCE = 6.0  # of the camera, in hand lengths: nearly parallel
SHADE = 0.45  # how much the light from the camera may darken


def error_colors(error: np.ndarray) -> tuple[np.ndarray, float]:
    """Colours (V, 3) of signed errors (V,) in mm, nan grey, and where the colours end, mm."""
    from matplotlib import colormaps

    largest = np.nanpercentile(np.abs(error), 98) if np.isfinite(error).any() else 0.0
    limit = next((mm for mm in LIMITS_MM if mm >= largest), LIMITS_MM[-1])
    colors = colormaps[COLORMAP](np.nan_to_num(error) / (2 * limit) + 0.5)[:, :3]
    return np.where(np.isfinite(error)[:, None], colors, UNKNOWN), limit


def error_picture(
    path: Path, reconstruction: Reconstruction, colors: np.ndarray, limit: float
) -> None:
    """Draw vertex colours (V, 3) that end at `limit` mm: a row a hand, a column a side of it."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    sides = reconstruction.sides
    figure = Figure(figsize=(12, 3.3 * len(sides)), layout="constrained")
    axes = figure.subplots(len(sides), len(SIDES_OF_A_HAND), squeeze=False)
    for row, side in zip(axes, sides):
        images = _drawn(reconstruction, side, colors)
        for axis, image, name in zip(row, images, SIDES_OF_A_HAND):
            axis.imshow(image)
            axis.set_title(f"{side} hand, {name}", fontsize="small")
            axis.axis("off")
    scale = ScalarMappable(Normalize(-limit, limit), COLORMAP)
    bar = figure.colorbar(scale, ax=axes, shrink=0.8, extend="both")
    bar.set_label("mm outside the true surface")
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110)


def _drawn(reconstruction: Reconstruction, side: str, colors: np.ndarray) -> list[np.ndarray]:
    hand, hands = reconstruction.hand(side), len(reconstruction.hands)
    cameras = _cameras_around(hand)
    hand_slice = hand_slices(len(colors), hands)[reconstruction.sides.index(side)]
    normals = vertex_normals(torch.from_numpy(hand.verts), torch.from_numpy(hand.faces))
    paint = torch.from_numpy(colors[hand_slice])
    images = []
    for view in range(len(cameras)):
        facing = (normals @ cameras.R[view, 2]).abs()[:, None]
        shaded = paint * (1 - SHADE + SHADE * facing)
        flat = Appearance(shaded.float(), torch.ones(1, 1), torch.ones(1, 3))
        drawn = hand.render(cameras[view], flat)[0]
        images.append(np.where(drawn.covered[..., None], drawn.image, np.float32(1)))
    return images


def _cameras_around(hand: Reconstruction) -> Cameras:
    """Cameras about the hand's long axis, fingers up, the first behind its back."""
    points = hand.keypoints()[SIDES.index(hand.sides[0])]
    up = points[9] - points[0]
    up /= np.linalg.norm(up)
    palm = np.cross(points[5] - points[0], points[17] - points[0])
    mirrored = 1 if hand.sides[0] == "right" else -1
    palm *= mirrored
    palm -= (palm @ up) * up
    palm /= np.linalg.norm(palm)
    centre = (hand.verts.max(0) + hand.verts.min(0)) / 2
    reach = np.linalg.norm(hand.verts - centre, axis=1).max()
    R, t = [], []
    for angle in np.radians([0, 90, 180, 270]):
        forward = np.cos(angle) * palm + np.sin(angle) * mirrored * np.cross(up, palm)
        R.append(np.stack([np.cross(-up, forward), -up, forward]))
        t.append(DISTANCE * reach * np.array([0, 0, 1]) - R[-1] @ centre)
    middle = (PIXELS - 1) / 2
    focal = 0.48 * PIXELS * DISTANCE
    K = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    sizes = torch.full((len(R), 2), PIXELS)
    return Cameras.of(np.stack([K] * len(R)), np.stack(R), np.stack(t), sizes)
