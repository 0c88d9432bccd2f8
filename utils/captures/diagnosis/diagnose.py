"""Says what is wrong with a capture as a whole, or that nothing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from utils.captures.capture import Capture
from utils.captures.diagnosis.explanation import Explanation
from utils.captures.diagnosis.hints import intrinsics_hint
from utils.captures.diagnosis.sightings import Fit, Sightings, fit_of
from utils.captures.diagnosis.single_views import views_off
from utils.captures.diagnosis.suspects import explanations
from utils.captures.mends import Mend
from utils.keypoints import SIDES
from utils.keypoints.joint_orders import DESCRIPTIONS, OWN_ORDER, order_of, own_rows
from utils.keypoints.order import right_handedness
from utils.keypoints.triangulation import HandKeypoints

# Of a hand's size in the photo, median: good captures have 0.4 to 0.5 %, a real room with cameras
# that are off 3 %, captures with a fault 2 to 100 %.
AGREES = 0.01
CONTRADICTS = 0.06
EXPLAINS = 0.6  # of the residual: what leaves more of it explains nothing
MOST_FIT = 0.6  # share of the detections that must fit once a cause is undone
FEW_VIEWS = 5  # fewer: what frees an unknown explains small contradictions by chance
CLEARLY = 1.3  # times the best explanation's residual: one that leaves less is as good
UNEXPLAINED = "unexplained"
WRONG_BEND = -0.15  # mean bend of the fingers, against the hands' names: the names are exchanged


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a capture.

    cause: "" where nothing is; remedy: what to do; evidence: numbers; certainty: "clear", "likely"
    (another cause explains it nearly as well), "unexplained" or "hint"; failed: whether the stages
    would fail or give a wrong mesh; left_out: views that contradict all others; mend: what is
    mended at reading; notes: lines about views and mends.
    """

    cause: str = ""
    remedy: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    certainty: str = ""
    failed: bool = False
    left_out: tuple[int, ...] = ()
    mend: Mend = field(default_factory=Mend)
    notes: tuple[str, ...] = ()

    @property
    def explained(self) -> bool:
        """Whether a cause was found, and not only that there must be one."""
        return bool(self.cause) and self.certainty != UNEXPLAINED

    @property
    def line(self) -> str:
        """Cause and remedy in one line."""
        return f"{self.cause}; {self.remedy}" if self.remedy else self.cause

    def facts(self) -> dict[str, Any]:
        """What keypoints_3d_S.json holds of it."""
        said = {
            "cause": self.cause,
            "remedy": self.remedy,
            "certainty": self.certainty,
            "failed": self.failed,
            "evidence": dict(self.evidence),
            "notes": list(self.notes),
        }
        return {
            "left_out": list(self.left_out),
            "mended": self.mend.facts(),
            "diagnosis": said,
        }


def diagnose(
    capture: Capture,
    hands: HandKeypoints | None,
    options: Mapping[str, Any],
    seed: int = 0,
) -> Diagnosis:
    """Hold cameras, detections and hands of a capture against each other.

    hands: as `triangulate_hands` found them, None where it could not. options: the config's
    `pose_optim`. Where the views agree, nothing is searched. Raises UserError where keypoints
    cannot be read.
    """
    sightings = Sightings.of(capture)
    if sightings.detected.any((1, 2)).sum() < 2:
        return Diagnosis()
    fit = fit_of(sightings, options, seed, hands)
    off = views_off(sightings, fit, options, seed)
    diagnosis = Diagnosis(left_out=off.views, notes=off.notes)
    if off.fit.relative > AGREES:
        diagnosis = _searched(sightings, (fit, off.fit), diagnosis, options, seed)
    if not diagnosis.failed and off.fit.hands is not None:
        diagnosis = _with_mends(diagnosis, off.fit.hands.points)
        hint = intrinsics_hint(sightings.without(off.views), off.fit)
        if hint is not None:
            diagnosis = replace(diagnosis, **hint)
    return diagnosis


def _searched(
    sightings: Sightings,
    fits: tuple[Fit, Fit],
    diagnosis: Diagnosis,
    options: Mapping[str, Any],
    seed: int,
) -> Diagnosis:
    """Try all suspects; unexplained where none makes the views agree clearly better.

    fits: of all views, and without those that are left out: an explanation must beat both.
    """
    before, fit = fits
    if len(sightings) < FEW_VIEWS and fit.relative < CONTRADICTS:
        return diagnosis
    tried = explanations(sightings, options, seed)
    best = tried[0]
    explained = best.fit.explains(fit) <= EXPLAINS and best.fit.relative <= CONTRADICTS
    if not explained or best.fit.fitting < MOST_FIT:
        failed = min(fit.relative, fit.best_of_views) > CONTRADICTS
        return _unexplained(fit, best, diagnosis) if failed else diagnosis
    return _named(before, tried, diagnosis)


def _named(before: Fit, tried: Sequence[Explanation], diagnosis: Diagnosis) -> Diagnosis:
    """The first of the explanations, and those that explain as much."""
    best = tried[0]
    rivals = [
        each
        for each in tried[1:]
        if each.fit.relative < CLEARLY * best.fit.relative and each.kind != "scale and crop"
    ]
    also = "".join(f"; or: {rival.cause}, {rival.remedy}" for rival in rivals)
    evidence = {
        "relative_before": before.relative,
        "relative_after": best.fit.relative,
        "pixels_before": before.pixels,
        "pixels_after": best.fit.pixels,
        **best.evidence,
    }
    return replace(
        diagnosis,
        cause=best.said(before),
        remedy=best.remedy + also,
        evidence=evidence,
        certainty="likely" if rivals else "clear",
        failed=True,
        left_out=(),
        notes=(),
    )


def _unexplained(fit: Fit, best: Explanation, diagnosis: Diagnosis) -> Diagnosis:
    agree = f"{100 * fit.fitting:.0f} % of the detected hands fit"
    if np.isfinite(fit.pixels):
        agree += f", those with a median residual of {fit.pixels:.1f} px"
    return replace(
        diagnosis,
        cause=f"the views contradict each other ({agree}), and no usual mistake explains it",
        remedy="hold the cameras against the photos (check_data.py draws both), calibrate again",
        evidence={"relative_before": fit.relative, "nearest": best.cause},
        certainty=UNEXPLAINED,
        failed=True,
    )


def _with_mends(diagnosis: Diagnosis, points: np.ndarray) -> Diagnosis:
    """Order of joints and names of sides, by the hands' bones and the bend of their fingers."""
    notes = []
    order, scores = order_of(points)
    if order != OWN_ORDER:
        notes.append(
            f"the keypoints are in {DESCRIPTIONS[order]}: so read, bones differ from a human "
            f"hand's by {100 * scores[order]:.0f} % instead of {100 * scores[OWN_ORDER]:.0f} %"
        )
    exchanged = sides_exchanged(points[:, own_rows(order)])
    if exchanged:
        notes.append(
            "left and right are named the wrong way round in all views (the fingers bend "
            "backwards): exchanged"
        )
    mend = Mend(order, exchanged)
    return replace(diagnosis, mend=mend, notes=(*diagnosis.notes, *notes))


def sides_exchanged(points: np.ndarray) -> bool:
    """Whether the fingers of every hand of points (2, 21, 3) bend as the other side's."""
    bends = [(1 if side == "right" else -1) * right_handedness(p) for side, p in zip(SIDES, points)]
    known = [bend for bend in bends if np.isfinite(bend)]
    return bool(known) and max(known) < 0 and float(np.mean(known)) < WRONG_BEND
