"""Stage 2: 3D keypoints, detections and masks -> the hand model's pose, shape and place.

Reads O/keypoints3d/keypoints_3d_S.xyz, D/S/pose, D/S/mask (where there are masks), D/S/img (to
make masks that cannot be believed) and D/S/camera/param.npz. Writes into O/mano_out: S.obj (left
hand first, world coordinates), S.pt (the parameters, one dict a hand), S.json (errors of every
stage, cameras, masks), S_masks.json (what each mask is worth) with trust_S/%02d.png (white: the
mask can be compared with the hands there), mask_S/%02d.png (masks that were made), masks_S.png
(all masks in one picture) and overlay_S/%02d.png; and O/cameras/param_S.npz where the data support
correcting the cameras.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import Job, StageRecord, run_stage, stage_parser

if TYPE_CHECKING:
    from models.hand_fitting import Fit
    from utils.captures import Capture

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
    import torch  # here and below, so that --help need not wait for it

    from models.hand_fitting import fit_hands, hands_in
    from models.hand_model import load_hand_model
    from utils.captures import load_capture
    from utils.keypoints import load_keypoints

    config = job.config
    capture = load_capture(job.data_path, job.scan_id, config.num, config.w, config.h)
    views = range(len(capture))
    points_path = job.out_path / "keypoints3d" / f"keypoints_3d_{job.scan_id}.xyz"
    points = load_keypoints(points_path)
    record = StageRecord(job, "mano_optim", CONFIG_KEYS)
    inputs = [points_path, capture.camera_path, *map(capture.pose_path, views)]
    if record.is_current([*inputs, *map(capture.mask_path, views)]):
        return

    sides = hands_in(points)
    models = [load_hand_model(side, config.hand_model, dtype=torch.float64) for side in sides]
    masks = [capture.mask(view) for view in views]
    start = time.perf_counter()
    seen = (points, capture.cameras, *capture.keypoints, masks)
    fit = fit_hands(models, *seen, config.mano_optim, photo=capture.image)
    seconds = time.perf_counter() - start

    outputs = write_fit(job.out_path, job.scan_id, capture, fit)
    outputs += write_pictures(job.out_path / "mano_out", job.scan_id, capture, fit)
    print(*summary_lines(fit), sep="\n")
    print(f"fitted in {seconds:.1f} s; results and overlays: {job.out_path / 'mano_out'}")
    record.finish(outputs, seconds_fit=round(seconds, 2))


def write_fit(out_path: Path, scan_id: str, capture: Capture, fit: Fit) -> list[Path]:
    """Write mesh, parameters, metrics and corrected cameras; returns the paths."""
    from models.fitted_hand import joined_mesh
    from utils.captures.demo import save_cameras
    from utils.files import save_json, save_mesh, save_torch

    folder = out_path / "mano_out"
    outputs = [folder / f"{scan_id}.{kind}" for kind in ("obj", "pt", "json")]
    outputs.append(folder / f"{scan_id}_masks.json")
    save_mesh(outputs[0], *joined_mesh(fit.hands))
    save_torch(outputs[1], [hand.as_dict() for hand in fit.hands])
    save_json(outputs[2], fit.metrics)
    save_json(outputs[3], [verdict.as_dict() for verdict in fit.verdicts])
    cameras_path = out_path / "cameras" / f"param_{scan_id}.npz"
    if fit.corrected:
        save_cameras(cameras_path, fit.cameras, capture.world_from_norm)
        outputs.append(cameras_path)
    else:
        cameras_path.unlink(missing_ok=True)  # an earlier run's corrections hold no more
    return outputs


def write_pictures(folder: Path, scan_id: str, capture: Capture, fit: Fit) -> list[Path]:
    """Write the views' overlays and trust maps; returns the paths."""
    from models.fit_overlay import fit_overlays
    from models.mask_picture import mask_sheet
    from utils.files import save_image

    made = folder / f"mask_{scan_id}"
    for stale in made.glob("*.png"):
        stale.unlink()
    outputs = [folder / f"masks_{scan_id}.png"]
    save_image(outputs[0], mask_sheet(capture, fit))
    for view, mask in fit.made_masks.items():
        outputs.append(made / f"{view:02d}.png")
        save_image(outputs[-1], mask)
    for view, overlay in enumerate(fit_overlays(capture, fit)):
        outputs.append(folder / f"overlay_{scan_id}" / f"{view:02d}.png")
        save_image(outputs[-1], overlay)
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


if __name__ == "__main__":
    sys.exit(main())
