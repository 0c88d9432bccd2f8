"""Results of a scan of two made-up hands, as the stages would leave them, for reports of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.appearance.shading import render_mesh
from models.ham.reconstruction import load_reconstruction
from tests.scenes.evaluation import write_reconstruction
from tests.scenes.ham import HamScene
from utils.io.files import load_json, save_json
from utils.io.images import save_image
from utils.io.meshes import save_mesh
from utils.keypoints.order import save_keypoints

SKIN = (0.85, 0.6, 0.5)  # albedo
SWAPPED, OUTLIER, RESIDUAL = 1, (0, 1, 8), 30.0  # a view; view, hand and joint of an outlier


def write_results(out: Path, scene: HamScene) -> Path:
    """Results of scan 1 of all stages but the neural renderer and the evaluation; O/demo_sfs/1.

    The last view's mask was made anew, and view 1's camera corrected by 41 px.
    """
    scene.write_fit(out / "mano_out")
    masks = load_json(out / "mano_out" / "1_masks.json")
    reason = "made (agrees with the hands); given: lacks 40 % of the hands"
    masks[-1].update(made=True, reason=reason)
    save_json(out / "mano_out" / "1_masks.json", masks)
    shifts = [41.0 if view == 1 else 0.0 for view in range(len(masks))]
    save_json(out / "mano_out" / "1.json", {"camera_shift_px": shifts})
    write_record(out, "mano_optim")
    folder = write_refinement(out, scene)
    write_keypoints(out, load_reconstruction(folder, "1").keypoints(), len(masks))
    return folder


def write_keypoints(out: Path, points: np.ndarray, views: int, scan: str = "1") -> None:
    """What pose_optim.py leaves of points (2, 21, 3): one view renamed, one outlier."""
    residuals, inliers = np.full((views, 2, 21), 1.5), np.ones((views, 2, 21), bool)
    residuals[OUTLIER], inliers[OUTLIER] = RESIDUAL, False
    save_keypoints(out / "keypoints3d" / f"keypoints_3d_{scan}.xyz", points)
    facts: dict[str, Any] = {
        "summary": {side: {"median_residual": 1.5} for side in ("left", "right")},
        "views": [
            {"view": k, "swapped": k == SWAPPED, "median_residual": 1.5, "outliers": int(k == 0)}
            for k in range(views)
        ],
        "residuals": residuals,
        "inliers": inliers,
        "left_out": [],
    }
    save_json(out / "keypoints3d" / f"keypoints_3d_{scan}.json", facts)
    write_record(out, "pose_optim", "doubtful", "3 views only", scan)


def write_record(
    out: Path, stage: str, level: str = "good", reason: str = "", scan: str = "1"
) -> None:
    """A stage's record with a verdict."""
    reasons = [reason] if reason else []
    save_json(
        out / "runs" / f"{scan}_{stage}.json",
        {
            "stage": stage,
            "scan_id": scan,
            "seconds": 12.5,
            "peak_memory_gb": 0.8,
            "seed": 0,
            "device": "cpu",
            "code": "0123456789abcdef",
            "config": {"lap_weight": 0.5},
            "verdict": {"level": level, "reasons": reasons, "measures": {}},
        },
    )


def write_refinement(out: Path, scene: HamScene) -> Path:
    """What mesh_sfs_optim.py leaves of scan 1, all skin of one colour; returns O/demo_sfs/1."""
    folder = out / "demo_sfs" / "1"
    albedo = torch.tensor(SKIN).expand_as(scene.appearance.albedo).contiguous()
    scene = replace(scene, appearance=replace(scene.appearance, albedo=albedo))
    write_reconstruction(folder, scene)
    save_mesh(folder / "ori_1.obj", scene.smooth.numpy(), scene.faces)
    pictures = render_mesh(scene.true, scene.faces, scene.appearance, scene.cameras)
    for view, picture in enumerate(pictures):
        save_image(folder / "rerender" / f"mesh_{view:02d}.png", picture.image)
    save_image(folder / "losses.png", np.full((40, 80, 3), 0.5))
    scores = [
        {"view": k, "psnr": 30.0 + k, "iou": 0.98, "iou_start": 0.9} for k in range(len(pictures))
    ]
    means = {"psnr": 31.0, "iou": 0.98, "iou_start": 0.9}
    save_json(folder / "metrics.json", {"fitted_views": means, "views": scores})
    write_record(out, "mesh_sfs_optim")
    return folder
