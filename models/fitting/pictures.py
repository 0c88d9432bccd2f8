"""Pictures of a fit: hands on the photos before and after, and every view's mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.hand.fitted import joined_mesh
from utils import draw
from utils.cameras import Cameras
from utils.captures import Capture
from utils.io.images import to_bytes
from utils.parallel import mapped, threads_for
from utils.photos.crops import crop_boxes
from utils.render import Renderer

if TYPE_CHECKING:
    from models.fitting.fit import Fit

MASK_COLOR = (0.2, 0.9, 0.2)
START_COLOR, END_COLOR = (1.0, 1.0, 0.3), (1.0, 0.2, 0.2)
OVERLAY_MARGIN = 0.05  # around the hands, of their size
SHEET_MARGIN = 0.25  # around the hands, of their size: room for forearms and wrong masks
CELL_WIDTH = 480  # pixels
GIVEN, USED, UNUSED = (1.0, 0.8, 0.2), (0.2, 1.0, 0.2), 0.4


class FitOverlays:
    """For each view RGB (H, W, 3) uint8: the photo with mask, start and end of the fit.

    Outlines: the mask green, the keypoint fit in the given cameras yellow, the final fit red.
    Bold skeletons are the fitted hands', left orange and right blue.
    """

    def __init__(self, capture: Capture, fit: Fit) -> None:
        self.capture, self.fit = capture, fit
        self._start, self._end = joined_mesh(fit.first_hands), joined_mesh(fit.hands)

    def of_view(self, view: int) -> np.ndarray:
        """One view's overlay."""
        capture, fit = self.capture, self.fit
        start = _silhouette(self._start, capture.cameras[view])
        end = _silhouette(self._end, fit.cameras[view])
        image = to_bytes(capture.image(view))
        unit = max(round(image.shape[1] / 800), 1)
        mask = capture.mask(view)
        if mask is not None:
            image = draw.mask_outline(image, mask, MASK_COLOR, unit)
        image = draw.mask_outline(image, start, START_COLOR, 1)
        image = draw.mask_outline(image, end, END_COLOR, unit)
        for hand in fit.hands:
            color = draw.LEFT if hand.side == "left" else draw.RIGHT
            points = fit.cameras[view].project_visible(hand.keypoints())[0].numpy()
            image = draw.keypoint_skeleton(image, points, color, unit)
        verdict = fit.verdicts[view]
        shift = fit.metrics["camera_shift_px"][view]
        text = f"view {view}, mask: {verdict.reason}, IoU {verdict.iou:.3f}"
        return draw.caption(image, text + f", camera moved {shift:.1f} px" * fit.corrected)


def _silhouette(mesh: tuple[np.ndarray, np.ndarray], camera: Cameras) -> np.ndarray:
    """Pixels (H, W) bool of one view at full size that vertices and faces cover."""
    verts, faces = map(torch.from_numpy, mesh)
    box = crop_boxes(camera.project_visible(verts).numpy(), camera.sizes.numpy(), OVERLAY_MARGIN)
    crop = camera.crop(torch.from_numpy(box))
    fragments = Renderer(faces, backend="cpu").rasterize(crop, verts)
    image = np.zeros(camera.sizes[0].tolist(), bool)
    x0, y0 = box[0, :2]
    image[fragments.y.numpy() + y0, fragments.x.numpy() + x0] = True
    return image


def mask_sheet(capture: Capture, fit: Fit) -> np.ndarray:
    """RGB (H, W, 3) uint8, a cell a view: the given mask's outline amber, the one used green.

    Pixels where the mask is not compared with the hands are dark.
    """
    points = torch.cat([hand.keypoints() for hand in fit.hands])
    keypoints = fit.cameras.project_visible(points).numpy()
    boxes = crop_boxes(keypoints, capture.cameras.sizes.numpy(), SHEET_MARGIN)

    def cell(view: int) -> np.ndarray:
        x0, y0, x1, y1 = boxes[view].tolist()
        window, verdict, given = np.s_[y0:y1, x0:x1], fit.verdicts[view], capture.mask(view)
        image = capture.image(view)[window]
        image = np.where(fit.trusted[view][window][..., None], image, UNUSED * image)
        image, unit = image.astype(np.float32), max(round((x1 - x0) / CELL_WIDTH), 1)
        if given is not None:
            image = draw.mask_outline(image, given[window], GIVEN, unit)
        used = fit.made_masks.get(view, given if verdict.usable else None)
        if used is not None:
            image = draw.mask_outline(image, used[window], USED, unit)
        return to_bytes(image)

    cells = list(mapped(cell, range(len(capture)), threads_for(capture.pixels())))
    titles = [f"{verdict.view}: {verdict.reason}" for verdict in fit.verdicts]
    return draw.contact_sheet(cells, width=CELL_WIDTH, labels=titles)
