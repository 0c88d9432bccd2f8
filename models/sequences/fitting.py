"""The hand model fitted to a whole sequence: what is shared, each frame's poses, their course."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.fitting.fit import Fit
from models.fitting.observations import Observations
from models.fitting.results import save_fit
from models.fitting.verdict import judge_fit
from models.hand import HandModel
from models.hand.fitted import FittedHand
from models.sequences.course import Course, course_of
from models.sequences.opened import OpenedFrame, OpenedSequence
from models.sequences.shared import KeyFrame, SharedHands, choose_key_frames, solve_shared
from models.sequences.walk import (
    FramePoses,
    fit_frame_poses,
    judged_frame,
    observed_by,
    poses_of_dict,
)
from utils.errors import UserError
from utils.keypoints import SIDES
from utils.keypoints.order import load_keypoints
from utils.keypoints.views import hands_in
from utils.progress_bar import progress
from utils.stage.config import Config
from utils.stage.frame_store import FrameStore
from utils.stage.sequence import attempt, check_some_left

STAGE = "mano_optim"


@dataclass(frozen=True)
class SequenceFit:
    """A sequence's hands: what its frames share, each side's course, and the last fits' facts."""

    shared: SharedHands
    courses: dict[str, Course]
    like: dict[str, FittedHand]  # a hand of each side: model, shape and scale

    def hands(self, step: int) -> list[FittedHand]:
        """The hands that were fitted at a step, left first, on their course."""
        return [
            self.courses[side].hand(self.like[side], step)
            for side in SIDES
            if side in self.courses and self.courses[side].seen[step]
        ]


class SequenceFitter:
    """Fits the frames of an opened sequence; what is done is kept in `store`."""

    def __init__(
        self,
        opened: OpenedSequence,
        models: Mapping[str, HandModel],
        config: Config,
        store: FrameStore,
    ) -> None:
        self.opened, self.models, self.config, self.store = opened, models, config, store
        self.failed: list[str] = list(opened.failed)

    def points(self, frame: OpenedFrame) -> np.ndarray:
        """The frame's keypoints in 3D (2, 21, 3)."""
        folder = frame.job.out_path / "keypoints3d"
        return load_keypoints(folder / f"keypoints_3d_{frame.name}.xyz")

    def observations(self, frame: OpenedFrame) -> Observations:
        """What the frame's views saw, in the cameras as calibrated."""
        return Observations.of(frame.capture, self.points(frame), self.config.pose_optim)

    def solve_shared(self) -> SharedHands:
        """Shape, scale and cameras of all frames, from a few."""
        frames, points = [], []
        for frame in self.opened.frames:
            try:
                own = self.points(frame)
            except UserError:
                continue  # said when the frame's turn comes
            if hands_in(own):
                frames.append(frame)
                points.append(own)
        if not frames:
            raise UserError(
                "keypoints: no frame shows a hand in 3D; run pose_optim.py with the same --frames"
            )
        chosen = choose_key_frames(np.stack(points), self.config.sequence.key_frames)
        print(f"shape and cameras are solved on frames {', '.join(frames[k].name for k in chosen)}")
        key_frames = [KeyFrame(self.observations(frames[k]), frames[k].views) for k in chosen]
        sides = {side for k in chosen for side in hands_in(points[k])}
        models = {side: model for side, model in self.models.items() if side in sides}
        cameras = self.opened.rig.cameras
        return solve_shared(models, key_frames, cameras, self.config.mano_optim)

    def fit(self) -> SequenceFit:
        """Fit all frames. Raises UserError where none can be."""
        kept = self.store.part("shared", lambda: self.solve_shared().as_dict())
        shared, found = SharedHands.from_dict(kept), {}
        before: list[FramePoses] = []
        for frame in progress(self.opened.frames, "frames", "frame"):
            poses = self._frame(frame, shared, before)
            before = [] if poses is None else [*before[-1:], poses]
            if poses is None:
                self.failed.append(frame.name)
            else:
                found[frame.step] = poses
        check_some_left(self.opened.chosen, self.failed)
        return self._with_courses(shared, found)

    def _frame(
        self, frame: OpenedFrame, shared: SharedHands, before: list[FramePoses]
    ) -> FramePoses | None:
        """One frame's poses; None where it fails, which is said."""

        def make() -> dict[str, Any]:
            observations = observed_by(self.observations(frame), shared, frame.views)
            models = {side: self.models[side] for side in shared.shape}
            if not set(hands_in(observations.points)) & set(models):
                raise UserError("no hand has enough keypoints in 3D")
            options = self.config.mano_optim
            return fit_frame_poses(models, observations, shared, options, before).as_dict()

        kept = attempt(frame.job, STAGE, lambda: self.store.part(frame.name, make))
        return None if kept is None else poses_of_dict(kept, self.models, shared)

    def _with_courses(self, shared: SharedHands, found: Mapping[int, FramePoses]) -> SequenceFit:
        options, courses, like = self.config.sequence, {}, {}
        for side in SIDES:
            course = course_of(
                side,
                found,
                self.opened.steps,
                options.longest_bridge,
                options.smoothing == "on",
            )
            if course is not None:
                courses[side] = course
                like[side] = next(p.hands[side] for p in found.values() if side in p.hands)
        return SequenceFit(shared, courses, like)

    def write_frame(self, frame: OpenedFrame, fit: SequenceFit) -> dict[str, Any] | None:
        """Write a frame's contract files; the files' names and the metrics, None where it failed.

        A frame whose hands miss its keypoints as a failed fit does counts as failed.
        """
        hands = fit.hands(frame.step)
        if not hands:
            return None

        def make() -> dict[str, Any]:
            observations = observed_by(self.observations(frame), fit.shared, frame.views)
            options = self.config.mano_optim
            result = judged_frame(hands, observations, options, fit.shared, frame.views)
            verdict = judge_fit(result.metrics, float(frame.capture.cameras.sizes.max()))
            verdict.enforce(frame.job.force)
            outputs = save_fit(frame.job.out_path, frame.name, frame.capture, result)
            return {
                "outputs": [str(path) for path in outputs],
                "verdict": verdict.as_dict(),
                **_facts(result),
            }

        name = f"{frame.name} written"
        return attempt(frame.job, STAGE, lambda: self.store.part(name, make))


def _facts(fit: Fit) -> dict[str, Any]:
    (errors,) = fit.metrics["stages"]
    return {
        "keypoint_mm": errors["keypoint_mm"],
        "keypoint_px": errors["keypoint_px"],
        "fit_over_noise": fit.metrics["fit_over_noise"],
        "masks_made": sum(verdict.made for verdict in fit.verdicts),
    }
