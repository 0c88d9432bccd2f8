"""What looks wrong in a capture: masks, keypoints, cameras and exposures held against each other.

Needs no hand model: triangulated keypoints say where the hands are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from utils.captures.capture import Capture
from utils.captures.keypoint_overlay import reproject
from utils.errors import UserError
from utils.keypoints import SIDES
from utils.keypoints.order import BONES, right_handedness
from utils.keypoints.triangulation import HandKeypoints, triangulate_hands

LEAST_COVERED = 0.9  # share of a hand's bones that its mask must cover
NEARLY_EMPTY = 0.3  # of the bones of both hands: a mask that covers less holds almost no hand
MOST_STRAY = 0.5  # of the hands' box: more mask than this away from the hands is no hand
FAR_OFF = 3.0  # in noise: a view whose median residual is larger is off as a whole
MOST_GAIN = 1.8  # factor between a view's brightness on the hands and that of most views
MOST_CLIPPED = 0.1  # share of the hands' pixels that are saturated
CLEAR_BEND = 0.15  # fingers that bend less than this do not tell left from right
SAMPLES_PER_BONE = 8


@dataclass
class ViewFacts:
    """One view's numbers and what looks wrong in it."""

    view: int
    size: tuple[int, int]  # height, width in pixels
    focal: float  # pixels
    distance: float  # from the camera to the hands, world units
    detected: tuple[bool, bool]  # by the detector's name, left and right
    residual: tuple[float, float]  # median pixels of the left and the right hand, nan: not seen
    mask_share: float = np.nan  # of the image; nan: no mask
    covered: tuple[float, float] = (np.nan, np.nan)  # share of each hand's bones in the mask
    color: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))  # linear RGB on hands
    clipped: float = np.nan  # share of saturated pixels on the hands
    warnings: list[str] = field(default_factory=list)


def triangulated(
    capture: Capture, options: Mapping[str, Any], seed: int
) -> tuple[HandKeypoints | None, list[str]]:
    """The capture's hands and warnings about them; None where there are none to be had."""
    try:
        hands = triangulate_hands(capture.camera_arrays, *capture.keypoints, options, seed)
    except UserError as error:
        return None, [str(error)]
    return hands, _hand_warnings(hands)


def _hand_warnings(hands: HandKeypoints) -> list[str]:
    warnings = []
    for k, side in enumerate(SIDES):
        seen = np.isfinite(hands.points[k, :, 0])
        if 0 < seen.sum() < len(seen):
            lost = ", ".join(map(str, np.nonzero(~seen)[0]))
            warnings.append(f"{side} hand: keypoints {lost} are not seen by two agreeing views")
        bend = right_handedness(hands.points[k]) * (1 if side == "right" else -1)
        if bend < -CLEAR_BEND:
            warnings.append(
                f"{side} hand: its fingers bend backwards; are left and right named the wrong "
                "way round in most views, or the images mirrored?"
            )
    return warnings


def check_view(capture: Capture, view: int, hands: HandKeypoints | None) -> ViewFacts:
    """Facts and warnings of one view. Raises UserError where an image or a mask is unreadable."""
    facts = _camera_facts(capture, view, hands)
    image, mask = capture.image(view), capture.mask(view)
    if mask is None:
        facts.warnings.append(f"no mask ({capture.views[view].mask_path})")
    else:
        facts.mask_share = float(mask.mean())
    if hands is not None:
        xy = reproject(capture, hands)[view]
        _check_keypoints(facts, hands)
        _check_colors(facts, image, xy)
        if mask is not None:
            _check_mask(facts, mask, xy)
    return facts


def _camera_facts(capture: Capture, view: int, hands: HandKeypoints | None) -> ViewFacts:
    cameras = capture.cameras
    height, width = cameras.sizes[view].tolist()
    K, R, t = (x[view].numpy() for x in (cameras.K, cameras.R, cameras.t))
    facts = ViewFacts(view, (height, width), float(np.sqrt(K[0, 0] * K[1, 1])), np.nan,
                      (False, False), (np.nan, np.nan))  # fmt: skip
    if not (0 <= K[0, 2] < width and 0 <= K[1, 2] < height):
        facts.warnings.append(
            f"the camera's principal point ({K[0, 2]:.0f}, {K[1, 2]:.0f}) is outside the image; "
            "was the photo cropped or scaled after calibration?"
        )
    if hands is None:
        return facts
    depth = (hands.points.reshape(-1, 3) @ R.T + t)[:, 2]
    facts.distance = float(np.nanmedian(depth))
    xy = reproject(capture, hands)[view].reshape(-1, 2)
    inside = ((xy > -0.5) & (xy < [width - 0.5, height - 0.5])).all(1)
    share = inside.sum() / np.isfinite(xy[:, 0]).sum()
    if np.nanmin(depth) <= 0:
        facts.warnings.append("the hands are behind the camera")
    elif share < 0.5:
        facts.warnings.append(f"only {100 * share:.0f} % of the hands are inside the image")
    return facts


