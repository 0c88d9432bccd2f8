"""Which way each forearm goes, as far as masks tell: what lies there is no fault of a hand.

The hand model ends at the wrist, given masks often hold the forearm too. Of the tubes that may
leave an open wrist (`models.hand.forearm`), the one is chosen that the masks of all views support
best.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from models.ham.reconstruction import Reconstruction
from models.hand.forearm import forearm_fan
from utils.cameras import Cameras
from utils.geometry.mesh import open_edges
from utils.render import Renderer

LONGER_SIDE = 256  # pixels, of the images in which directions are tried
TRIED = 0.5  # of a tube's length: sleeves may hide the rest
LEAST_SUPPORT = 0.02  # of the hands' area in all views: less are errors of outlines


def find_forearms(
    reconstruction: Reconstruction, cameras: Cameras, masks: Sequence[np.ndarray | None]
) -> tuple[Tensor, Tensor] | None:
    """Tubes (V, 3) world units, (F, 3) where the masks show forearms; None where they show none.

    cameras of B views, world units; masks (H, W) bool or None, one a view.
    """
    given = [view for view, mask in enumerate(masks) if mask is not None]
    if not given:
        return None
    sizes = cameras.sizes[given]
    factor = (LONGER_SIDE / sizes.max(1, keepdim=True).values).clamp(max=1)
    small = cameras[given].resize((sizes * factor).round().long().clamp(min=1))
    shapes = small.sizes.tolist()
    shrunk = [_shrunk(masks[view], size) for view, size in zip(given, shapes)]
    verts, faces = torch.from_numpy(reconstruction.verts), torch.from_numpy(reconstruction.faces)
    hands = covered_pixels(verts, faces, small)
    tubes = []
    for side in reconstruction.sides:
        tube = _best_tube(reconstruction.hand(side), small, shrunk, hands)
        if tube is not None:
            tubes.append(tube)
    if not tubes:
        return None
    first = np.cumsum([0, *(len(points) for points, _ in tubes)])
    joined = [faces + int(k) for (_, faces), k in zip(tubes, first)]
    return torch.cat([points for points, _ in tubes]), torch.cat(joined)


def covered_pixels(verts: Tensor, faces: Tensor, cameras: Cameras) -> list[np.ndarray]:
    """Pixels (H, W) bool of each view that a mesh (V, 3) float64, (F, 3), world units, covers."""
    return Renderer(faces, backend="cpu").rasterize(cameras, verts).covered()


def _best_tube(
    hand: Reconstruction, cameras: Cameras, masks: list[np.ndarray], hands: list[np.ndarray]
) -> tuple[Tensor, Tensor] | None:
    verts = torch.from_numpy(hand.verts)
    rim = open_edges(torch.from_numpy(hand.faces))
    points, faces = forearm_fan(verts, rim)
    tubes = points.view(-1, 4 * len(rim), 3)  # (T, 4 E, 3)
    faces = faces[: 2 * len(rim)]
    best, most = None, LEAST_SUPPORT * sum(int(image.sum()) for image in hands)
    for tube in tubes:
        support = _support(_shortened(tube), faces, cameras, masks, hands)
        if support > most:
            best, most = (tube, faces), support
    return best


def _shortened(tube: Tensor) -> Tensor:
    """Of each quad's corners (4 E, 3), the last two are far: start, end, far end, far start."""
    quads = tube.view(-1, 4, 3)
    near, far = quads[:, :2], quads[:, 2:].flip(1)
    return torch.cat([near, (near + TRIED * (far - near)).flip(1)], 1).view(-1, 3)


def _support(
    tube: Tensor,
    faces: Tensor,
    cameras: Cameras,
    masks: list[np.ndarray],
    hands: list[np.ndarray],
) -> int:
    """Pixels beside the hands that a tube shares with the masks, less those that it does not."""
    total = 0
    for image, mask, hand in zip(covered_pixels(tube, faces, cameras), masks, hands):
        beside = image & ~hand
        total += max(int((beside & mask).sum()) - int((beside & ~mask).sum()), 0)
    return total


def _shrunk(mask: np.ndarray, size: list[int]) -> np.ndarray:
    height, width = size
    small = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return small >= 0.5
