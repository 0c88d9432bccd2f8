"""Stage 2: 3D keypoints, detections and masks -> the hand model's pose, shape and place.

Reads O/keypoints3d/keypoints_3d_S.xyz, D/S/pose, D/S/mask and the cameras. Writes
O/mano_out/S.obj (left hand first, world coordinates) and S.pt (parameters, one dict a hand).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from utils.cli import Job, StageRecord, run_stage, stage_parser

CONFIG_KEYS = ["hand_model", "mano_optim", "num", "w", "h"]


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Fit the parametric hand model to keypoints and masks.",
        "python mano_optim.py --data_path demo_data --scan_id 1",
    )
    return run_stage(parser, mano_optim, argv)


def mano_optim(job: Job) -> None:
    """Run the stage on one scan."""
    import numpy as np  # here and below, so that --help need not wait for torch
    import torch

    from models.hand_fitting import fit_hands, hands_in
    from models.hand_model import load_hand_model
    from utils.captures import load_capture
    from utils.files import save_mesh, save_torch
    from utils.keypoints import load_keypoints

    config = job.config
    capture = load_capture(job.data_path, job.scan_id, config.num, config.w, config.h)
    points_path = job.out_path / "keypoints3d" / f"keypoints_3d_{job.scan_id}.xyz"
    points = load_keypoints(points_path)
    record = StageRecord(job, "mano_optim", CONFIG_KEYS)
    inputs = [points_path, capture.camera_path]
    inputs += [capture.pose_path(view) for view in range(len(capture))]
    if record.is_current(inputs):
        return

    start = time.perf_counter()
    models = [
        load_hand_model(side, config.hand_model, dtype=torch.float64) for side in hands_in(points)
    ]
    fit = fit_hands(models, points, capture.cameras, *capture.keypoints, config.mano_optim)
    seconds = time.perf_counter() - start

    outputs = [job.out_path / "mano_out" / f"{job.scan_id}.{kind}" for kind in ("obj", "pt")]
    verts = [hand.verts().numpy() for hand in fit.hands]
    first = np.cumsum([0, *map(len, verts)])
    faces = [hand.model.faces.numpy() + k for hand, k in zip(fit.hands, first)]
    save_mesh(outputs[0], np.concatenate(verts), np.concatenate(faces))
    save_torch(outputs[1], [hand.as_dict() for hand in fit.hands])
    print(f"fitted {len(fit.hands)} hand(s) in {seconds:.1f} s: {outputs[0]}")
    record.finish(outputs, seconds_fit=round(seconds, 2), **fit.metrics)


if __name__ == "__main__":
    sys.exit(main())