def _check_keypoints(facts: ViewFacts, hands: HandKeypoints) -> None:
    detected = hands.detected[facts.view]
    facts.detected = (bool(detected[0]), bool(detected[1]))
    residuals = hands.residuals[facts.view]
    seen = np.isfinite(residuals)
    facts.residual = tuple(np.median(r[s]) if s.any() else np.nan for r, s in zip(residuals, seen))
    if hands.swapped[facts.view]:
        facts.warnings.append("a hand bears the other one's name in the keypoints")
    unused = [SIDES[k] for k in (0, 1) if detected[k] and k not in hands.assigned[facts.view]]
    for side in unused:
        facts.warnings.append(f"the detected {side} hand fits neither hand of the other views")
    for k, side in enumerate(SIDES):
        if facts.residual[k] > FAR_OFF * hands.noise:
            facts.warnings.append(
                f"{side} hand's keypoints are {facts.residual[k]:.0f} px off (median); "
                "a wrong detection, or the camera is off"
            )


def _check_mask(facts: ViewFacts, mask: np.ndarray, xy: np.ndarray) -> None:
    samples = _bone_samples(xy, mask.shape)
    inside = [mask[s[:, 1], s[:, 0]] for s in samples]
    facts.covered = tuple(float(i.mean()) if len(i) else np.nan for i in inside)
    both = np.concatenate(inside)
    if not len(both):
        return
    if both.mean() < NEARLY_EMPTY:
        facts.warnings.append(f"the mask holds only {100 * both.mean():.0f} % of the hands")
    else:
        for side, share in zip(SIDES, facts.covered):
            if share < LEAST_COVERED:
                facts.warnings.append(
                    f"the mask holds {100 * share:.0f} % of the {side} hand: fingers lost, "
                    "a hole, or the camera is off"
                )
    stray = _stray_share(mask, samples)
    if stray > MOST_STRAY:
        facts.warnings.append(
            f"the mask reaches far from the hands ({stray:.1f} times their box): forearm or "
            "something else"
        )


def _bone_samples(xy: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Pixels (n, 2) x, y inside the image along each hand's bones, for hands xy (2, 21, 2)."""
    along = np.linspace(0, 1, SAMPLES_PER_BONE)[:, None, None]
    found = []
    for hand in xy:
        points = (hand[BONES[:, 0]] * (1 - along) + hand[BONES[:, 1]] * along).reshape(-1, 2)
        points = np.round(points[np.isfinite(points).all(1)])
        inside = ((points >= 0) & (points < [size[1], size[0]])).all(1)
        found.append(points[inside].astype(int))
    return found


def _stray_share(mask: np.ndarray, samples: list[np.ndarray]) -> float:
    """Mask area outside the hands' boxes, each grown by a third, as a share of those boxes."""
    near = np.zeros(mask.shape, bool)
    area = 0.0
    for points in samples:
        if len(points):
            low, high = points.min(0), points.max(0)
            grow = (high - low).max() // 3 + 1
            x0, y0 = np.maximum(low - grow, 0)
            x1, y1 = high + grow + 1
            near[y0:y1, x0:x1] = True
            area += float(np.prod(high - low + 1))
    return float((mask & ~near).sum() / max(area, 1.0))


def _check_colors(facts: ViewFacts, image: np.ndarray, xy: np.ndarray) -> None:
    """Median linear RGB and saturation about the hands' bones."""
    around = np.zeros(image.shape[:2], np.uint8)
    samples = np.concatenate(_bone_samples(xy, image.shape[:2]))
    around[samples[:, 1], samples[:, 0]] = 1
    around = cv2.dilate(around, np.ones((3, 3), np.uint8)) > 0
    if not around.any():
        return
    pixels = image[around]
    facts.color = np.median(pixels.astype(float) ** 2.2, 0)
    facts.clipped = float((pixels.max(1) > 0.995).mean())
    if facts.clipped > MOST_CLIPPED:
        facts.warnings.append(f"{100 * facts.clipped:.0f} % of the hands' pixels are saturated")


def check_exposures(views: list[ViewFacts]) -> None:
    """Add warnings to views whose brightness or tint on the hands differs from most."""
    colors = np.array([facts.color for facts in views])
    if np.isfinite(colors[:, 0]).sum() < 3:
        return
    gains = colors / np.nanmedian(colors, 0)
    for facts, gain in zip(views, gains):
        brightness = float(np.exp(np.log(np.maximum(gain, 1e-3)).mean()))
        if not np.isfinite(brightness):
            continue
        if not 1 / MOST_GAIN < brightness < MOST_GAIN:
            facts.warnings.append(f"hands {brightness:.1f} times as bright as in most views")
        tint = float(gain.max() / max(gain.min(), 1e-3))
        if tint > MOST_GAIN:
            facts.warnings.append(f"white balance differs from most views (by {tint:.1f})")


def table(views: list[ViewFacts]) -> list[str]:
    """The views' facts as lines of text."""
    lines = [
        "view       size   focal  distance  detected  residual px left/right  mask %"
        "  bones in mask % left/right"
    ]
    for f in views:
        names = "".join(n if d else "-" for n, d in zip("LR", f.detected))
        lines.append(
            f"{f.view:4d}  {f.size[1]:4d}x{f.size[0]:<4d} {f.focal:7.0f}  {f.distance:8.3g}"
            f"  {names:>8}  {_pair(f.residual, 1.0, 1):>23}  {100 * f.mask_share:6.1f}"
            f"  {_pair(f.covered, 100.0, 0):>26}"
        )
    return lines


def _pair(values: tuple[float, float], scale: float, digits: int) -> str:
    return " / ".join(f"{scale * v:.{digits}f}" if np.isfinite(v) else "-" for v in values)
