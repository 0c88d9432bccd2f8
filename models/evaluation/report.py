"""What an evaluation shows: a table for the terminal, and a picture of each view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

from utils import draw
from utils.captures.capture import view_label

BOTH, MISSED, EXTRA, IGNORED = (0.25, 0.65, 0.25), (0.2, 0.4, 1.0), (0.95, 0.2, 0.15), 0.45
MISSED_NOTE = 0.02  # of the truth far away: worth a line
MARGIN = 0.08  # around the hands, of their box
VIEW_COLUMNS = {  # heading -> group of scores (None: the renderer), key, format
    "IoU": ("mask", "iou", "{:.3f}"),
    "precision": ("mask", "precision", "{:.3f}"),
    "recall": ("mask", "recall", "{:.3f}"),
    "PSNR": (None, "psnr", "{:.2f}"),
    "aligned": (None, "psnr_aligned", "{:.2f}"),
    "own light": (None, "psnr_own_light", "{:.2f}"),
    "SSIM": (None, "ssim", "{:.3f}"),
    "aligned ": (None, "ssim_aligned", "{:.3f}"),
    "FLIP": (None, "flip", "{:.3f}"),
    "aligned  ": (None, "flip_aligned", "{:.3f}"),
    "LPIPS": (None, "lpips", "{:.3f}"),
    "aligned   ": (None, "lpips_aligned", "{:.3f}"),
}


def view_comparison(
    photo: np.ndarray,
    rendered: np.ndarray,
    covered: np.ndarray,
    mask: np.ndarray | None,
    ignored: np.ndarray,
    title: str,
) -> np.ndarray:
    """Photo | rendering | difference about grey, four times amplified | masks, cut to the hands.

    photo, rendered (H, W, 3) in [0, 1]; covered, mask, ignored (H, W) bool. Masks: green in both,
    blue only in the given one, red only in the rendering, grey where they are not compared.
    """
    box = _box(covered if mask is None or covered.any() else mask)
    photo, rendered, covered, ignored = (x[box] for x in (photo, rendered, covered, ignored))
    given = covered if mask is None else mask[box]
    outlined = draw.mask_outline(photo, covered, draw.GOOD)
    shown = np.where(covered[..., None], rendered, 0)
    difference = draw.difference(photo, rendered, covered)
    return draw.titled([outlined, shown, difference, _agreement(covered, given, ignored)], title)


def _agreement(covered: np.ndarray, mask: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    picture = np.zeros((*covered.shape, 3), np.float32)
    for color, where in (
        (BOTH, covered & mask),
        (MISSED, mask & ~covered),
        (EXTRA, covered & ~mask),
        ((IGNORED,) * 3, (covered | mask) & ignored),
    ):
        picture[where] = color
    return picture


def _box(region: np.ndarray) -> tuple[slice, slice]:
    x, y, width, height = cv2.boundingRect(region.astype(np.uint8))
    if width == 0:
        return np.s_[:, :]
    grow = round(MARGIN * max(width, height)) + 1
    return np.s_[max(y - grow, 0) : y + height + grow, max(x - grow, 0) : x + width + grow]


def table_text(metrics: dict[str, Any]) -> str:
    """The table that the terminal shows of `metrics` (as in metrics.json)."""
    lines = [f"cameras: {metrics['cameras']} (image size from {metrics['image_size_from']})"]
    lines.append(f"light: {metrics['light']}")
    renderers = [name for name in metrics["mean"] if not name.startswith("mask")] or ["mesh"]
    for name in renderers:
        lines += ["", *_view_table(metrics, name)]
    lines += ["", *notes(metrics)]
    if metrics["truth"]:
        lines += ["", *_truth_table(metrics["truth"])]
    return "\n".join(lines) + "\n"


def notes(metrics: dict[str, Any]) -> list[str]:
    """What a reader must know about the numbers."""
    said = [why for why in (metrics["flip"], metrics["lpips"]) if why.endswith("machine")]
    if "mesh" in metrics["mean"]:
        said.append(
            "aligned: a gain and an offset a channel; own light: under the light that fits this "
            "photo best, a bound and no prediction"
        )
    if any(view["mask"] for view in metrics["views"]):
        said.append("masks: pixels nearest to the wrist's end left out")
    else:
        said.append("no masks: colours are compared wherever the mesh is seen")
    return said


def _view_table(metrics: dict[str, Any], renderer: str) -> list[str]:
    columns = {
        head: (group or renderer, key, form)
        for head, (group, key, form) in VIEW_COLUMNS.items()
        if any(
            (view.get(group or renderer) or {}).get(key) is not None for view in metrics["views"]
        )
    }
    rows = [[f"{renderer}, view", *(head.strip() for head in columns), ""]]
    for view in metrics["views"]:
        status = "" if view["status"] == "ok" else view["status"]
        rows.append([view_label(view["view"], view["name"]), *_cells(view, columns), status])
    rows.append(["mean", *_cells(metrics["mean"], columns), ""])
    if "mask_believed" in metrics["mean"]:
        believed = {"mask": metrics["mean"]["mask_believed"]}
        rows.append(["mean, believed masks", *_cells(believed, columns), ""])
    return _aligned(rows)


def _cells(scores: dict[str, Any], columns: dict[str, tuple]) -> Iterable[str]:
    for group, key, form in columns.values():
        value = (scores.get(group) or {}).get(key)
        yield "-" if value is None else form.format(value)


def _truth_table(truth: dict[str, Any]) -> list[str]:
    lines = [truth["unit_note"]]
    if "surface" in truth:
        rows = [["surface, mm", "mesh to truth", "truth to mesh", "Chamfer", "90 %", "99 %"]]
        rows[0] += ["normals, deg", "F 0.5 mm", "F 1 mm", "F 2 mm", "left out"]
        rows += [_surface_row(name, scores) for name, scores in truth["surface"].items()]
        lines += [*_aligned(rows), *_partial_table(truth["surface"])]
        lines += _surface_notes(truth["surface"]["all"])
    lines += truth["notes"]
    if "depth" in truth:
        lines += ["", *_depth_table(truth["depth"])]
    if "keypoints" in truth:
        rows = [["keypoints, mm", "mean", "median", "largest", "count"]]
        for name, scores in truth["keypoints"].items():
            numbers = [f"{scores[key]:.2f}" for key in ("mean_mm", "median_mm", "max_mm")]
            rows.append([name, *numbers, str(scores["count"])])
        lines += ["", *_aligned(rows)]
    return lines


def _partial_table(surface: dict[str, Any]) -> list[str]:
    """Both directions in the hands' region, of a truth that is partial."""
    if "mesh_in_region" not in surface["all"]:
        return []
    rows = [["in the region, mm", "mean", "median", "90 %", "compared"]]
    directions = {"to_truth": "mesh to scan", "from_truth": "scan to mesh"}
    for name, scores in surface.items():
        for key, words in directions.items():
            if scores[key] is not None:
                numbers = [f"{scores[key][each]:.3f}" for each in ("mean_mm", "p50_mm", "p90_mm")]
                compared = f"{100 * (1 - scores[key]['left_out']):.1f} %"
                rows.append([f"{name}, {words}", *numbers, compared])
    shares = [100 * surface["all"][f"{what}_in_region"] for what in ("mesh", "truth")]
    inside = f"in the region: {shares[0]:.0f} % of the mesh, {shares[1]:.0f} % of the scan"
    return ["", *_aligned(rows), inside]


