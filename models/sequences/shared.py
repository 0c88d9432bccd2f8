"""What all frames share: the hands' shape and scale, and the cameras' corrections.

They are solved on a few frames together with these frames' poses: one Gauss-Newton problem, whose
poses are eliminated frame by frame (Schur complements).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.fitting.fit import MATCHES, HandFitter
from models.fitting.least_squares import minimise
from models.fitting.observations import Observations
from models.fitting.start import fit_frame
from models.hand import HandModel
from models.hand.kinematics import LAYOUT, SIZE, HandKinematics
from utils.cameras import Cameras, Similarity
from utils.cameras.correction import SIZE as CAMERA_SIZE
from utils.cameras.correction import CorrectableCameras
from utils.keypoints import SIDES
from utils.keypoints.views import MIN_JOINTS, hands_in
from utils.progress_bar import ProgressBar
from utils.render.cpu.threads import one_thread

ROUNDS = 5  # of Gauss-Newton; the step lengths fall to a thousandth in four
POSE_STEPS = 3  # of each frame alone, between rounds
POSE = ("trans", "rotation", "pose")  # a frame's own
OF_HAND = slice(LAYOUT["shape"].start, LAYOUT["scale"].stop)  # what frames share of a hand
OWN = slice(0, OF_HAND.start)
SHARED_SIZE = OF_HAND.stop - OF_HAND.start
PRIORS = ("shape_prior", "camera_prior")  # on what is shared: counted once, not once a frame


@dataclass(frozen=True)
class KeyFrame:
    """A frame that shared things are solved on; views: the rig's, in the observations' order."""

    observations: Observations
    views: Sequence[int]


@dataclass(frozen=True)
class SharedHands:
    """shape (10,) and scale, world units per metre of the model, of each side; the rig's cameras.

    support: what corrections of the cameras gained on keypoints that had no part in them.
    """

    shape: dict[str, Tensor]
    scale: dict[str, float]
    cameras: Cameras
    corrected: bool
    support: float
    shift_px: list[float]

    def as_dict(self) -> dict[str, Any]:
        """Tensors and plain values, for a file."""
        return {**vars(self), "cameras": vars(self.cameras)}

    @staticmethod
    def from_dict(kept: Mapping[str, Any]) -> SharedHands:
        """The inverse of `as_dict`."""
        return SharedHands(**{**kept, "cameras": Cameras(**kept["cameras"])})


def solve_shared(
    models: Mapping[str, HandModel],
    frames: Sequence[KeyFrame],
    rig: Cameras,
    options: Mapping[str, Any],
) -> SharedHands:
    """Solve on these frames, which show every side of `models` at least once.

    rig: the given cameras; options: the config's section `mano_optim`. Deterministic.
    """
    with one_thread():
        joint = _Joint(models, frames, rig, options)
        joint.solve()
        return joint.result()


class _Joint:
    """The fits of all key frames in one frame of reference, and the vector that they share."""

    def __init__(
        self,
        models: Mapping[str, HandModel],
        frames: Sequence[KeyFrame],
        rig: Cameras,
        options: Mapping[str, Any],
    ) -> None:
        self.frames, self.options = frames, options
        self.sides = [side for side in SIDES if side in models]
        self.frame = _common_frame(models, [frame.observations for frame in frames])
        self.rig = CorrectableCameras(rig.normalised(self.frame), torch.zeros(3).double())
        self.fitters: list[HandFitter] = []
        with ProgressBar(len(frames), "what all frames share", "frame") as bar:
            for frame in frames:
                own = [models[side] for side in self.sides if _shows(frame.observations, side)]
                fitter = HandFitter(own, frame.observations, options, self.frame)
                for stage in options["stages"]:
                    fitter.run(stage)
                self.fitters.append(fitter)
                bar.advance()
        tried = [fitter.support for fitter in self.fitters if np.isfinite(fitter.support)]
        self.support = float(np.median(tried)) if tried else float("nan")
        self.moves = bool(self.support >= options["camera_support"])
        self.matched_at = [s["reach"][-1] for s in options["stages"] if s.get("outlines", 0) > 0]

    @property
    def size(self) -> int:
        """Numbers that are shared: each side's shape and scale, then each view's correction."""
        cameras = CAMERA_SIZE * len(self.rig.cameras) if self.moves else 0
        return SHARED_SIZE * len(self.sides) + cameras

    def solve(self) -> None:
        """Gauss-Newton from the frames' own fits."""
        self._begin()
        for _ in range(ROUNDS):
            normal = torch.zeros(self.size, self.size).double()
            gradient, systems = normal.new_zeros(self.size), []
            for fitter, places in zip(self.fitters, self.places):
                system = self._eliminated(fitter, places)
                normal[places.shared[:, None], places.shared] += system.normal
                gradient[places.shared] += system.gradient
                systems.append(system)
            ridge = 1e-9 * normal.diagonal().max()
            step = -torch.linalg.solve(normal + ridge * torch.eye(self.size).to(normal), gradient)
            for fitter, places, system in zip(self.fitters, self.places, systems):
                fitter.x = fitter.x.clone()
                pose = places.others(len(fitter.x))
                fitter.x[pose] -= system.own + system.gains @ step[places.shared]
                fitter.x[places.local] += step[places.shared]

    def _begin(self) -> None:
        """Let all frames agree on the mean of what they found, and say where it stands."""
        self.places: list[_Places] = []
        found, counts = torch.zeros(2, self.size).double()
        for fitter, frame in zip(self.fitters, self.frames):
            fitter.problem.moves_cameras = self.moves
            hands = fitter.x[: fitter.problem.cameras_at]
            kept = fitter.x[len(hands) :] if len(fitter.x) > len(hands) else None
            if self.moves:
                still = hands.new_zeros(CAMERA_SIZE * len(frame.views))
                fitter.x = torch.cat([hands, still if kept is None else kept])
            else:
                fitter.x = hands
            self.places.append(self._places(fitter, frame))
            found[self.places[-1].shared] += fitter.x[self.places[-1].local]
            counts[self.places[-1].shared] += 1
        mean = found / counts.clamp(min=1)
        for fitter, places in zip(self.fitters, self.places):
            fitter.x = fitter.x.clone()
            fitter.x[places.local] = mean[places.shared]

    def _places(self, fitter: HandFitter, frame: KeyFrame) -> _Places:
        local, shared = [], []
        for number, model in enumerate(fitter.models):
            first = SIZE * number + OF_HAND.start
            local += range(first, first + SHARED_SIZE)
            start = SHARED_SIZE * self.sides.index(model.side)
            shared += range(start, start + SHARED_SIZE)
        if self.moves:
            local += range(fitter.problem.cameras_at, fitter.problem.size)
            start = SHARED_SIZE * len(self.sides)
            for view in frame.views:
                first = start + CAMERA_SIZE * view
                shared += range(first, first + CAMERA_SIZE)
        return _Places(torch.tensor(local), torch.tensor(shared))

    def _eliminated(self, fitter: HandFitter, places: _Places) -> _System:
        """One frame's normal equations in what is shared alone."""
        problem = fitter.problem
        if self.matched_at:
            px_per_unit = problem.cameras.px_per_unit().numpy()
            problem.outlines = fitter.outlines(self.options["mask_size"]).match(
                fitter.cameras(), fitter.verts(), px_per_unit, self.matched_at[-1], MATCHES
            )
        fitter.x = minimise(problem, fitter.x, problem.free(POSE), POSE_STEPS)
        share = 1 / len(self.fitters)
        residuals = [
            replace(r, weight=share * r.weight) if r.name in PRIORS else r
            for r in problem(fitter.x)
        ]
        H, g = (sum(parts) for parts in zip(*(r.normal_equations() for r in residuals)))
        local, pose = places.local, places.others(len(g))
        across = H[local][:, pose]
        solved = torch.linalg.solve(H[pose][:, pose], torch.cat([across.T, g[pose, None]], 1))
        gains, own = solved[:, :-1], solved[:, -1]
        return _System(H[local][:, local] - across @ gains, g[local] - across @ own, gains, own)

    def result(self) -> SharedHands:
        """In world units."""
        x = torch.zeros(self.size).double()
        for fitter, places in zip(self.fitters, self.places):
            x[places.shared] = fitter.x[places.local]
        parts = x[: SHARED_SIZE * len(self.sides)].reshape(-1, SHARED_SIZE)
        corrections = x[parts.numel() :].reshape(-1, CAMERA_SIZE)
        cameras, shift = self.rig.cameras, [0.0] * len(self.rig.cameras)
        if self.moves:
            cameras = self.rig.corrected(corrections)
            shift = self.rig.shift_px(corrections).tolist()
        return SharedHands(
            shape={side: part[:-1].clone() for side, part in zip(self.sides, parts)},
            scale={s: float(p[-1].exp()) * self.frame.scale for s, p in zip(self.sides, parts)},
            cameras=cameras.normalised(self.frame.inverse()),
            corrected=self.moves,
            support=self.support,
            shift_px=shift,
        )


