"""The usual suspects, each undone and tried on a capture whose views disagree."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from utils.captures.diagnosis.conventions import SUSPECTS
from utils.captures.diagnosis.explanation import Explanation
from utils.captures.diagnosis.intrinsics import (
    RADIAL,
    SCALE,
    SHIFT_X,
    SHIFT_Y,
    Shared,
    along,
    best_scale,
    best_shift,
    border_shift,
    estimate,
    refined,
)
from utils.captures.diagnosis.orders_of_cameras import cameras_permuted
from utils.captures.diagnosis.sightings import Fit, Sightings, fit_of

PER_UNKNOWN = 10.0  # log likelihood that another unknown must bring to be believed
SIMPLE = 0.004  # relative: a factor so close to a simple fraction is that fraction
MOST_VIEWS = 16  # of larger captures, so many views, evenly spaced, are tried
UNSOLVED = 0.06  # of a hand's size: where no suspect leaves less, crops are searched for widely
MOST_BENT = 0.25
FREE_NUMBERS = 1.3
FEWEST_VIEWS = 4  # a permutation of fewer views than this explains too much


def explanations(
    sightings: Sightings, options: Mapping[str, Any], seed: int = 0
) -> list[Explanation]:
    """Every suspect undone, the one that makes the views agree best first.

    options: the config's `pose_optim`. Of the shared intrinsics only the likeliest is listed.
    """
    some = sightings
    if len(sightings) > MOST_VIEWS:
        some = sightings.chosen(np.linspace(0, len(sightings) - 1, MOST_VIEWS).astype(int))
    found = [
        Explanation(
            "convention",
            suspect.cause,
            "with that undone",
            suspect.remedy,
            fit_of(suspect.undone(some), options, seed),
        )
        for suspect in SUSPECTS
    ]
    found.append(shared_intrinsics(some, options, seed))
    if sightings.detected.any((1, 2)).sum() >= FEWEST_VIEWS:
        found.append(cameras_permuted(sightings, options, seed))
    if min(each.fit.relative for each in found) > UNSOLVED:
        found.append(_far_crop(some, options, seed))
    return sorted(found, key=_implausibility)


def _implausibility(explanation: Explanation) -> float:
    """The residual that it leaves; three free numbers must be clearly better than a convention."""
    return explanation.fit.relative * (FREE_NUMBERS if explanation.kind == "scale and crop" else 1)


def shared_intrinsics(
    sightings: Sightings, options: Mapping[str, Any], seed: int = 0
) -> Explanation:
    """The likeliest of: K of larger or smaller photos, photos cropped, both, distortion.

    Each is fitted; an unknown more has to pay for itself.
    """
    log_scale = best_scale(sightings, options, seed)
    centre = ((sightings.sizes[:, ::-1] - 1) / 2 - sightings.K[:, :2, 2]).mean(0)
    starts = (
        ("scale", along(SCALE), (log_scale, 0, 0, 0)),
        ("crop", along(SHIFT_X, SHIFT_Y), (0, 0, 0, 0)),
        ("crop", along(SHIFT_X, SHIFT_Y), (0, *centre, 0)),
        ("scale and crop", along(SCALE, SHIFT_X, SHIFT_Y), (log_scale, 0, 0, 0)),
        ("distortion", along(RADIAL), (0, 0, 0, 0)),
    )
    tried = [
        (kind, free, *refined(sightings, options, free, start, seed))
        for kind, free, start in starts
    ]
    tried = [each for each in tried if abs(each[2].values[RADIAL]) < _most_radial(sightings)]
    best = min((fit for *_, fit in tried), key=lambda fit: fit.relative)
    if best.hands is None:
        kind, _, shared, fit = tried[0]
        return _intrinsics_explanation(kind, shared, fit, sightings)
    unlikely = [
        estimate(sightings, best, free, shared.values).loss + PER_UNKNOWN * len(free)
        for _, free, shared, _ in tried
    ]
    kind, _, shared, fit = tried[int(np.argmin(unlikely))]
    return _intrinsics_explanation(kind, shared, fit, sightings)


def _far_crop(sightings: Sightings, options: Mapping[str, Any], seed: int) -> Explanation:
    """Photos cropped by more than what the views' disagreement leads to by itself."""
    start = best_shift(sightings, options, seed)
    shared, fit = refined(sightings, options, along(SHIFT_X, SHIFT_Y), start, seed)
    return _intrinsics_explanation("crop", shared, fit, sightings)


def _most_radial(sightings: Sightings) -> float:
    """A k1 that moves the border by a quarter of its distance: no lens bends photos more."""
    focal = sightings.K[:, 0, 0]
    return float(np.median(MOST_BENT * (2 * focal / sightings.sizes.max(1)) ** 2))


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