def _depth_table(depth: dict[str, Any]) -> list[str]:
    rows = [["depth, mm", "mean", "median", "within 5 mm", "pixels"]]
    for view in (*depth["views"], {"name": "all pixels", **depth["all"]}):
        if not view["pixels"]:
            rows.append([view["name"], *"---", "0"])
            continue
        numbers = [f"{view['mean_mm']:.2f}", f"{view['median_mm']:.2f}"]
        share = f"{100 * view['within_5_mm']:.1f} %"
        rows.append([view["name"], *numbers, share, str(view["pixels"])])
    return _aligned(rows)


def _surface_notes(scores: dict[str, Any]) -> list[str]:
    said = [f"the truth holds no {side} hand: left out" for side in scores["absent_in_truth"]]
    if scores["missed_truth"] > MISSED_NOTE:
        share = f"{100 * scores['missed_truth']:.0f} % of the truth"
        said.append(f"{share} is far from any hand that was reconstructed")
    if scores["truth_turned_inside_out"]:
        said.append("the true mesh is inside out: its normals were turned")
    return said


def _surface_row(name: str, scores: dict[str, Any]) -> list[str]:
    forth, back = scores["to_truth"], scores["from_truth"]
    if back is None:
        return [name, "-"]
    if forth is None:  # a cloud of points: one way
        quantiles = [f"{back[key]:.3f}" for key in ("p90_mm", "p99_mm")]
        left_out = f"{100 * back['left_out']:.1f} %"
        return [name, "-", f"{back['mean_mm']:.3f}", "-", *quantiles, *"----", left_out]
    numbers = [forth["mean_mm"], back["mean_mm"], scores["chamfer_mm"]]
    numbers += [forth["p90_mm"], forth["p99_mm"]]
    row = [name, *(f"{x:.3f}" for x in numbers), f"{scores['normal_deg']:.2f}"]
    row += [f"{x:.3f}" for x in scores["f_score"].values()]
    return [*row, f"{100 * forth['left_out']:.1f}, {100 * back['left_out']:.1f} %"]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[k]) if k < len(row) else 0 for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
