"""The usual suspects, each undone and tried on a capture whose views disagree."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from utils.captures.diagnosis.conventions import SUSPECTS
from utils.captures.diagnosis.explanation import Explanation
from utils.captures.diagnosis.intrinsics import (
    NOTHING,
    RADIAL,
    SCALE,
    SHIFT_X,
    SHIFT_Y,
    Shared,
    along,
    border_shift,
    estimate,
    most_radial,
    refined,
    with_intrinsics,
)
from utils.captures.diagnosis.orders_of_cameras import cameras_permuted
from utils.captures.diagnosis.screening import best_scale, best_shift, pair_residual
from utils.captures.diagnosis.sightings import Fit, Sightings, fit_of

PER_UNKNOWN = 10.0  # log likelihood that another unknown must bring to be believed
SIMPLE = 0.004  # relative: a factor so close to a simple fraction is that fraction
MOST_VIEWS = 16  # of larger captures, so many views, evenly spaced, are tried
UNSOLVED = 0.06  # of a hand's size: where no suspect leaves less, crops are searched for widely
FREE_NUMBERS = 1.3
# What intrinsics leave where they are the cause (of a hand's size): a real room 0.03. Of three free
# numbers, and of few views, it is asked that they fit as in made-up captures, since they bring
# cameras that are off each by itself to 0.02 and 0.03.
ROOM, FITS_FREELY, FEW_VIEWS = 0.04, 0.015, 6
SURE = 10.0  # standard errors: true causes have 17 and more, what fits a few views by chance 1 to 9
NEARLY_ONE = 0.05  # |log|: photos are resized by more, and a moved principal point looks alike
FEWEST_VIEWS = 4  # a permutation of fewer views than this explains too much
BETTER_PAIRS = 0.9  # of pairs' residual: what leaves more of it is not tried in full
NEARLY_BEST = 1.5  # times the best suspect's residual of pairs: worse ones are not tried in full
SAME_HANDS = 0.8  # share of detections that fit: then the hands stay about where they are, and
BETTER_ESTIMATE = 0.8  # numbers that leave more than this of the pixels need no new triangulation


def explanations(
    sightings: Sightings,
    fit: Fit,
    options: Mapping[str, Any],
    seed: int = 0,
    orders: bool = True,
) -> list[Explanation]:
    """Suspects undone, the one that makes the views agree best first.

    fit: of the sightings as they are; options: the config's `pose_optim`; orders: whether the
    cameras may be in another order. Suspects are triangulated in full only where pairs of views
    agree better so. Of the shared intrinsics only the likeliest is listed, and what looks alike.
    """
    some = sightings
    if len(sightings) > MOST_VIEWS:
        some = sightings.chosen(np.linspace(0, len(sightings) - 1, MOST_VIEWS).astype(int))
        fit = fit_of(some, options, seed)
    own = pair_residual(some)
    log_scale, scaled = best_scale(some)
    found = _conventions(some, min(BETTER_PAIRS * own, NEARLY_BEST * scaled), options, seed)
    found += shared_intrinsics(some, fit, log_scale, options, seed)
    if orders and sightings.detected.any((1, 2)).sum() >= FEWEST_VIEWS:
        found.append(cameras_permuted(sightings, options, seed))
    if min([fit.relative, *(each.fit.relative for each in found)]) > UNSOLVED:
        found += _far_crop(some, options, seed)
    return sorted(found, key=_implausibility)


def _conventions(
    sightings: Sightings, most: float, options: Mapping[str, Any], seed: int
) -> list[Explanation]:
    """Conventions that leave pairs of views at most this residual, and about the least of all."""
    undone = [suspect.undone(sightings) for suspect in SUSPECTS]
    residuals = [pair_residual(each) for each in undone]
    most = min(most, NEARLY_BEST * min(residuals))
    return [
        Explanation(
            "convention",
            suspect.cause,
            "with that undone",
            suspect.remedy,
            fit_of(each, options, seed),
        )
        for suspect, each, residual in zip(SUSPECTS, undone, residuals)
        if residual <= most
    ]


def _implausibility(explanation: Explanation) -> float:
    """The residual that it leaves; three free numbers must be clearly better than a convention, and
    a scale that nobody resizes photos by than a principal point."""
    free = explanation.kind == "scale and crop"
    odd = explanation.kind == "scale" and abs(np.log(explanation.evidence["k_scale"])) < NEARLY_ONE
    return explanation.fit.relative * (FREE_NUMBERS if free or odd else 1)


def shared_intrinsics(
    sightings: Sightings,
    fit: Fit,
    log_scale: float,
    options: Mapping[str, Any],
    seed: int = 0,
) -> list[Explanation]:
    """The likeliest of: K of larger or smaller photos, photos cropped, both, distortion.

    Each is fitted; an unknown more has to pay for itself. log_scale: where pairs of views agree
    best. None where none of them makes the views agree better; two where K's scale is so near 1
    that a moved principal point explains as much.
    """
    tried = _tried_intrinsics(sightings, fit, log_scale, options, seed)
    tried = [each for each in tried if _is_sure(sightings, *each)]
    if not tried:
        return []
    best = min((each[3] for each in tried), key=lambda fit: fit.relative)
    unlikely = [
        estimate(sightings, best, free, shared.values).loss + PER_UNKNOWN * len(free)
        for _, free, shared, _ in tried
    ]
    first = int(np.argmin(unlikely))
    named = [first]
    if tried[first][0] == "scale" and abs(tried[first][2].values[SCALE]) < NEARLY_ONE:
        named += [
            k
            for k, (kind, *_) in enumerate(tried)
            if kind == "crop" and unlikely[k] < unlikely[first] + 2 * PER_UNKNOWN
        ][:1]
    return [_intrinsics_explanation(tried[k][0], *tried[k][2:], sightings) for k in named]


def _tried_intrinsics(
    sightings: Sightings, fit: Fit, log_scale: float, options: Mapping[str, Any], seed: int
) -> list[tuple[str, np.ndarray, Shared, Fit]]:
    """Kind, directions, values and fit of all that may make the views agree better."""
    centre = ((sightings.sizes[:, ::-1] - 1) / 2 - sightings.K[:, :2, 2]).mean(0)
    scaled = (float(log_scale), 0.0, 0.0, 0.0)
    starts = (
        ("scale", along(SCALE), scaled),
        ("crop", along(SHIFT_X, SHIFT_Y), NOTHING),
        ("crop", along(SHIFT_X, SHIFT_Y), (0.0, *centre, 0.0)),
        ("scale and crop", along(SCALE, SHIFT_X, SHIFT_Y), scaled),
        ("distortion", along(RADIAL), NOTHING),
    )
    own = pair_residual(sightings)
    tried = []
    for kind, free, start in starts:
        if start == NOTHING:
            known, promising = fit, _is_promising(sightings, fit, free)
        else:
            known = None
            residual = pair_residual(with_intrinsics(sightings, start))
            promising = residual < BETTER_PAIRS * own
        if promising:
            tried.append((kind, free, *refined(sightings, options, free, start, seed, known)))
    return tried


def _is_promising(sightings: Sightings, fit: Fit, free: np.ndarray) -> bool:
    """Whether numbers along these directions may make a fit clearly better."""
    if fit.hands is None:
        return False
    if fit.fitting < SAME_HANDS:
        return True
    return estimate(sightings, fit, free).pixels < BETTER_ESTIMATE * fit.pixels


def _is_sure(sightings: Sightings, kind: str, free: np.ndarray, shared: Shared, fit: Fit) -> bool:
    """Whether all views ask for these numbers, and not a few of which each is off by itself."""
    few = sightings.detected.any((1, 2)).sum() < FEW_VIEWS
    if fit.hands is None or fit.relative > (FITS_FREELY if few or len(free) > 2 else ROOM):
        return False
    if abs(shared.values[RADIAL]) > most_radial(sightings):
        return False
    again = estimate(sightings, fit, free, shared.values, spread=True)
    sure = np.abs(free @ again.values) > SURE * again.spread
    return bool(sure[0] and sure[1:].any()) if kind == "scale and crop" else bool(sure.any())


def _far_crop(sightings: Sightings, options: Mapping[str, Any], seed: int) -> list[Explanation]:
    """Photos cropped by more than what the views' disagreement leads to by itself."""
    free = along(SHIFT_X, SHIFT_Y)
    shared, fit = refined(sightings, options, free, best_shift(sightings), seed)
    if not _is_sure(sightings, "crop", free, shared, fit):
        return []
    return [_intrinsics_explanation("crop", shared, fit, sightings)]


