"""Says what is wrong with a capture as a whole, or that nothing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from utils.captures.capture import Capture
from utils.captures.diagnosis.explanation import Explanation
from utils.captures.diagnosis.hints import intrinsics_hint
from utils.captures.diagnosis.mask_evidence import mask_shows
from utils.captures.diagnosis.sightings import Fit, Sightings, fit_of
from utils.captures.diagnosis.single_views import ViewsOff, views_off
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
AS_A_ROOM = 0.04  # so much an order of cameras may leave: among many orders, some leave 0.05
EXPLAINS = 0.6  # of the residual: what leaves more of it explains nothing
EXPLAINS_VIEWS = 0.4  # of the mean over detections, where most views agree already
MOST_FIT = 0.6  # share of the detections that must fit once a cause is undone
FEW_ORDERS = 8  # views: of so few, some agree by chance though their cameras are in another order
FEW_VIEWS = 5  # fewer: what frees an unknown explains small contradictions by chance
CLEARLY = 1.3  # times the best explanation's residual: one that leaves less is as good
UNEXPLAINED = "unexplained"
WRONG_BEND = -0.15  # mean bend of the fingers, against the hands' names: the names are exchanged


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with a capture.

    cause: "" where nothing is; remedy: what to do; evidence: numbers; certainty: "clear", "likely"
    (another cause explains it nearly as well), "unexplained" or "hint"; failed: whether the stages
    would fail or give a wrong mesh; doubts: what makes their results doubtful, in words; left_out:
    views that contradict all others; mend: what is mended at reading; notes: lines about views and
    mends.
    """

    cause: str = ""
    remedy: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    certainty: str = ""
    failed: bool = False
    doubts: tuple[str, ...] = ()
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
    diagnosis = _with_views(capture, sightings, off)
    unsure = any(view in diagnosis.left_out for view in off.beside)
    if off.fit.relative > AGREES or unsure or not off.settled:
        diagnosis = _searched(sightings, fit, off, diagnosis, options, seed)
    if not diagnosis.failed and off.fit.hands is not None:
        diagnosis = _with_mends(diagnosis, off.fit.hands.points)
        hint = intrinsics_hint(sightings.without(off.contradicting), off.fit)
        if hint is not None:
            diagnosis = replace(diagnosis, **hint)
    return diagnosis


def _with_views(capture: Capture, sightings: Sightings, off: ViewsOff) -> Diagnosis:
    """Which views are left out, of which only the keypoints, and what is said of them."""
    shown = [v for v in off.elsewhere if mask_shows(capture, sightings, v, off.fit.hands.points)]
    notes = [
        f"the keypoints of view {view} are {how_far}, and its mask shows the hands where they are: "
        "its keypoints are left out"
        if view in shown
        else f"view {view} is {how_far}: its camera is out of place, or its photo is of another "
        "moment; left out"
        for view, how_far in off.beside.items()
    ]
    left_out = tuple(view for view in off.views if view not in shown)
    keypoints = tuple(sorted([*off.keypoints, *shown]))
    return Diagnosis(
        left_out=left_out,
        mend=Mend(without_keypoints=keypoints),
        notes=(*off.notes, *notes),
    )


def _searched(
    sightings: Sightings,
    before: Fit,
    off: ViewsOff,
    diagnosis: Diagnosis,
    options: Mapping[str, Any],
    seed: int,
) -> Diagnosis:
    """Try all suspects; unexplained where none makes the views agree clearly better.

    before: of all views; an explanation must beat it and the fit without the views that are off.
    """
    fit = off.fit
    if len(sightings) < FEW_VIEWS and before.relative < CONTRADICTS:
        return diagnosis
    few = sightings.detected.any((1, 2)).sum() <= FEW_ORDERS
    orders = before.relative > CONTRADICTS or not off.settled or len(off.beside) > 1 or few
    tried = explanations(sightings, before, options, seed, orders)
    explaining = [each for each in tried if _explains(each, before, fit)]
    if not explaining:
        failed = min(fit.relative, fit.best_of_views) > CONTRADICTS
        return _unexplained(fit, tried, diagnosis) if failed else diagnosis
    return _named(before, explaining, diagnosis)


def _explains(explanation: Explanation, before: Fit, rest: Fit) -> bool:
    """Whether a cause that is undone explains how the views disagree: with most of the residual,
    or with what views contradict the rest that agree as nearly.

    before: the fit of all views as they are; rest: without views that are off.
    """
    after = explanation.fit
    most = AS_A_ROOM if explanation.kind == "permutation" else CONTRADICTS
    if after.relative > most or after.fitting < MOST_FIT:
        return False
    if after.explains(rest) <= EXPLAINS:
        return True
    return after.relative < CLEARLY * rest.relative and after.mean < EXPLAINS_VIEWS * before.mean


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
        mend=Mend(),
        notes=(),
    )


def _unexplained(fit: Fit, tried: Sequence[Explanation], diagnosis: Diagnosis) -> Diagnosis:
    agree = f"{100 * fit.fitting:.0f} % of the detected hands fit"
    if np.isfinite(fit.pixels):
        agree += f", those with a median residual of {fit.pixels:.1f} px"
    return replace(
        diagnosis,
        cause=f"the views contradict each other ({agree}), and no usual mistake explains it",
        remedy="hold the cameras against the photos (check_data.py draws both), calibrate again",
        evidence={"relative_before": fit.relative, "nearest": tried[0].cause if tried else ""},
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
    mend = replace(diagnosis.mend, joint_order=order, sides_exchanged=exchanged)
    return replace(diagnosis, mend=mend, notes=(*diagnosis.notes, *notes))


def sides_exchanged(points: np.ndarray) -> bool:
    """Whether the fingers of every hand of points (2, 21, 3) bend as the other side's."""
    bends = [(1 if side == "right" else -1) * right_handedness(p) for side, p in zip(SIDES, points)]
    known = [bend for bend in bends if np.isfinite(bend)]
    return bool(known) and max(known) < 0 and float(np.mean(known)) < WRONG_BEND
