"""One frame's poses, started from the frames before it; what all frames share is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from models.fitting.fit import Fit, HandFitter
from models.fitting.observations import Observations
from models.fitting.start import rigid_start
from models.fitting.verdict import LIMITS
from models.hand import HandModel
from models.hand.fitted import FittedHand
from models.hand.kinematics import LAYOUT
from models.sequences.shared import OWN, POSE, SharedHands
from utils.cameras import Similarity
from utils.errors import UserError
from utils.keypoints import SIDES
from utils.keypoints.views import hands_in
from utils.render.cpu.threads import one_thread

WARM_STEPS = 8  # of a stage, at most: the start is near
WARM_REACHES = 2  # the last ones of the stage with outlines
FIT = next(limit for limit in LIMITS if limit.measure == "fit_over_noise")
LOST, FAILED = FIT.doubtful, FIT.failed  # beyond the first, a frame is begun anew, too


@dataclass(frozen=True)
class FramePoses:
    """One frame's hands by side, and what its residuals say of each: information (51, 51).

    In metres and radians: trans, rotation vector, pose, as in `models.hand.kinematics.LAYOUT`.
    counts: how many of the 51 the data tell, the rest is prior.
    made_masks: whether some of its masks had to be made from the photos.
    """

    hands: dict[str, FittedHand]
    information: dict[str, Tensor]
    counts: dict[str, float]
    made_masks: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a file."""
        hands = {s: {"pose": h.pose, "trans": h.trans} for s, h in self.hands.items()}
        return {**vars(self), "hands": hands}


def poses_of_dict(
    kept: Mapping[str, Any], models: Mapping[str, HandModel], shared: SharedHands
) -> FramePoses:
    """The inverse of `FramePoses.as_dict`."""
    hands = {
        side: shared_hand(models[side], shared, hand["pose"], hand["trans"])
        for side, hand in kept["hands"].items()
    }
    return FramePoses(**{**kept, "hands": hands})


def shared_hand(model: HandModel, shared: SharedHands, pose: Tensor, trans: Tensor) -> FittedHand:
    """A hand of the sequence's shape and scale: pose (1, 48), trans (1, 3), world units."""
    scale = pose.new_tensor([shared.scale[model.side]])
    return FittedHand(model, pose, shared.shape[model.side][None], trans, scale)


def observed_by(observations: Observations, shared: SharedHands, views: Sequence[int]):
    """The observations in the sequence's cameras; views: the rig's, in their order."""
    return replace(observations, cameras=shared.cameras[list(views)])


def fit_frame_poses(
    models: Mapping[str, HandModel],
    observations: Observations,
    shared: SharedHands,
    options: Mapping[str, Any],
    before: Sequence[FramePoses] = (),
) -> FramePoses:
    """Fit the poses of one frame, whose observations are in the sequence's cameras.

    before: the last frames, the latest last; hands that they hold start there, moved on. A hand
    that they lack, or that is lost, starts from its keypoints alone. options: the config's
    `mano_optim`, whose stages say what is compared. Raises UserError where the hands miss the
    keypoints as a failed fit does.
    """
    own = [models[side] for side in hands_in(observations.points)]
    points = observations.points[[SIDES.index(model.side) for model in own]]
    scale = float(np.mean([shared.scale[model.side] for model in own]))
    frame = Similarity(scale, torch.from_numpy(np.nanmean(points.reshape(-1, 3), 0)))
    with one_thread():
        fitter = HandFitter(own, observations, options, frame)
        starts = {m.side: _predicted(m.side, before) for m in own}
        known = all(start is not None for start in starts.values())
        if known:
            fitter.begin_at([starts[model.side] for model in own])
            masks = bool(before) and before[-1].made_masks
            _run(fitter, _warm_stages(options["stages"], masks))
        if not known or fitter.fit_over_noise() > LOST:
            fitter = _better(
                fitter if known else None, _anew(own, observations, options, frame, shared)
            )
        if fitter.fit_over_noise() > FAILED:
            raise UserError(
                f"the hands miss its keypoints {fitter.fit_over_noise():.1f} times as far as the "
                "views disagree"
            )
        hands = {hand.side: hand for hand in fitter.hands()}
        return FramePoses(hands, *_information(fitter), bool(fitter.maker.own))


def _run(fitter: HandFitter, stages: Sequence[Mapping[str, Any]]) -> None:
    for stage in stages:
        free = [name for name in stage["free"] if name in POSE]
        if free:
            fitter.run({**stage, "free": free})