def _intrinsics_explanation(
    kind: str, shared: Shared, fit: Fit, sightings: Sightings
) -> Explanation:
    evidence = {
        "k_scale": shared.scale,
        "offset": shared.values[[SHIFT_X, SHIFT_Y]],
        "k1": float(shared.values[RADIAL]),
    }
    texts = {
        "scale": _scale_text,
        "crop": _crop_text,
        "scale and crop": _scaled_crop_text,
        "distortion": _distortion_text,
    }
    return Explanation(kind, *texts[kind](shared, sightings), fit, evidence)


def _scale_text(shared: Shared, sightings: Sightings) -> tuple[str, str, str]:
    scale = simple_factor(shared.scale)
    sizes = {tuple(size) for size in sightings.sizes[:, ::-1].tolist()}
    if len(sizes) == 1:
        width, height = sizes.pop()
        own = f"photos of {width / scale:.0f}x{height / scale:.0f}"
        wanted = f"export K for {width}x{height}"
    else:
        own, wanted = f"photos {1 / scale:.3g} times as large", "export K for these photos"
    return (
        f"K belongs to {own}",
        f"scaled by {scale:.4g}",
        f"{wanted}, or `--set k_scale={scale:.4g}`",
    )


def simple_factor(factor: float) -> float:
    """The factor, or the simple fraction that it is within the errors of its estimate."""
    fractions = {Fraction(p, q) for q in (*range(1, 9), 10, 20) for p in range(1, 8 * q)}
    nearest = min(fractions, key=lambda fraction: abs(float(fraction) / factor - 1))
    return float(nearest) if abs(float(nearest) / factor - 1) < SIMPLE else factor


def _crop_text(shared: Shared, _: Sightings) -> tuple[str, str, str]:
    x, y = -shared.values[[SHIFT_X, SHIFT_Y]]
    return (
        "the photos are cropped and K is not (or its principal point is off in all views)",
        f"moved by ({-x:.1f}, {-y:.1f}) px",
        f"subtract the crop's corner, about ({x:.1f}, {y:.1f}), from K's principal point",
    )


def _scaled_crop_text(shared: Shared, _: Sightings) -> tuple[str, str, str]:
    scale, (x, y) = shared.scale, shared.values[[SHIFT_X, SHIFT_Y]]
    return (
        "K belongs to photos that were scaled and cropped",
        f"scaled by {scale:.3g} and moved by ({x:.1f}, {y:.1f}) px",
        "export K for the photos as they are",
    )


def _distortion_text(shared: Shared, sightings: Sightings) -> tuple[str, str, str]:
    k1 = float(shared.values[RADIAL])
    return (
        f"the photos are distorted (k1 = {k1:.3g}, {border_shift(k1, sightings):.0f} px at the "
        "border) and the cameras say nothing of it",
        "undistorted",
        "undistort photos, masks and keypoints (cv2.undistort)",
    )
