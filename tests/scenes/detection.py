"""A made-up detector before known hands, with the faults that real ones have."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from tests.scenes.captures import ring_of_cameras, two_hands
from utils.cameras import Cameras
from utils.detection.candidates import Candidate
from utils.detection.windows import Window


@dataclass
class MadeUpDetector:
    """Sees hands (H, 21, 3) whose keypoints all lie in a window; H left and right by turns."""

    cameras: Cameras
    hands: np.ndarray
    noise: float = 1.5  # pixels
    blind: set[tuple[int, int]] = field(default_factory=set)  # (view, hand) never seen
    shy: set[tuple[int, int]] = field(default_factory=set)  # (view, hand) seen in crops only
    misnamed: set[int] = field(default_factory=set)  # views that swap left and right
    wrong: dict[tuple[int, int], float] = field(default_factory=dict)  # px that it is off by
    windows: list[Window] = field(default_factory=list)

    def __post_init__(self) -> None:
        px = self.cameras.project(torch.from_numpy(self.hands.reshape(-1, 3))).numpy()
        self.exact = px.reshape(len(self.cameras), len(self.hands), 21, 2)

    def __call__(self, window: Window) -> list[Candidate]:
        self.windows.append(window)
        rng = np.random.default_rng(len(self.windows))
        found = []
        for hand, exact in enumerate(self.exact[window.view]):
            key = window.view, hand
            inside = exact @ window.matrix[:, :2].T + window.matrix[:, 2]
            seen = ((inside >= 0) & (inside < window.size)).all() and key not in self.blind
            if not seen or (key in self.shy and "crop" not in window.name):
                continue
            xy = exact + self.noise * rng.normal(size=exact.shape)
            if key in self.wrong:  # another shape in another place
                xy = xy[0] + (xy - xy[0])[::-1] + self.wrong[key]
            left = hand % 2 == (window.view in self.misnamed)
            found.append(candidate(window.view, xy, 0.95 if left else 0.05, window.name))
        return found


def candidate(view: int, xy: np.ndarray, left: float = 1.0, name: str = "whole photo") -> Candidate:
    """A detection without any depth."""
    return Candidate(view, xy, np.zeros(21), left, name, np.ones(21), np.zeros(21))


def detector_before(views: int = 8, people: int = 1, seed: int = 0, **faults) -> MadeUpDetector:
    """Two hands a person, 0.25 m from one person to the next, amid a ring of cameras."""
    rng = np.random.default_rng(seed)
    pairs = [two_hands(rng) + np.array([0, 0.25 * person, 0]) for person in range(people)]
    cameras = ring_of_cameras(views, focal=500.0)
    return MadeUpDetector(cameras, np.concatenate(pairs), **faults)


def stand_in(
    monkeypatch: pytest.MonkeyPatch,
    made_up: MadeUpDetector,
    module: str = "models.detection.detect",
) -> MadeUpDetector:
    """Let `made_up` stand for MediaPipe's process in a module, and its environment be there."""

    class Stand:
        def __init__(self, photos, options):
            assert len(photos) == len(made_up.cameras)

        def __enter__(self):
            return made_up

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(f"{module}.Detector", Stand)
    monkeypatch.setattr("utils.detection.detector.environment", lambda folder: folder)
    return made_up
