"""Looks for two hands in all views: whole photos first, then where the cameras say they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from utils.cameras import Cameras
from utils.detection.agreement import Agreement, agree, follow
from utils.detection.candidates import Candidate, merged
from utils.detection.windows import Window, crops, tiles, whole_photo
from utils.errors import UserError
from utils.progress_bar import progress

# (side of the window in sizes of the hand, degrees from upright, gamma), see `crops`.
FIRST_LOOK = [(1.6, 0, 1), (2.2, 0, 1), (2.8, 0, 1), (1.9, -30, 1), (1.9, 30, 1), (1.9, 180, 1)]
FIRST_LOOK += [(1.9, 0, 0.6), (1.9, 0, 1.6)]
SECOND_LOOK = [(1.3, 0, 1), (3.5, 0, 1), (2.0, 60, 1), (2.0, -60, 1), (2.0, 0, 0.4), (2.0, 0, 2.5)]
SECOND_LOOK += [(1.6, 15, 0.7), (2.4, -15, 1.4)]
DROPS = 3  # rounds of leaving out what is too far off, each followed by another triangulation
LEAST_INSIDE = 0.5  # share of a hand's keypoints that must be inside the photo to look there
STEADY = 0.01  # of a hand's size: keypoints that move so far from window to window count half
UNTRIED = 0.02  # likewise, taken for the movement of keypoints that one window alone gave

Detect = Callable[[Window], list[Candidate]]


@dataclass(frozen=True)
class FoundHands:
    """Two hands, in no order yet, and the candidates that show them."""

    points: np.ndarray  # (2, 21, 3) world units; nan: not seen
    by_view: list[list[Candidate | None]]  # N views of 2
    projected: np.ndarray  # (N, 2, 21, 2) pixels
    apart: np.ndarray  # (N, 2) pixels from the projected hand, the view's shift aside; nan: none
    dropped: list[tuple[int, int]]  # (view, hand) found, but too far from what the others say
    others: int  # further hands that views agree on, not kept
    noise: float  # pixels

    def named(self, exchange: bool) -> FoundHands:
        """The same with the hands exchanged, or not."""
        if not exchange:
            return self
        flip = [1, 0]
        return replace(
            self,
            points=self.points[flip],
            by_view=[pair[::-1] for pair in self.by_view],
            projected=self.projected[:, flip],
            apart=self.apart[:, flip],
            dropped=[(view, 1 - hand) for view, hand in self.dropped],
        )


def search_hands(
    cameras: Cameras,
    detect: Detect,
    options: Mapping[str, Any],
    pose_options: Mapping[str, Any],
    given: Mapping[int, Sequence[Candidate]] | None = None,
    seed: int = 0,
) -> FoundHands:
    """Find the two hands that most of the N views agree on.

    detect: window -> candidates; options: the config's section `detect_hands`; pose_options:
    `pose_optim`; given: candidates of views that are not to be looked at. Raises UserError where
    there is one view only, no hand, or none that two views agree on.
    """
    if len(cameras) < 2:
        raise UserError(
            "detect_hands: the capture has 1 view; at least 2 calibrated views must see a hand. "
            "Add images and cameras of other views"
        )
    search = _Search(cameras, detect, pose_options, given or {}, seed)
    agreement = search.first_agreement()
    for look in [FIRST_LOOK, *[SECOND_LOOK] * options["retries"]]:
        agreement = search.look_closer(agreement, look, options["most_apart"])
    return search.result(agreement, options["most_apart"])


class _Search:
    """What was found so far."""

    def __init__(self, cameras, detect, pose_options, given, seed):
        self.cameras, self.detect, self.options, self.seed = cameras, detect, pose_options, seed
        self.sizes = [tuple(size) for size in cameras.sizes.tolist()]
        self.given = given
        self.detections = [list(given.get(view, ())) for view in range(len(cameras))]

    def look(self, windows: Iterable[Window], what: str) -> None:
        """Detect in windows, except in views whose candidates are given."""
        windows = [window for window in windows if window.view not in self.given]
        for window in progress(windows, what):
            self.detections[window.view] += self.detect(window)

    def candidates(self, agreement: Agreement | None = None) -> list[list[Candidate]]:
        """All that was found, by view; what agrees is one candidate.

        Of detections that agree with one another, the one that agrees best with the hands counts.
        """
        apart = agreement.least_apart if agreement is not None else None
        return [[_weighed(one) for one in merged(seen, apart)] for seen in self.detections]

    def first_agreement(self) -> Agreement:
        """From whole photos, and from parts and turned photos of views that lack a hand."""
        views = range(len(self.sizes))
        self.look([whole_photo(view, self.sizes[view]) for view in views], "whole photos")
        agreement = agree(self.cameras, self.candidates(), self.options, self.seed)
        lacking = [v for v in views if agreement is None or (agreement.slots[v] < 0).any()]
        self.look([w for view in lacking for w in self.parts(view)], "parts of photos")
        agreement = agree(self.cameras, self.candidates(), self.options, self.seed)
        if agreement is None:
            raise UserError(self._why_none())
        return agreement

    def parts(self, view: int) -> list[Window]:
        """Turned photos and tiles, in which hands are larger and stand otherwise."""
        size = self.sizes[view]
        turned = [whole_photo(view, size, turn) for turn in (90, 180, 270)]
        return turned + tiles(view, size, 2) + tiles(view, size, 3)

    def _why_none(self) -> str:
        seen = [view for view, hands in enumerate(self.detections) if hands]
        count = len(self.detections)
        if not seen:
            return (
                f"detect_hands: no hand found in any of {count} views (whole photos, parts, turned "
                "photos); look at the images, or give keypoints of another detector by --from"
            )
        if len(seen) == 1:
            return (
                f"detect_hands: a hand is found only in view {seen[0]} of {count}; at least 2 "
                "views must see it. Look at the images, or give keypoints by --from"
            )
        return (
            f"detect_hands: hands are found in {len(seen)} of {count} views, but no two views "
            "agree on one; check the cameras (check_data.py draws them)"
        )

    def look_closer(self, before: Agreement, variants: list, most_apart: float) -> Agreement:
        """Crops around every hand (first look), or those that are missed or disagree."""
        far, windows = before.too_far(self.candidates(before), most_apart / 2), []
        for view, size in enumerate(self.sizes):
            for hand in (0, 1):
                xy = before.projected[view, hand] + before.shift[view]
                good = before.slots[view, hand] >= 0 and (view, hand) not in far
                if _inside(xy, size) >= LEAST_INSIDE and not (good and variants is SECOND_LOOK):
                    windows += crops(view, xy, variants)
        self.look(windows, "crops around hands")
        return follow(before, self.cameras, self.candidates(before), self.options)

    def result(self, agreement: Agreement, most_apart: float) -> FoundHands:
        """The hands without detections that are too far from them."""
        candidates, dropped = self.candidates(agreement), set()
        for _ in range(DROPS):
            far = agreement.too_far(candidates, most_apart)
            dropped |= set(far)
            spoken_for = {(view, int(agreement.slots[view, hand])) for view, hand in far}
            candidates = [
                [one for slot, one in enumerate(of_view) if (view, slot) not in spoken_for]
                for view, of_view in enumerate(candidates)
            ]
            agreement = follow(agreement, self.cameras, candidates, self.options)
        far = agreement.too_far(candidates, most_apart)
        by_view: list[list[Candidate | None]] = [[None, None] for _ in self.detections]
        apart = np.full(agreement.slots.shape, np.nan)
        for view, hand in np.argwhere(agreement.slots >= 0).tolist():
            if (view, hand) not in far:
                one = candidates[view][agreement.slots[view, hand]]
                by_view[view][hand], apart[view, hand] = one, agreement.apart(one, hand)
        points = agreement.points.copy()
        for hand in np.nonzero(np.isfinite(apart).sum(0) < 2)[0].tolist():
            points[hand], apart[:, hand] = np.nan, np.nan  # one view shows no hand for certain
            by_view = [[one if k != hand else None for k, one in enumerate(p)] for p in by_view]
        known = np.isfinite(points[..., 0]).any(1)
        if not known.any():
            raise UserError(self._why_none())
        dropped = sorted((v, h) for v, h in dropped.union(far) if known[h] and not by_view[v][h])
        return FoundHands(
            points=points,
            by_view=by_view,
            projected=agreement.projected,
            apart=apart,
            dropped=dropped,
            others=agreement.others,
            noise=agreement.noise,
        )


def _weighed(candidate: Candidate) -> Candidate:
    """With confidences from how much the keypoints move from window to window.

    The measured error of MediaPipe's keypoints grows with that movement, on real and on rendered
    hands, by a factor of five between the steadiest and the least steady quarter.
    """
    if candidate.count < 2:
        movement = np.where(candidate.given, 0.0, UNTRIED * np.ones(len(candidate.spread)))
    else:
        movement = candidate.spread / candidate.size
    return replace(candidate, confidence=candidate.confidence / (1 + (movement / STEADY) ** 2))


def _inside(xy: np.ndarray, size: tuple[int, int]) -> float:
    """Share of the keypoints (21, 2) that lie in a photo (height, width)."""
    height, width = size
    with np.errstate(invalid="ignore"):
        return float(((xy >= 0) & (xy <= [width - 1, height - 1])).all(1).mean())
