"""A contact sheet: every view with its mask's outline and its keypoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from utils import draw
from utils.captures.pose_files import POSE_KEYS
from utils.io.images import load_image
from utils.pictures import save_picture
from utils.synthetic.capture_files import RecordedViews

COLUMNS = 4
MOST_SHOWN = 24
COLOURS = dict(zip(POSE_KEYS, (draw.LEFT, draw.RIGHT)))


def save_preview(
    path: Path, training: RecordedViews, held: RecordedViews, poses: list[dict]
) -> None:
    """Write a picture of all views, the training views first, named by their numbers.

    Where it cannot be drawn, that is said, and no more.
    """
    save_picture(path, lambda: _sheet(training, held, poses))


def _sheet(training: RecordedViews, held: RecordedViews, poses: list[dict]) -> np.ndarray:
    tiles, labels = [], []
    for name, views, detected in (("", training, poses), ("held ", held, [{}] * len(held.images))):
        for view, (image, mask) in enumerate(zip(views.images, views.masks)):
            tiles.append(_marked(image, mask, detected[view]))
            labels.append(f"{name}{view:02d}")
    width = training.images[0].shape[1]
    return draw.contact_sheet(tiles, labels, COLUMNS, width)


def _marked(image: np.ndarray, mask: np.ndarray, detected: dict) -> np.ndarray:
    marked = draw.mask_outline(image, mask, draw.GOOD)
    for side, values in detected.items():
        if values:
            xy = (np.reshape(values, (21, 3))[:, :2] + 1) / 2 * mask.shape[::-1]
            marked = draw.keypoint_skeleton(marked, xy, COLOURS[side], thickness=1)
    return marked


def save_sequence_preview(path: Path, folder: Path, frames: int) -> None:
    """Write a picture of the first view of up to MOST_SHOWN of the captures folder/1 to folder/N.

    Where it cannot be drawn, that is said, and no more.
    """
    shown = np.unique(np.linspace(1, frames, min(frames, MOST_SHOWN)).round().astype(int))

    def sheet() -> np.ndarray:
        images = [load_image(folder / str(frame) / "img" / "00.png") for frame in shown]
        tiles = [np.round(255 * image).astype(np.uint8) for image in images]
        return draw.contact_sheet(tiles, [str(f) for f in shown], COLUMNS, tiles[0].shape[1])

    save_picture(path, sheet)
