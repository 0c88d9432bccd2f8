"""Writes what a fit of the hand model found: mesh, parameters, cameras, masks and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.fitting.fit import Fit
from models.fitting.pictures import FitOverlays, mask_sheet
from models.hand.fitted import FittedHand, joined_mesh
from utils.captures import Capture
from utils.captures.camera_files import save_cameras
from utils.io.files import save_json, save_torch
from utils.io.images import save_image
from utils.io.meshes import save_mesh
from utils.pictures import save_picture, save_pictures


def save_fit(out_path: Path, scan_id: str, capture: Capture, fit: Fit) -> list[Path]:
    """Write mano_out, and the cameras where they were corrected; returns the paths."""
    mesh = joined_mesh(fit.hands)
    outputs = save_hands(out_path / "mano_out", scan_id, capture, fit, mesh, fit.hands)
    cameras_path = out_path / "cameras" / f"param_{scan_id}.npz"
    if fit.corrected:
        save_cameras(cameras_path, fit.cameras, capture.world_from_norm)
        outputs.append(cameras_path)
    else:
        cameras_path.unlink(missing_ok=True)  # an earlier run's corrections hold no more
    return outputs


def save_hands(
    folder: Path,
    scan_id: str,
    capture: Capture,
    fit: Fit,
    mesh: tuple[np.ndarray, np.ndarray],
    hands: Sequence[FittedHand],
    metrics: dict[str, Any] | None = None,
) -> list[Path]:
    """Write what HAM starts from, with verdicts and pictures; returns the paths.

    mesh (V, 3), (F, 3) and the parameters of `hands`; metrics are added to the fit's.
    """
    outputs = [folder / f"{scan_id}.{kind}" for kind in ("obj", "pt", "json")]
    outputs.append(folder / f"{scan_id}_masks.json")
    verts, faces = mesh
    save_mesh(outputs[0], verts, faces)
    save_torch(outputs[1], [hand.as_dict() for hand in hands])
    save_json(outputs[2], {**fit.metrics, **(metrics or {}), "view_names": capture.names})
    save_json(outputs[3], [verdict.as_dict() for verdict in fit.verdicts])
    return outputs + _save_pictures(folder, scan_id, capture, fit)


def _save_pictures(folder: Path, scan_id: str, capture: Capture, fit: Fit) -> list[Path]:
    """The masks that were made, all masks in one picture, overlays and trust maps."""
    made = folder / f"mask_{scan_id}"
    for stale in made.glob("*.png"):
        stale.unlink()
    outputs = save_picture(folder / f"masks_{scan_id}.png", lambda: mask_sheet(capture, fit))
    for view, mask in fit.made_masks.items():
        outputs.append(made / f"{view:02d}.png")
        save_image(outputs[-1], mask)
    overlays, views = FitOverlays(capture, fit), range(len(capture))
    draws = [partial(overlays.of_view, view) for view in views]
    paths = [folder / f"overlay_{scan_id}" / f"{view:02d}.png" for view in views]
    outputs += save_pictures(paths, draws, capture.pixels())
    for view in views:
        outputs.append(folder / f"trust_{scan_id}" / f"{view:02d}.png")
        save_image(outputs[-1], fit.trusted[view])
    return outputs


def summary_lines(fit: Fit) -> list[str]:
    """What the fit found, for the terminal."""
    last = fit.metrics["stages"][-1]
    sides = " and ".join(hand.side for hand in fit.hands)
    lines = [
        f"{sides} hand: keypoints within {last['keypoint_mm']:.1f} mm (3D) and "
        f"{last['keypoint_px']:.1f} px (median)"
    ]
    support = fit.metrics["camera_support"]
    if fit.corrected:
        most = max(fit.metrics["camera_shift_px"])
        lines.append(
            f"cameras corrected by up to {most:.1f} px at the hands: keypoints that had no part "
            f"in it came {100 * support:.0f} % closer"
        )
    else:
        lines.append(f"cameras kept as they are (corrections would gain {100 * support:.0f} %)")
    for verdict in fit.verdicts:
        if verdict.made or not verdict.believed:
            lines.append(f"mask of view {verdict.view:02d}: {verdict.reason}")
    return lines
