"""Views that contradict all others: cameras exchanged, out of place, out of sync, looking away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from utils.captures.diagnosis.permutation import assigned_cameras, explained_by, with_cameras
from utils.captures.diagnosis.sightings import FITS, Fit, Sightings, distances, fit_of
from utils.keypoints.triangulation import HandKeypoints

ROUNDS = 3
FAR_OFF = 6.0  # times most views' residual (a real room's worst camera: 4.3)
LEAST_OFF = 0.02  # of a hand's size
MOST_OFF = 1 / 3  # of the views: more of them are the capture's fault, not theirs
FEWEST_LEFT = 4  # views that must remain to say which ones are off
CLEARLY_MORE = 0.1  # of a full likeness, by which another camera explains a view better
HALVED = 0.5  # of what views are off, with other cameras, and
CLOSE = 1.05  # of all views' residual: then they bear each other's
AS_READ = 0.5  # of what a view is off: what leaves less when read in another range is in it
IN_SIGHT = 0.05  # share of the keypoints inside a photo: below, the view looks away


@dataclass(frozen=True)
class ViewsOff:
    """Views to leave out, views of which only the keypoints are wrong, and what is said of them.

    views: left out; keypoints: views whose photos and masks still count; notes: what is said;
    beside: what is said of views that nothing else explains, by view, left out as well; elsewhere:
    those of them whose detections are so far off that they show something else; fit: of the others;
    settled: False where so many views contradict the others that none is left out.
    """

    views: tuple[int, ...]
    keypoints: tuple[int, ...]
    notes: tuple[str, ...]
    beside: Mapping[int, str]
    elsewhere: tuple[int, ...]
    fit: Fit
    settled: bool = True

    @property
    def contradicting(self) -> tuple[int, ...]:
        """All views whose keypoints don't count."""
        return tuple(sorted([*self.views, *self.keypoints]))


def views_off(
    sightings: Sightings, fit: Fit, options: Mapping[str, Any], seed: int = 0
) -> ViewsOff:
    """Find the views of which every detection is far from hands that most views agree on, and
    those that other views' cameras explain."""
    all_views = fit
    off: list[int] = []
    for _ in range(ROUNDS):
        more = _contradicting(sightings, fit)
        if set(more) <= set(off):
            break
        off = sorted({*off, *more})
        fit = fit_of(sightings.without(off), options, seed)
    moved = _with_other_cameras(sightings, fit, options, seed)
    if not set(moved) <= set(off):
        off = sorted({*off, *moved})
        fit = fit_of(sightings.without(off), options, seed)
    shown = sightings.detected.any((1, 2)).sum()
    if fit.hands is None or len(off) > MOST_OFF * shown or shown - len(off) < FEWEST_LEFT:
        return ViewsOff((), (), (), {}, (), all_views, settled=not off)
    return _told(sightings, fit, off, options["fit_radius"])


def _told(sightings: Sightings, fit: Fit, off: list[int], fit_radius: float) -> ViewsOff:
    """What is wrong with each view that is off, and which look away."""
    ranges = {view: said for view in off if (said := _other_range(sightings, fit, view))}
    rest = [view for view in off if view not in ranges]
    notes, beside = _notes(sightings, fit, rest, fit_radius) if rest else ([], {})
    away = [view for view in _looking_away(sightings, fit) if view not in off]
    notes += [f"view {view} does not see the hands: left out" for view in away]
    relative = _distances(sightings, fit.hands.points) / sightings.hand_sizes
    return ViewsOff(
        views=tuple(sorted([*rest, *away])),
        keypoints=tuple(ranges),
        notes=(*ranges.values(), *notes),
        beside=beside,
        elsewhere=tuple(view for view in beside if np.nanmin(relative[view]) > FITS),
        fit=fit,
    )


def _with_other_cameras(
    sightings: Sightings, fit: Fit, options: Mapping[str, Any], seed: int
) -> list[int]:
    """Views that agree with the hands once they have each other's cameras, and clearly better."""
    if fit.hands is None:
        return []
    scores = explained_by(sightings, fit.hands.points, sightings, options["fit_radius"])
    order = assigned_cameras(scores)
    shown = sightings.detected.any((1, 2))
    moved = np.nonzero((order != np.arange(len(order))) & shown)[0]
    gain = scores[moved, order[moved]] - scores[moved, moved]
    if not len(moved) or gain.min() < CLEARLY_MORE:
        return []
    before = fit_of(sightings, options, seed, fit.hands)
    after = fit_of(with_cameras(sightings, order), options, seed)
    halved = after.chosen_mean(moved) < HALVED * before.chosen_mean(moved)
    return moved.tolist() if halved and after.relative < CLOSE * before.relative else []


