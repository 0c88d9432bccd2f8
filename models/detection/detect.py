"""Keypoints of all views: from photos by the detector, or from the files of another one."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.detection.sides import name_hands
from models.gcn.weights import load_network, weights_path
from models.hand import load_hand_model
from utils.captures import Capture
from utils.detection.candidates import Candidate
from utils.detection.detector import Detector
from utils.detection.other_detectors import OneHand, one_a_side
from utils.detection.report import search_lines, search_report
from utils.detection.search import Detect, FoundHands, search_hands
from utils.io.images import save_image
from utils.keypoints import KEYPOINTS, SIDES

VOTE_OF = (1.0, 0.0)  # how likely a hand is a left one if somebody named it left, or right


@dataclass
class DetectedKeypoints:
    """Keypoints of N views under the hands' names, and what to say about them."""

    xy: np.ndarray  # (N, 2, 21, 2) pixels, left then right, nan: not seen
    confidence: np.ndarray  # (N, 2, 21) in [0, 1]
    z: np.ndarray  # (N, 2, 21) pixels, relative to the wrist
    lines: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def empty(count: int) -> DetectedKeypoints:
        """No hand in any of `count` views."""
        shape = count, len(SIDES), KEYPOINTS
        return DetectedKeypoints(np.full((*shape, 2), np.nan), np.zeros(shape), np.zeros(shape))


def detect_in_photos(
    capture: Capture, config: Mapping[str, Any], given: Sequence[int], seed: int
) -> DetectedKeypoints:
    """Search the photos of all views except those `given`, whose pose files are there.

    Raises UserError where the detector's environment is missing, a photo cannot be read, or no two
    views agree on a hand.
    """
    known = {view: _candidates(view, _given_hands(capture, view)) for view in given}
    for view in set(range(len(capture))) - set(given):
        capture.image(view)  # an unreadable photo is told here, not by the detector's death
    with tempfile.TemporaryDirectory() as folder:
        photos = _plain_photos(capture, Path(folder))
        with Detector(photos, config["detect_hands"]) as detector:
            return named_hands(capture, detector, known, config, seed)


def _plain_photos(capture: Capture, folder: Path) -> list[Path]:
    """The photos' files, or copies in `folder` where a file's own pixels are not the photo's."""
    paths = list(capture.image_paths)
    for view, seen in enumerate(capture.views):
        if not seen.is_plain:
            paths[view] = folder / f"{view:02d}.png"
            save_image(paths[view], seen.image())
    return paths


def from_files(
    capture: Capture, hands: Sequence[Sequence[OneHand]], config: Mapping[str, Any], seed: int
) -> DetectedKeypoints:
    """Keypoints of another detector as they are; of several people's, those that views agree on."""
    if not one_a_side(hands):
        known = {view: _candidates(view, seen) for view, seen in enumerate(hands)}
        return named_hands(capture, _nothing, known, config, seed)
    keypoints = DetectedKeypoints.empty(len(capture))
    for view, seen in enumerate(hands):
        for hand in seen:
            keypoints.xy[view, hand.side] = hand.xy
            keypoints.confidence[view, hand.side] = hand.confidence
    return keypoints


def named_hands(
    capture: Capture,
    detect: Detect,
    known: Mapping[int, Sequence[Candidate]],
    config: Mapping[str, Any],
    seed: int,
) -> DetectedKeypoints:
    """Find two hands and tell left from right."""
    options = config["detect_hands"]
    hands = search_hands(capture.cameras, detect, options, config["pose_optim"], known, seed)
    models = {side: load_hand_model(side, "open", dtype=torch.float64) for side in SIDES}
    network = load_network(models["right"], weights_path("open"))
    votes = [[p[hand].left for p in hands.by_view if p[hand] is not None] for hand in (0, 1)]
    sides = name_hands(network, models, hands.points, votes)
    hands = hands.named(sides.exchange)
    keypoints = as_keypoints(hands)
    keypoints.lines = search_lines(hands) + sides.notes(options["clear_side"])
    keypoints.facts = {
        "views": search_report(hands),
        "further_hands": hands.others,
        "side_clearness": sides.clearness,
    }
    return keypoints


def as_keypoints(hands: FoundHands) -> DetectedKeypoints:
    """The found hands' keypoints as arrays."""
    keypoints = DetectedKeypoints.empty(len(hands.by_view))
    for view, pair in enumerate(hands.by_view):
        for hand, one in enumerate(pair):
            if one is not None:
                keypoints.xy[view, hand], keypoints.z[view, hand] = one.xy, one.z
                keypoints.confidence[view, hand] = one.confidence
    return keypoints


def _given_hands(capture: Capture, view: int) -> list[OneHand]:
    xy, confidence = capture.views[view].keypoints()
    seen = [side for side in (0, 1) if confidence[side].any()]
    return [OneHand(side, xy[side], confidence[side]) for side in seen]


def _candidates(view: int, hands: Sequence[OneHand]) -> list[Candidate]:
    zero = np.zeros(KEYPOINTS)
    return [
        Candidate(view, h.xy, zero, VOTE_OF[h.side], "given", h.confidence, zero, given=True)
        for h in hands
    ]


def _nothing(_: object) -> list[Candidate]:
    """What is detected where only given keypoints count."""
    return []
