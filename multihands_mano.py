"""Photos -> parametric hands without an optimisation: the graph network's prediction.

Reads D/S/img, D/S/camera/param.npz and D/S/pose (where keypoints are missing, detect_hands.py is
run first, which writes them). Triangulates the keypoints as pose_optim.py does, and writes into
O/gcn_out what mano_optim.py writes into O/mano_out (S.obj is the network's mesh), so that
mesh_sfs_optim.py can start from it (--set input_mesh_dire=gcn_out). With --optim, mano_optim.py's
fit goes on from there and writes O/mano_out. With --range N, each scan is held against the one
before it, as frames of a film.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.stage import Job, StageRecord, run_stage, stage_parser, start

if TYPE_CHECKING:
    from models.fitting.observations import Observations
    from models.gcn.prediction import Prediction
    from models.hand import HandModel
    from utils.captures import Capture
    from utils.verdict import Verdict


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run the stage; returns the exit status."""
    parser = stage_parser(
        "Predict the parametric hands from photos by the graph network.",
        "python multihands_mano.py --data_path demo_data --scan_id 1\n"
        "python multihands_mano.py --data_path demo_data --scan_id 1 --optim",
        optimises=True,
    )
    parser.add_argument(
        "--optim", action="store_true", help="then fit as mano_optim.py does; writes mano_out"
    )
    frames_done: set[str] = set()

    @wraps(multihands_mano)
    def stage(job: Job) -> None:
        multihands_mano(job, frames_done)

    return run_stage(parser, stage, argv)


def multihands_mano(job: Job, frames_done: set[str] | None = None) -> None:
    """Run the stage on one scan.

    `frames_done` are the scans that this run has dealt with; this one is added to them.
    """
    import torch  # here and below, so that --help need not wait for it

    from models.gcn.weights import weights_path
    from models.hand import load_hand_models
    from models.hand.files import model_files
    from pose_optim import pose_optim
    from utils.captures import open_capture
    from utils.keypoints import SIDES

    config = job.config
    frames_done = set() if frames_done is None else frames_done
    capture = open_capture(job)
    detect_missing(job, capture)
    pose_optim(job.nested())
    capture = open_capture(job, mended=True)
    models = load_hand_models(SIDES, config.hand_model, torch.float64)
    chosen = config.multihands.weights
    weights = weights_path(models["right"].kind) if chosen == "auto" else Path(chosen)
    before = hands_before(job, frames_done)
    record = StageRecord(job, "multihands_mano", {"optim": job.args.optim})
    inputs = [points_file(job), weights, *model_files(config.hand_model)]
    inputs += [before] if before else []
    inputs += capture.files("camera", "image", "mask", "pose")
    if record.is_current(inputs):
        frames_done.add(job.scan_id)
        return

    prediction, seconds = predict(job, record, models, weights, before)
    outputs, verdict = write_results(job, capture, prediction)
    record.finish(outputs, seconds_network=round(seconds, 4), verdict=verdict.as_dict())
    frames_done.add(job.scan_id)
    print(verdict.line())


def predict(
    job: Job,
    record: StageRecord,
    models: Mapping[str, HandModel],
    weights: Path,
    before: Path | None,
) -> tuple[Prediction, float]:
    """The network's hands, and the seconds that it took.

    `before` holds the hands of the frame before. Where keypoints were mended by them, they are
    written again.
    """
    from models.gcn.prediction import predict_hands
    from models.gcn.weights import load_network
    from utils.keypoints.order import load_keypoints

    network = load_network(models["right"], weights)
    path = points_file(job)
    points, earlier = load_keypoints(path), keypoints_of(before, models)
    start = time.perf_counter()
    prediction = predict_hands(network, models, points, earlier, job.config.multihands)
    seconds = time.perf_counter() - start
    if not np.array_equal(prediction.points, points, equal_nan=True):
        rewrite_keypoints(job, record, path, prediction.points)
    print(*prediction.summary_lines(), sep="\n")
    print(f"predicted in {seconds:.2f} s; results and overlays: {job.out_path / 'gcn_out'}")
    return prediction, seconds


def points_file(job: Job) -> Path:
    """The keypoints that pose_optim.py triangulated."""
    return job.out_path / "keypoints3d" / f"keypoints_3d_{job.scan_id}.xyz"


