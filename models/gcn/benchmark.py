"""What the graph network is worth: `python -m models.gcn.benchmark`.

First its errors on unseen hands (means, mm) and its time. Then fits of keypoints in 3D as
mano_optim.py makes them, on hands of ordinary poses and on fists and crossed fingers, exact and
with detectors' faults: from its own start (the mean pose moved rigidly), from the network's start
with the same objective, which tells how many steps each takes to where the first one ends; and as
multihands_mano.py --optim does it, where poses near the network's are the likely ones. Errors are
the vertices' means; a fit has failed when it is off by more than 10 mm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.fitting.least_squares import minimise
from models.fitting.problem import FitProblem, PosePrior
from models.fitting.stages import Weights
from models.fitting.start import natural_scale, rigid_start
from models.gcn.metrics import UNSEEN, measure
from models.gcn.prediction import predict
from models.gcn.samples import Faults, HandSampler
from models.gcn.weights import load_network
from models.hand import HandModel, load_hand_model
from models.hand.fitted import FittedHand
from models.hand.kinematics import LAYOUT, HandKinematics
from utils.cameras import Similarity
from utils.errors import UserError
from utils.keypoints import KEYPOINTS
from utils.progress_bar import progress
from utils.render.cpu.threads import one_thread
from utils.stage.config import load_config

if TYPE_CHECKING:
    from models.gcn.network import HandGCN

STEPS = 40  # of a fit; mano_optim.py's stages on 3D keypoints have as many together
SAME = 1.001  # objectives within a thousandth count as the same
FAILED = 10.0  # mm, mean over the vertices
FAULTS = {
    "exact": Faults(),
    "faulty": Faults(noise=3.0, same_noise=True, gross=0.1, gross_size=60.0, missing=0.2),
}
HARD = ("fist", "crossed")


@dataclass(frozen=True)
class Outcome:
    """One fit: the objective after each evaluation, and how far off its vertices are, mm."""

    costs: list[float]
    error: float

    def steps_to(self, objective: float) -> float:
        """Evaluations until the objective was reached; inf: never."""
        reached = np.flatnonzero(np.array(self.costs) <= objective * SAME)
        return float(reached[0]) if len(reached) else np.inf


class Fits:
    """Fits one right hand to keypoints in 3D, from either start, as mano_optim.py does."""

    def __init__(self, model: HandModel, network: HandGCN, options: Mapping[str, Any]) -> None:
        self.model, self.network = model, network
        self.kinematics, self.prior = HandKinematics(model), PosePrior(model)
        names = [name for name in Weights.__annotations__ if name in options]
        self.start_spread = options["start_spread"]
        self.weights = Weights(keypoints_3d=1.0, **{name: options[name] for name in names})

    def run(self, points: np.ndarray, verts: np.ndarray) -> tuple[Outcome, Outcome, Outcome]:
        """From scratch, from the network, and as with --optim.

        points (21, 3), nan where not seen, and true vertices (V, 3), metres.
        """
        scale = natural_scale([self.kinematics], points[None])
        world_from_fit = Similarity(scale, torch.from_numpy(np.nanmean(points, 0)))
        near = torch.from_numpy((points - np.nanmean(points, 0)) / scale)
        problem = FitProblem(
            hands=[self.kinematics],
            priors=[self.prior],
            cameras=None,
            points=near[None],
            pixels=near.new_zeros(0, 1, KEYPOINTS, 2),
            confidence=near.new_zeros(0, 1, KEYPOINTS),
            weights=self.weights,
        )
        place = problem.free(["trans", "rotation", "scale"])
        start = rigid_start(self.kinematics, near.numpy())
        scratch = self._run(problem, start, [(place, 10), (None, STEPS - 10)])
        hand = predict(self.network, self.model, points).hand
        predicted = hand.unknowns(world_from_fit)
        network = self._run(problem, predicted, [(None, STEPS)])
        problem.priors = [PosePrior(self.model, hand.pose[0, 3:], self.start_spread)]
        optim = self._run(problem, predicted, [(None, STEPS)])
        return tuple(
            Outcome(costs, self._error(x, world_from_fit, verts))
            for x, costs in (scratch, network, optim)
        )

    def _run(self, problem: FitProblem, x: torch.Tensor, stages: list) -> tuple:
        costs = []

        def counted(at: torch.Tensor) -> list:
            residuals = problem(at)
            costs.append(sum(r.cost() for r in residuals))
            return residuals

        for free, steps in stages:
            free = problem.free(list(LAYOUT)) if free is None else free
            x = minimise(counted, x, free, steps)
        return x, costs

    def _error(self, x: torch.Tensor, world_from_fit: Similarity, verts: np.ndarray) -> float:
        fitted = FittedHand.of(self.model, x, world_from_fit).verts().numpy()
        return 1000 * float(np.linalg.norm(fitted - verts, axis=1).mean())


def compare_starts(
    fits: Fits, model: HandModel, kinds: Sequence[str], faults: Faults, count: int
) -> list[tuple[Outcome, ...]]:
    """`Fits.run` on `count` unseen hands of these kinds of poses."""
    sampler = HandSampler(model, count, UNSEEN, dict.fromkeys(kinds, 1.0), faults)
    samples = sampler(0)
    points = np.where(samples.seen[..., None], samples.points, np.nan).astype(float)
    verts = samples.verts.double().numpy()
    with one_thread():
        rows = progress(range(count), " and ".join(kinds), "hand")
        return [fits.run(points[k], verts[k]) for k in rows]


def report(outcomes: Sequence[tuple[Outcome, ...]]) -> str:
    """Steps of both starts to where the first one ends, errors and failures of all three fits."""
    goals = [min(scratch.costs) for scratch, *_ in outcomes]
    steps = np.array([[o.steps_to(goal) for o in trio] for trio, goal in zip(outcomes, goals)])
    errors = np.array([[outcome.error for outcome in trio] for trio in outcomes])
    ratio = np.median(steps[:, 1] / np.maximum(steps[:, 0], 1))
    reached = 100 * np.mean(np.isfinite(steps[:, 1]))
    scratch, network, _ = np.median(steps, 0)
    mm, failed = np.median(errors, 0), (errors > FAILED).sum(0)
    return (
        f"steps {scratch:.0f} -> {network:.0f} (ratio {ratio:.2f}, reached by {reached:.0f} %); "
        f"error {mm[0]:.2f} -> {mm[1]:.2f}, --optim {mm[2]:.2f} mm; "
        f"failed {failed[0]} -> {failed[1]}, --optim {failed[2]} of {len(outcomes)}"
    )


def time_of(network: HandGCN, model: HandModel, runs: int = 50) -> float:
    """Median milliseconds that one hand takes, on one thread."""
    pose, shape, trans, scale = (torch.zeros(1, n).double() for n in (48, 10, 3, 1))
    points = model.joints_and_tips(pose, shape, trans, scale)
    points = points[0].detach().numpy() + model.rest_joints(torch.zeros(10).double()).numpy()[:1]
    seconds = []
    with one_thread():
        for _ in range(runs):
            start = time.perf_counter()
            predict(network, model, points)
            seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds))


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hands", type=int, default=200, help="of each kind (default %(default)s)")
    parser.add_argument("--hand_model", default="auto", choices=["auto", "open", "mano"])
    parser.add_argument("--weights", type=Path, help="default: the shipped ones")
    args = parser.parse_args(argv)
    try:
        single = load_hand_model("right", args.hand_model)
        network = load_network(single, args.weights)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    config = load_config()
    for name, values in measure(network, single, config.gcn.poses, 16).items():
        print(f"{name:10s}", "  ".join(f"{k} {v:.2f}" for k, v in values.items()), "mm")
    model = load_hand_model("right", args.hand_model, dtype=torch.float64)
    print(f"{time_of(network, model):.1f} ms a hand on one thread")
    fits = Fits(model, network, config.mano_optim)
    for name, faults in FAULTS.items():
        for kinds in (("prior",), HARD):
            outcomes = compare_starts(fits, single, kinds, faults, args.hands)
            print(f"{' and '.join(kinds)}, {name}: {report(outcomes)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
