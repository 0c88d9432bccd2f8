"""Stage 2: 3D keypoints, detections and masks -> the hand model's pose, shape and place.

Reads O/keypoints3d/keypoints_3d_S.xyz, D/S/pose, D/S/mask (where there are masks), D/S/img (to
make masks that cannot be believed) and D/S/camera/param.npz. Writes into O/mano_out: S.obj (left
hand first, world coordinates), S.pt (the parameters, one dict a hand), S.json (errors of every
stage, cameras, masks), S_masks.json (what each mask is worth) with trust_S/%02d.png (white: the
mask can be compared with the hands there), mask_S/%02d.png (masks that were made), masks_S.png
(all masks in one picture) and overlay_S/%02d.png; and O/cameras/param_S.npz where the data support
correcting the cameras.

With --frames, scans are frames of a movement: shape, scale and cameras are solved once for all,
each frame starts from those before it, and poses are smoothed over time. Writes O/sequence, too:
A-B_sequence.npz (all poses, in the manner of AMASS) and A-B.json.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from utils.stage import Job, StageRecord, run_stage, stage_parser, start


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Fit the parametric hand model to keypoints and masks.",
        "python mano_optim.py --data_path demo_data --scan_id 1   # after pose_optim.py\n"
        "python mano_optim.py --data_path demo_data --set mano_optim.camera_support=2\n"
        "python mano_optim.py --data_path moving_data --frames 1:25   # a movement: 1 to 24",
        optimises=True,
    )
    return run_stage(parser, mano_optim, argv, mano_optim_sequence)


def mano_optim(job: Job) -> None:
    """Run the stage on one scan."""
    import torch  # here and below, so that --help need not wait for it

    from models.fitting.fit import fit_hands
    from models.fitting.observations import Observations
    from models.fitting.results import save_fit, summary_lines
    from models.fitting.verdict import judge_fit
    from models.hand import load_hand_models
    from models.hand.files import model_files
    from utils.captures import open_capture
    from utils.keypoints.order import load_keypoints
    from utils.keypoints.views import hands_in

    config = job.config
    capture = open_capture(job, mended=True)
    points_path = job.out_path / "keypoints3d" / f"keypoints_3d_{job.scan_id}.xyz"
    points = load_keypoints(points_path)
    record = StageRecord(job, "mano_optim")
    inputs = [points_path, *model_files(config.hand_model)]
    if record.is_current([*inputs, *capture.files("camera", "pose", "image", "mask")]):
        return
    capture.look_ahead()

    record.recall("pose_optim")
    sides = hands_in(points)
    models = list(load_hand_models(sides, config.hand_model, torch.float64).values())
    start = time.perf_counter()
    observations = Observations.of(capture, points, config.pose_optim)
    fit = fit_hands(models, observations, config.mano_optim)
    seconds = time.perf_counter() - start

    verdict = judge_fit(fit.metrics, float(capture.cameras.sizes.max()))
    verdict.enforce(job.force)
    outputs = save_fit(job.out_path, job.scan_id, capture, fit)
    print(*summary_lines(fit), sep="\n")
    print(f"fitted in {seconds:.1f} s; results and overlays: {job.out_path / 'mano_out'}")
    record.finish(outputs, seconds_fit=round(seconds, 2), verdict=verdict.as_dict())
    print(verdict.line())


def mano_optim_sequence(job: Job) -> None:
    """Run the stage on the frames of a movement; what a stopped run did is kept."""
    import torch

    from models.fitting.verdict import LIMITS
    from models.hand import load_hand_models
    from models.hand.files import model_files
    from models.sequences.fitting import SequenceFitter
    from models.sequences.opened import open_sequence
    from models.sequences.results import save_sequence_fit
    from models.sequences.verdict import frames_verdict
    from utils.captures import open_capture
    from utils.keypoints import SIDES
    from utils.stage.frame_store import FrameStore

    config, overwrite = job.config, job.overwrite
    opened = open_sequence(job, "mano_optim", lambda own: open_capture(own, mended=True))
    record = StageRecord(job, "mano_optim")
    inputs = [*model_files(config.hand_model)]
    for frame in opened.frames:
        inputs += [job.out_path / "keypoints3d" / f"keypoints_3d_{frame.name}.xyz"]
        inputs += frame.capture.files("camera", "pose", "image", "mask")
    if record.is_current(inputs):
        return
    models = load_hand_models(SIDES, config.hand_model, torch.float64)
    folder = job.out_path / "sequence" / f".{job.scan_id}_mano_optim"
    made_with = {**record.made_with, "inputs": record.contents()}
    store = FrameStore(folder, made_with, config, overwrite)
    fitter = SequenceFitter(opened, models, config, store)
    start = time.perf_counter()
    fit = fitter.fit()
    written = {frame.name: fitter.write_frame(frame, fit) for frame in opened.frames}
    outputs = save_sequence_fit(job, opened, fit, written)
    verdict = frames_verdict(written, LIMITS, opened.chosen.title)
    seconds = time.perf_counter() - start
    print(f"{len(opened.frames)} frames in {seconds:.1f} s; poses: {outputs[0]}")
    record.finish(outputs, seconds_fit=round(seconds, 2), verdict=verdict.as_dict())
    store.forget()
    print(verdict.line())


if __name__ == "__main__":
    start(main)
