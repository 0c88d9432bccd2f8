"""Opens a capture's views around the hands and decides which of their pixels to believe."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from utils.cameras import Cameras
from utils.captures import Capture
from utils.masks import MaskVerdict, judge_mask, trusted_pixels
from utils.mesh import boundary_vertices
from utils.photos import ViewCrop, crop_boxes
from utils.render import Renderer

MARGIN = 0.08  # of the hands' box: room for the mesh to move and for the background beside it
WRIST_REACH = 0.12  # of a hand's radius from its open end: what counts as the wrist


def trusted_views(
    capture: Capture, cameras: Cameras, verts: np.ndarray, faces: np.ndarray, reach: float
) -> tuple[list[ViewCrop], list[MaskVerdict]]:
    """Crop every view to the projected hands and hold its mask against them.

    cameras are the full photos' (float64) in the frame of verts (V, 3); `reach` is the length
    from the open wrist end, in that frame, that counts as wrist. Pixels that a believed mask
    calls background are left out of the photometric comparison; where a mask is not believed, all
    pixels may count.
    """
    points = torch.from_numpy(verts)
    boxes = crop_boxes(cameras.project(points).numpy(), cameras.sizes.numpy(), MARGIN)
    hands = _hand_and_wrist_maps(cameras.crop(torch.from_numpy(boxes)), points, faces, reach)
    crops, verdicts = [], []
    for view, (box, (hand, wrist)) in enumerate(zip(boxes.tolist(), hands)):
        x0, y0, x1, y1 = box
        image = np.ascontiguousarray(capture.image(view)[y0:y1, x0:x1])
        mask = capture.mask(view)
        mask = None if mask is None else np.ascontiguousarray(mask[y0:y1, x0:x1])
        verdict = judge_mask(view, mask, hand, wrist)
        if mask is None:
            mask = np.zeros_like(hand)
        silhouette = trusted_pixels(mask, hand, wrist, verdict)
        crops.append(ViewCrop(tuple(box), image, mask, mask | ~silhouette, silhouette))
        verdicts.append(verdict)
    return crops, verdicts


def _hand_and_wrist_maps(
    cameras: Cameras, points: Tensor, faces: np.ndarray, reach: float
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per view: covered pixels (H, W) and those of them at the open wrist ends."""
    rim = points[boundary_vertices(faces)]
    at_wrist = torch.cdist(points, rim).amin(1) < reach if len(rim) else torch.zeros(len(points))
    fragments = Renderer(torch.from_numpy(faces)).rasterize(cameras, points)
    wrist_fragment = at_wrist.bool()[torch.from_numpy(faces)[fragments.face]].any(1)
    maps = []
    for view, (height, width) in enumerate(cameras.sizes.tolist()):
        own = fragments.view == view
        y, x = fragments.y[own].numpy(), fragments.x[own].numpy()
        hand, wrist = np.zeros((2, height, width), bool)
        hand[y, x] = True
        wrist[y, x] = wrist_fragment[own].numpy()
        maps.append((hand, wrist))
    return maps