@dataclass(frozen=True)
class _Places:
    """Where what is shared stands in one fitter's unknowns, and in the shared vector."""

    local: Tensor
    shared: Tensor

    def others(self, size: int) -> Tensor:
        """Mask (size,) of the fitter's other unknowns."""
        mask = torch.ones(size, dtype=torch.bool)
        mask[self.local] = False
        return mask


@dataclass(frozen=True)
class _System:
    """Normal equations in what is shared; own: the pose's step back, gains: what a step adds."""

    normal: Tensor
    gradient: Tensor
    gains: Tensor
    own: Tensor


def _shows(observations: Observations, side: str) -> bool:
    return side in hands_in(observations.points)


def _common_frame(
    models: Mapping[str, HandModel], observations: Sequence[Observations]
) -> Similarity:
    """world_from_fit about the middle of all frames, with the median of their scales."""
    kinematics = {side: HandKinematics(model) for side, model in models.items()}
    frames = []
    for each in observations:
        own = [side for side in kinematics if _shows(each, side)]
        points = each.points[[SIDES.index(side) for side in own]]
        frames.append(fit_frame([kinematics[side] for side in own], points))
    offset = torch.stack([frame.offset for frame in frames]).mean(0)
    return Similarity(float(np.median([frame.scale for frame in frames])), offset)