def _anew(
    models: Sequence[HandModel],
    observations: Observations,
    options: Mapping[str, Any],
    frame: Similarity,
    shared: SharedHands,
) -> HandFitter:
    """All stages from the keypoints on, with shape and scale held."""
    fitter = HandFitter(models, observations, options, frame)
    x = []
    for number, (model, kinematics) in enumerate(zip(models, fitter.problem.hands)):
        seen = fitter.problem.points[number].numpy()
        unknowns = rigid_start(kinematics, seen)
        unknowns[LAYOUT["shape"]] = shared.shape[model.side]
        unknowns[LAYOUT["scale"]] = float(np.log(shared.scale[model.side] / frame.scale))
        x.append(unknowns)
    fitter.x = torch.cat(x)
    _run(fitter, options["stages"])
    return fitter


def _better(a: HandFitter | None, b: HandFitter) -> HandFitter:
    return a if a is not None and a.fit_over_noise() < b.fit_over_noise() else b


def _warm_stages(stages: Sequence[Mapping[str, Any]], make_masks: bool) -> list[Mapping[str, Any]]:
    """The last stage with keypoints alone and the last with outlines, both shortened."""
    outlined = [stage for stage in stages if stage.get("outlines", 0) > 0]
    plain = [stage for stage in stages if stage.get("outlines", 0) == 0]
    warm = [{**s, "steps": min(s["steps"], WARM_STEPS)} for s in plain[-1:]]
    warm += [
        {**s, "reach": s["reach"][-WARM_REACHES:], "make_masks": make_masks} for s in outlined[-1:]
    ]
    return warm


def _predicted(side: str, before: Sequence[FramePoses]) -> FittedHand | None:
    """The hand moved on as it moved last (constant velocity); None where it was not seen last."""
    past = [poses.hands.get(side) for poses in before[-2:]]
    if not past or past[-1] is None:
        return None
    last = past[-1]
    if len(past) < 2 or past[0] is None:
        return last
    first = past[0]
    turns = [Rotation.from_rotvec(hand.pose[0, :3].numpy()) for hand in (first, last)]
    turn = (turns[1] * turns[0].inv() * turns[1]).as_rotvec()
    fingers = 2 * last.pose[:, 3:] - first.pose[:, 3:]
    pose = torch.cat([torch.from_numpy(turn)[None], fingers], 1)
    return replace(last, pose=pose, trans=2 * last.trans - first.trans)


def _information(fitter: HandFitter) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Each hand's normal equations (51, 51) in trans, rotation and pose, at the fit, and how many
    of these numbers the data tell: the trace of the data's share in them."""
    problem = fitter.problem
    problem.outlines = fitter.matched
    systems = [(r.name, r.normal_equations()[0]) for r in problem(fitter.x)]
    problem.outlines = ()
    whole = sum(H for _, H in systems)
    data = sum(H for name, H in systems if not name.endswith("_prior"))
    information, counts = {}, {}
    for number, model in enumerate(fitter.models):
        rows = problem.of_hand(number)
        own, seen = (H[rows][:, rows][OWN, OWN].clone() for H in (whole, data))
        information[model.side] = own
        counts[model.side] = float(torch.linalg.solve(own, seen).trace())
    return information, counts


def judged_frame(
    hands: Sequence[FittedHand],
    observations: Observations,
    options: Mapping[str, Any],
    shared: SharedHands,
    views: Sequence[int],
) -> Fit:
    """What is to be said and written of one frame's hands, left first, which stay as they are.

    Masks that contradict them are made anew from the photos.
    """
    models = [hand.model for hand in hands]
    centre = torch.cat([hand.keypoints() for hand in hands]).mean(0)
    frame = Similarity(float(np.mean([float(hand.scale) for hand in hands])), centre)
    points = observations.points[[SIDES.index(model.side) for model in models]]
    own = np.full_like(observations.points, np.nan)
    own[[SIDES.index(model.side) for model in models]] = points
    with one_thread():
        fitter = HandFitter(models, replace(observations, points=own), options, frame)
        fitter.begin_at(hands)
        fitter.stages.append({"name": "sequence", **fitter.errors()})
        fit = fitter.result()
        if not all(verdict.believed for verdict in fit.verdicts):
            fitter.make_masks()
            fit = fitter.result()
    shift = [round(shared.shift_px[view], 2) for view in views]
    about_cameras = {
        "camera_support": shared.support,
        "cameras_corrected": shared.corrected,
        "camera_shift_px": shift,
    }
    metrics = {**fit.metrics, **about_cameras}
    return replace(fit, corrected=shared.corrected, metrics=metrics)
