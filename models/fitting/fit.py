"""Fitting the hand model to keypoints, to masks and, where the data ask for it, to cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.fitting.accuracy import error_over_noise, keypoint_errors
from models.fitting.camera_support import support
from models.fitting.least_squares import minimise
from models.fitting.masks import MADE_SIZE, MaskMaker
from models.fitting.observations import Observations
from models.fitting.problem import FitProblem, OutlineMatches, PosePrior
from models.fitting.silhouettes import HandOutlines
from models.fitting.stages import Weights, check_stages
from models.fitting.start import fit_frame, rigid_start
from models.hand import HandModel
from models.hand.fitted import FittedHand
from models.hand.kinematics import LAYOUT, HandKinematics
from utils.cameras import Cameras, Similarity
from utils.cameras.correction import CorrectableCameras
from utils.errors import UserError
from utils.keypoints import KEYPOINTS, SIDES
from utils.keypoints.views import MIN_JOINTS, hands_in
from utils.photos.masks import MaskVerdict
from utils.render.cpu.threads import one_thread

TRIAL_STEPS = 15  # of the fit that tells whether cameras should move
MATCHES = 100  # outline points a view and direction
RENEWAL = 2  # matchings after which masks of our own are made again
MATCHED_SIZE = 480  # pixels of the longer side at which masks to be matched are made
JUDGED_SIZE = 512  # pixels of the longer side at which masks are judged in the end


@dataclass(frozen=True)
class Fit:
    """Result of `fit_hands`."""

    hands: list[FittedHand]  # left first
    first_hands: list[FittedHand]  # after the first stage that fits all 3D keypoints
    cameras: Cameras  # corrected, or as given
    corrected: bool
    verdicts: list[MaskVerdict]  # one a view
    trusted: list[np.ndarray]  # (H, W) bool, one a view: where the mask can be compared
    made_masks: dict[int, np.ndarray]  # (H, W) bool by view: no mask was given, or a wrong one
    metrics: dict[str, Any]


def fit_hands(
    models: Sequence[HandModel],
    observations: Observations,
    options: Mapping[str, Any],
    start: Sequence[FittedHand] | None = None,
) -> Fit:
    """Fit one or two hands to N views.

    models: float64 hand models in any order; options: the config's section `mano_optim`; start:
    hands to begin with, one for each that the observed points hold: poses near theirs are the
    likely ones, by the option start_spread, and stages that bend no finger are left out. Where
    there are photos, stages that match outlines first make the masks that are lacking from them,
    stages with `make_masks` also those that cannot be believed.
    Deterministic. Raises UserError when no hand has enough keypoints, and for stages that cannot
    run.
    """
    check_stages(options["stages"])
    sides = hands_in(observations.points)
    models = sorted((m for m in models if m.side in sides), key=lambda m: SIDES.index(m.side))
    if not models:
        raise UserError(
            f"keypoints: no hand has {MIN_JOINTS} of {KEYPOINTS} keypoints in 3D; look at "
            "pose_optim.py's overlays and detect again"
        )
    stages = options["stages"]
    with one_thread():
        fitter = HandFitter(models, observations, options)
        if start is not None:
            fitter.begin_at(start)
            fitter.expect(start)
            stages = [stage for stage in stages if "pose" in stage["free"]] or stages
        for stage in stages:
            fitter.run(stage)
        return fitter.result()


def judge_hands(
    hands: Sequence[FittedHand], observations: Observations, options: Mapping[str, Any]
) -> Fit:
    """What `fit_hands` says of hands that something else found: nothing moves.

    Errors, verdicts on the masks, where they can be compared, and masks made anew. hands: left
    first, one for each that the observed points hold; the rest as for `fit_hands`.
    """
    with one_thread():
        fitter = HandFitter([hand.model for hand in hands], observations, options)
        fitter.begin_at(hands)
        fitter.make_masks()
        fitter.stages.append({"name": "given", **fitter.errors()})
        return fitter.result()


class HandFitter:
    """State of a fit: the problem, the unknowns so far, and what was measured of each stage."""

    def __init__(
        self,
        models: Sequence[HandModel],
        observations: Observations,
        options: Mapping[str, Any],
        frame: Similarity | None = None,
    ):
        """As `fit_hands`; one model for each hand that is fitted, left first.

        frame: world_from_fit, where it is not to be found from the points.
        """
        self.models, self.options = models, options
        self.masks = list(observations.masks)
        self.maker = MaskMaker(self.masks, observations.photo, observations.detected)
        self.given = observations.cameras.to("cpu", torch.float64)
        chosen = [SIDES.index(model.side) for model in models]
        points = observations.points[chosen]
        kinematics = [HandKinematics(model) for model in models]
        self.world_from_fit = fit_frame(kinematics, points) if frame is None else frame
        near = (points - self.world_from_fit.offset.numpy()) / self.world_from_fit.scale
        self.problem = FitProblem(
            hands=kinematics,
            priors=[PosePrior(model) for model in models],
            cameras=CorrectableCameras(
                self.given.normalised(self.world_from_fit), torch.zeros(3).double()
            ),
            points=torch.from_numpy(near),
            pixels=torch.from_numpy(observations.xy[:, chosen]),
            confidence=torch.from_numpy(observations.confidence[:, chosen]),
        )
        self.x = torch.cat([rigid_start(hand, seen) for hand, seen in zip(kinematics, near)])
        self.support = float("nan")
        self.matched: Sequence[OutlineMatches] = ()  # of the last stage with outlines
        self.first_hands: list[FittedHand] = []
        self.stages: list[dict[str, Any]] = []

    def begin_at(self, hands: Sequence[FittedHand]) -> None:
        """Start from these hands, in the order of the models."""
        self.x = torch.cat([hand.unknowns(self.world_from_fit) for hand in hands])

    def expect(self, hands: Sequence[FittedHand]) -> None:
        """Take poses near those of these hands for likely ones, instead of those near the mean."""
        spread = self.options["start_spread"]
        self.problem.priors = [PosePrior(h.model, h.pose[0, 3:], spread) for h in hands]

    def cameras(self) -> Cameras:
        """The cameras in the fit's frame, with the corrections so far."""
        return self.problem.cameras.corrected(self.problem.corrections(self.x))

    def verts(self) -> list[Tensor]:
        """Each hand's vertices (V, 3) in the fit's frame."""
        return [hand.verts() for hand in self._hands_in(Similarity(1.0, torch.zeros(3)))]

    def hands(self) -> list[FittedHand]:
        """The hands so far, in world coordinates."""
        return self._hands_in(self.world_from_fit)

    def _hands_in(self, frame_from_fit: Similarity) -> list[FittedHand]:
        hand_slices = map(self.problem.of_hand, range(len(self.models)))
        return [
            FittedHand.of(model, self.x[hand_slice], frame_from_fit)
            for model, hand_slice in zip(self.models, hand_slices)
        ]

    def run(self, stage: Mapping[str, Any]) -> None:
        """One stage of the config's list: its terms, its free unknowns, its steps."""
        settings = {**self.options, **stage}
        self.problem.weights = Weights(
            **{k: settings[k] for k in Weights.__annotations__ if k in settings}
        )
        names = stage["free"]
        if "cameras" in names and not self._move_cameras():
            names = [name for name in names if name != "cameras"]
        make_masks, outlines = stage.get("make_masks", False), stage.get("outlines", 0) > 0
        if make_masks or (outlines and self.maker.lacking()):
            self.make_masks(doubted=make_masks)
        if outlines:
            self._fit_outlines(stage, names)
        else:
            free, title = self.problem.free(names), stage["name"]
            self.x = minimise(self.problem, self.x, free, stage["steps"], title=title)
        self.stages.append({"name": stage["name"], **self.errors()})
        if not self.first_hands and "pose" in names:
            self.first_hands = self.hands()

    def make_masks(self, doubted: bool = True, size: int = MATCHED_SIZE) -> None:
        """Make masks from the photos where none were given; doubted: see `MaskMaker.make`.

        size: pixels of their longer side.
        """
        if self.maker.photo is not None:
            drawing = self.outlines(size)
            self.maker.make(drawing, drawing.draw(self.cameras(), self.verts())[0], doubted)

    def _fit_outlines(self, stage: Mapping[str, Any], names: Sequence[str]) -> None:
        """Alternate between matching outlines, with less and less reach, and solving.

        Masks of our own follow the hands: a coarse fit leaves more in question than a fine one.
        """
        problem, options = self.problem, self.options
        px_per_unit = problem.cameras.px_per_unit().numpy()
        outlines = self.outlines(options["mask_size"])
        for matching, reach in enumerate(stage["reach"]):
            if matching and matching % RENEWAL == 0 and self.maker.lacking():
                self.make_masks(doubted=False)
                outlines = self.outlines(options["mask_size"])
            problem.outlines = outlines.match(
                self.cameras(), self.verts(), px_per_unit, reach, MATCHES
            )
            free, title = problem.free(names), stage["name"]
            self.x = minimise(problem, self.x, free, stage["steps"], title=title)
        self.matched, problem.outlines = problem.outlines, ()

    def outlines(self, size: int) -> HandOutlines:
        return HandOutlines(self.models, self.masks, self.cameras(), self.verts(), size)

    def _move_cameras(self) -> bool:
        """True when the keypoints support camera corrections; decided once, then kept.

        They are tried out: hands and cameras are fitted to the keypoints together.
        """
        problem = self.problem
        if problem.moves_cameras or np.isfinite(self.support):
            return problem.moves_cameras
        w, given = problem.weights, self.x
        problem.moves_cameras = True
        x = torch.cat([given, given.new_zeros(problem.size - len(given))])
        x = minimise(problem, x, problem.free([*LAYOUT, "cameras"]), TRIAL_STEPS)
        prior = x.new_tensor([w.camera_turn_sigma] * 3 + [w.camera_shift_sigma] * 3)
        self.support = support(
            problem.cameras,
            (self._keypoints(given), self._keypoints(x)),
            problem.pixels,
            problem.confidence,
            w.keypoint_sigma,
            prior,
        )
        problem.moves_cameras = self.support >= self.options["camera_support"]
        self.x = x if problem.moves_cameras else given
        return problem.moves_cameras

    def _keypoints(self, x: Tensor) -> Tensor:
        """Keypoints (hands, 21, 3) at x in the fit's frame."""
        hands = enumerate(self.problem.hands)
        return torch.stack([hand.keypoints(x[self.problem.of_hand(k)])[0] for k, hand in hands])

    def errors(self) -> dict[str, Any]:
        """Median distances of the fitted keypoints in 3D (mm of the model) and in pixels."""
        mm, px = keypoint_errors(self.problem, self._keypoints(self.x), self.cameras())
        return {"keypoint_mm": round(mm, 3), "keypoint_px": round(px, 3)}

    def fit_over_noise(self) -> float:
        """How far the hands miss the detections, over how far the views' 3D keypoints miss them."""
        return error_over_noise(self.problem, self.errors()["keypoint_px"])

    def result(self) -> Fit:
        """Hands and cameras in world coordinates, the masks' final verdicts, all metrics.

        Masks of our own are made once more, finer than those that were matched.
        """
        problem = self.problem
        if self.maker.has_made():
            self.make_masks(doubted=False, size=MADE_SIZE)
        drawing = self.outlines(JUDGED_SIZE)
        drawn, _ = drawing.draw(self.cameras(), self.verts())
        verdicts = self.maker.explained(drawing.judge(drawn))
        shift = problem.cameras.shift_px(problem.corrections(self.x))
        metrics = {
            "stages": self.stages,
            "fit_over_noise": round(self.fit_over_noise(), 3),
            "camera_support": self.support,
            "cameras_corrected": problem.moves_cameras,
            "camera_shift_px": [round(s, 2) for s in shift.tolist()],
            "masks": [verdict.as_dict() for verdict in verdicts],
        }
        cameras = self.given
        if problem.moves_cameras:
            cameras = self.cameras().normalised(self.world_from_fit.inverse())
        return Fit(
            hands=self.hands(),
            first_hands=self.first_hands or self.hands(),
            cameras=cameras,
            corrected=problem.moves_cameras,
            verdicts=verdicts,
            trusted=drawing.trusted(drawn, verdicts),
            made_masks={view: self.masks[view] for view in sorted(self.maker.own)},
            metrics=metrics,
        )