def choose_key_frames(points: np.ndarray, count: int) -> list[int]:
    """Frames whose poses differ most, each side among them: indices of points (T, 2, 21, 3).

    Farthest points of the keypoints about their own middle (Gonzalez 1985), from the frame that is
    nearest to the mean on; frames that show all sides first. nan: not seen.
    """
    finite = np.isfinite(points).all(3, keepdims=True)
    counts = finite.sum(2, keepdims=True)
    middle = np.where(finite, points, 0).sum(2, keepdims=True) / np.maximum(counts, 1)
    about = np.where(finite, points - middle, 0)
    seen = counts[:, :, 0, 0] >= MIN_JOINTS  # (T, 2)
    sides = [side for side in range(2) if seen[:, side].any()]
    whole = np.flatnonzero(seen[:, sides].all(1))
    chosen = _farthest(about, whole, count)
    for side in sides:
        if not seen[chosen, side].any():
            chosen += _farthest(about, np.flatnonzero(seen[:, side]), max(count // 2, 1))
    return sorted(chosen)


def _farthest(about: np.ndarray, candidates: np.ndarray, count: int) -> list[int]:
    if len(candidates) == 0:
        return []
    vectors = about[candidates].reshape(len(candidates), -1)
    nearest = np.linalg.norm(vectors - vectors.mean(0), axis=1)
    chosen = [int(nearest.argmin())]
    distance = np.linalg.norm(vectors - vectors[chosen[0]], axis=1)
    while len(chosen) < min(count, len(candidates)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
    return [int(candidates[k]) for k in chosen]