def rewrite_keypoints(job: Job, record: StageRecord, path: Path, points: np.ndarray) -> None:
    """Write the keypoints (2, 21, 3) that count over pose_optim.py's."""
    from utils.keypoints.order import save_keypoints

    save_keypoints(path, points)
    record.renew(path)  # this stage read it; and pose_optim.py need not write it again
    StageRecord(job.nested(), "pose_optim").renew(path)


def detect_missing(job: Job, capture: Capture) -> None:
    """Detect keypoints in views without a file of them; those that are there stay.

    Raises UserError where the detector's environment is missing.
    """
    from detect_hands import detect_hands
    from utils.detection.detector import environment

    missing = [path for path in capture.files("pose") if not path.is_file()]
    if not missing:
        return
    what = f"{missing[0]} is missing ({len(missing)} of {len(capture)} views)"
    try:
        environment(job.config.detect_hands.environment)
    except UserError as error:
        raise UserError(f"{what}; {error}") from error
    print(f"{what}: detecting hands", flush=True)
    detect_hands(job.nested())


def hands_before(job: Job, frames_done: set[str]) -> Path | None:
    """With --range, the file of the frame before, if that was dealt with."""
    if job.args.range is None:
        return None
    scan_id = str(int(job.scan_id) - 1)
    return job.out_path / "gcn_out" / f"{scan_id}.pt" if scan_id in frames_done else None


def keypoints_of(path: Path | None, models: Mapping[str, HandModel]) -> np.ndarray | None:
    """All keypoints (2, 21, 3) of the hands in a frame's S.pt; nan: a hand that was not there."""
    from models.hand.fitted import FittedHand, checked_hands
    from utils.io.checks import FileCheck
    from utils.io.files import load_torch
    from utils.keypoints import KEYPOINTS, SIDES

    if path is None:
        return None
    points = np.full((len(SIDES), KEYPOINTS, 3), np.nan)
    check = FileCheck(path, "run multihands_mano.py on that scan again")
    for hand in checked_hands(check, load_torch(path)):
        own = FittedHand.of_dict(hand, models[hand["type"]])
        points[SIDES.index(hand["type"])] = own.keypoints()
    return points


def write_results(job: Job, capture: Capture, prediction: Prediction) -> tuple[list[Path], Verdict]:
    """Write gcn_out and, with --optim, mano_out; returns the paths and the last one's verdict."""
    from models.fitting.observations import Observations

    observations = Observations.of(capture, prediction.points, job.config.pose_optim)
    outputs, verdict = write_prediction(job, capture, prediction, observations)
    if job.args.optim:
        fitted, verdict = optimise(job, capture, prediction, observations)
        outputs += fitted
    return outputs, verdict


def write_prediction(
    job: Job, capture: Capture, prediction: Prediction, observations: Observations
) -> tuple[list[Path], Verdict]:
    """Write gcn_out; returns the paths and the verdict on the network's hands."""
    from models.fitting.fit import judge_hands
    from models.fitting.results import save_hands
    from models.fitting.verdict import judge_fit
    from models.gcn.prediction import joined_verts
    from models.hand.fitted import joined_mesh

    hands = prediction.fitted_hands
    fit = judge_hands(hands, observations, job.config.mano_optim)
    verdict = judge_fit(fit.metrics, float(capture.cameras.sizes.max()))
    verdict.enforce(job.force or job.args.optim)  # a fit may mend what the network missed
    mesh = joined_verts(prediction.hands), joined_mesh(hands)[1]
    folder, metrics = job.out_path / "gcn_out", prediction.metrics()
    return save_hands(folder, job.scan_id, capture, fit, mesh, hands, metrics), verdict


def optimise(
    job: Job, capture: Capture, prediction: Prediction, observations: Observations
) -> tuple[list[Path], Verdict]:
    """mano_optim.py's fit from the network's hands; writes mano_out; returns paths and verdict."""
    from models.fitting.fit import fit_hands
    from models.fitting.results import save_fit, summary_lines
    from models.fitting.verdict import judge_fit

    hands = prediction.fitted_hands
    models = [hand.model for hand in hands]
    fit = fit_hands(models, observations, job.config.mano_optim, start=hands)
    verdict = judge_fit(fit.metrics, float(capture.cameras.sizes.max()))
    verdict.enforce(job.force)
    outputs = save_fit(job.out_path, job.scan_id, capture, fit)
    print(*summary_lines(fit), sep="\n")
    return outputs, verdict


if __name__ == "__main__":
    start(main)