def _contradicting(sightings: Sightings, fit: Fit) -> list[int]:
    """Views whose every detection is much farther from the hands than most views' are."""
    if fit.hands is None:
        return []
    pixels = _distances(sightings, _believed_hands(fit.hands))  # (N, 2)
    shown = np.isfinite(pixels).any(1)
    if not shown.any():
        return []
    relative = pixels / sightings.hand_sizes
    off = np.zeros(len(shown), bool)
    for distance in (pixels, relative):
        best = np.where(np.isfinite(distance), distance, np.inf).min(1)
        usual = np.median([np.mean(view[np.isfinite(view)]) for view in distance[shown]])
        off |= shown & (best > FAR_OFF * usual)
    best = np.where(np.isfinite(relative), relative, np.inf).min(1)
    return np.nonzero(off & (best > LEAST_OFF))[0].tolist()


def _believed_hands(hands: HandKeypoints) -> np.ndarray:
    """Points (2, 21, 3) without a hand that only few views show, none of which shows the other.

    Two cameras that are exchanged agree with one another on a hand that is not there.
    """
    shown = hands.assigned >= 0  # (N, 2)
    few = shown.sum(0) <= MOST_OFF * shown.any(1).sum()
    apart = not shown.all(1).any()
    return np.where((few & apart)[:, None, None], np.nan, hands.points)


def _distances(sightings: Sightings, points: np.ndarray) -> np.ndarray:
    """Median pixels (N, 2) of each detection to the nearer hand; nan: not detected."""
    return np.array(
        [
            [
                np.median(slot[np.isfinite(slot)]) if np.isfinite(slot).any() else np.nan
                for slot in v
            ]
            for v in distances(sightings, points)
        ]
    )


def _looking_away(sightings: Sightings, fit: Fit) -> list[int]:
    """Views without detections whose cameras have the hands behind them or outside the photo."""
    if fit.hands is None:
        return []
    points = fit.hands.points.reshape(-1, 3)
    points = points[np.isfinite(points[:, 0])]
    away = []
    for view in np.nonzero(~sightings.detected.any((1, 2)))[0]:
        x = points @ sightings.R[view].T + sightings.t[view]
        px = x @ sightings.K[view].T
        xy = px[:, :2] / np.where(px[:, 2:] > 0, px[:, 2:], np.nan)
        inside = ((xy > -0.5) & (xy < sightings.sizes[view, ::-1] - 0.5)).all(1)
        if inside.mean() < IN_SIGHT:
            away.append(int(view))
    return away


def _notes(
    sightings: Sightings, fit: Fit, off: list[int], fit_radius: float
) -> tuple[list[str], dict[int, str]]:
    """What is wrong with each: which other one's camera it has, or (by view) how far it is off."""
    theirs_alone = sightings.chosen(off)
    scores = explained_by(theirs_alone, fit.hands.points, theirs_alone, fit_radius)
    mine, theirs = linear_sum_assignment(-scores)
    camera_of = dict(zip(mine.tolist(), theirs.tolist()))
    better = {
        view
        for view, camera in camera_of.items()
        if view != camera and scores[view, camera] > scores[view, view] + CLEARLY_MORE
    }
    notes, beside = [], {}
    for view, camera in camera_of.items():
        if view not in better:
            beside[off[view]] = _how_far(sightings, fit, off[view])
        elif camera_of[camera] != view or camera not in better:
            notes.append(f"view {off[view]} needs camera {off[camera]}: left out")
        elif view < camera:
            pair = f"{off[view]} and {off[camera]}"
            notes.append(f"the cameras of views {pair} are exchanged: both left out")
    return notes, beside


def _how_far(sightings: Sightings, fit: Fit, view: int) -> str:
    pixels = np.nanmin(_distances(sightings.chosen([view]), fit.hands.points))
    return f"{pixels:.0f} px off as a whole, the others agree to {fit.pixels:.1f} px"


def _other_range(sightings: Sightings, fit: Fit, view: int) -> str:
    """What is said of a view whose keypoints fit once they are read in another range; "" else."""
    seen = sightings.chosen([view])
    spread = seen.sizes[:, None, None, ::-1]
    usual = np.nanmin(_distances(seen, fit.hands.points) / seen.hand_sizes)
    readings = {
        ("[0, 1]", "[-1, 1]"): 2 * seen.xy - spread,
        ("[-1, 1]", "[0, 1]"): (seen.xy + spread) / 2,
    }
    for (its, others), xy in readings.items():
        read = replace(seen, xy=xy)
        off = _distances(read, fit.hands.points) / read.hand_sizes
        if np.nanmax(off) < min(FITS, AS_READ * usual):
            return (
                f"the keypoints of view {view} are in {its}, those of the others in {others}: its "
                "keypoints are left out"
            )
    return ""
