"""One picture of a whole capture: every view with what was detected in it, and the cameras."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from utils import draw
from utils.captures.capture import Capture
from utils.captures.check import ViewFacts
from utils.captures.keypoint_overlay import pose_overlay
from utils.io.images import to_bytes
from utils.keypoints.order import BONES
from utils.keypoints.triangulation import HandKeypoints

GREEN, AMBER = (0.2, 1.0, 0.2), (1.0, 0.8, 0.2)
RED = (1.0, 0.45, 0.4)  # readable on black, which draw.BAD is not
CELL_WIDTH = 640  # pixels
LINE_HEIGHT, LETTER_WIDTH, LETTERS = 48, 18, 1.0  # pixels, pixels, their scale: of verdicts


def capture_sheet(
    capture: Capture,
    views: list[ViewFacts],
    hands: HandKeypoints | None,
    verdict: Sequence[str] = (),
) -> np.ndarray:
    """RGB (H, W, 3) uint8: a cell a view (mask outlined in green), then the cameras in 3D.

    A view's warnings stand below its title; the lines of `verdict`, on the whole capture, above
    all views.
    """
    cells = [_view_cell(capture, facts, hands) for facts in views]
    cells.append(cameras_picture(capture, hands, cells[0].shape[:2]))
    sheet = draw.contact_sheet(cells, width=CELL_WIDTH)
    return np.concatenate([*verdict_strips(verdict, sheet.shape[1]), sheet])


def verdict_strips(verdict: Sequence[str], width: int) -> list[np.ndarray]:
    """The lines, broken where they are too long, each a black strip (LINE_HEIGHT, width, 3)."""
    strips = []
    for line in verdict:
        color = RED if line.startswith("failed") else AMBER
        for part in textwrap.wrap(line, width // LETTER_WIDTH, subsequent_indent="    "):
            strip = np.zeros((LINE_HEIGHT, width, 3), np.uint8)
            strips.append(draw.caption(strip, part, color, scale=LETTERS))
    return strips


def _view_cell(capture: Capture, facts: ViewFacts, hands: HandKeypoints | None) -> np.ndarray:
    image = to_bytes(capture.image(facts.view))
    if hands is not None:
        image = pose_overlay(capture, hands, facts.view)
    mask = capture.mask(facts.view)
    if mask is not None:
        image = draw.mask_outline(image, mask, GREEN, max(round(image.shape[1] / 500), 1))
    cell = draw.contact_sheet([image], width=CELL_WIDTH)
    if hands is None:
        cell = draw.caption(cell, f"view {facts.view}")
    for line, warning in enumerate(facts.warnings, start=1):
        cell = draw.caption(cell, warning, AMBER, line)
    return cell


def cameras_picture(
    capture: Capture, hands: HandKeypoints | None, size: tuple[int, int]
) -> np.ndarray:
    """RGB uint8 of about `size` (height, width): cameras, their axes of view, and the hands."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import; only drawn here
    from matplotlib.figure import Figure

    height, width = size
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1), projection="3d")
    centres = capture.cameras.centers().numpy()
    reach = 0.25 * float(np.median(np.linalg.norm(centres - centres.mean(0), axis=1)))
    for view, (centre, R) in enumerate(zip(centres, capture.cameras.R.numpy())):
        axes.plot(*_plot_order(np.stack([centre, centre + reach * R[2]])), color="0.5")
        axes.text(*_plot_order(centre), str(view), fontsize=9)
    axes.scatter(*_plot_order(centres), color="black", s=12)
    for points, color in zip([] if hands is None else hands.points, (draw.LEFT, draw.RIGHT)):
        for bone in points[BONES]:
            axes.plot(*_plot_order(bone), color=color)
    axes.set_aspect("equal")
    axes.set_title("cameras, seen with the world's -y up", y=0.95, fontsize=9)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _plot_order(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, z, -y: OpenCV's downward y becomes the plot's upward axis."""
    return points[..., 0], points[..., 2], -points[..., 1]
