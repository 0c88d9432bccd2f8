"""One picture of every view's mask: given, believed or made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from utils import draw
from utils.captures import Capture
from utils.photos import crop_boxes

if TYPE_CHECKING:
    from models.hand_fitting import Fit

SHEET_MARGIN = 0.25  # around the hands, of their size: room for forearms and wrong masks
CELL_WIDTH = 480  # pixels
GIVEN, USED, UNUSED = (1.0, 0.8, 0.2), (0.2, 1.0, 0.2), 0.4


def mask_sheet(capture: Capture, fit: Fit) -> np.ndarray:
    """RGB (H, W, 3) uint8, a cell a view: the given mask's outline amber, the one used green.

    Pixels where the mask is not compared with the hands are dark.
    """
    keypoints = np.concatenate([fit.cameras.project(h.keypoints()).numpy() for h in fit.hands], 1)
    boxes = crop_boxes(keypoints, capture.cameras.sizes.numpy(), SHEET_MARGIN)
    cells = []
    for view, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        window, verdict, given = np.s_[y0:y1, x0:x1], fit.verdicts[view], capture.mask(view)
        image = capture.image(view)[window]
        image = np.where(fit.trusted[view][window][..., None], image, UNUSED * image)
        image, unit = image.astype(np.float32), max(round((x1 - x0) / CELL_WIDTH), 1)
        if given is not None:
            image = draw.mask_outline(image, given[window], GIVEN, unit)
        used = fit.made_masks.get(view, given if verdict.usable else None)
        if used is not None:
            image = draw.mask_outline(image, used[window], USED, unit)
        cells.append(np.round(255 * image).astype(np.uint8))
    titles = [f"{verdict.view}: {verdict.reason}" for verdict in fit.verdicts]
    return draw.contact_sheet(cells, width=CELL_WIDTH, labels=titles)
