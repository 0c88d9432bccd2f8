"""Do the keypoints ask for camera corrections? Cross-validation over parts of the hands."""

from __future__ import annotations

import torch
from torch import Tensor

from utils.cameras.correction import CorrectableCameras

ROUNDS = 5  # of reweighting
WHOLE_HANDS = 2  # of two hands each is left out in turn; of one hand, its fingers


def support(
    cameras: CorrectableCameras,
    points: tuple[Tensor, Tensor],
    pixels: Tensor,
    confidence: Tensor,
    sigma: float,
    prior: Tensor,
) -> float:
    """Share of the keypoints' median distance that corrections take from keypoints left out.

    In each view, one hand (or one finger, where a view shows one hand) is left out in turn, the
    others give a correction, and that is applied to the one left out. Noise makes this negative,
    detectors' errors differ between parts, and only a camera's error is common to all.

    points: (hands, 21, 3) fitted in the cameras as given, and fitted together with corrections;
    pixels (N, hands, 21, 2) and confidence (N, hands, 21); sigma: a keypoint's error in
    world units at the hands; prior (6,): standard deviations of the corrections. nan where nothing
    can be left out.
    """
    before, after = [], []
    for view in range(len(pixels)):
        part = _parts(pixels[view].isfinite().all(-1) & (confidence[view] > 0))
        for left_out in part[part >= 0].unique():
            test, train = part == left_out, (part >= 0) & (part != left_out)
            if not train.any():
                continue
            correction = _fit(view, cameras, points[1][train], pixels[view][train], sigma, prior)
            at, seen = torch.full((int(test.sum()),), view), pixels[view][test]
            for total, used, where in zip((before, after), (0 * correction, correction), points):
                total.append((cameras.project(at, where[test], used)[0] - seen).norm(dim=1))
    if not before:
        return float("nan")
    return 1 - float(torch.cat(after).median() / torch.cat(before).median())


def _parts(seen: Tensor) -> Tensor:
    """The part (hands, 21) int that each keypoint belongs to, -1 where not seen (hands, 21)."""
    part = torch.full(seen.shape, -1)
    if len(seen) == WHOLE_HANDS and seen.any(1).all():
        part[0][seen[0]], part[1][seen[1]] = 0, 1
        return part
    finger = (torch.arange(seen.shape[1]) - 1).clamp(min=0) // 4  # the wrist goes with the thumb
    return torch.where(seen, finger, part)


def _fit(
    view: int,
    cameras: CorrectableCameras,
    points: Tensor,
    pixels: Tensor,
    sigma: float,
    prior: Tensor,
) -> Tensor:
    """Correction (N, 6), zero but for `view`, that brings points (n, 3) to pixels (n, 2)."""
    correction = points.new_zeros(len(cameras.cameras), len(prior))
    at = torch.full((len(points),), view)
    per_px = 1 / (float(cameras.px_per_unit()[view]) * sigma)
    for _ in range(ROUNDS):
        projected, _, J = cameras.project(at, points, correction)
        r, J = (projected - pixels) * per_px, J * per_px
        weight = 1 / (1 + r.square().sum(1) / 4)
        H = torch.einsum("nci,ncj,n->ij", J, J, weight) + torch.diag(1 / prior**2)
        g = torch.einsum("nci,nc,n->i", J, r, weight) + correction[view] / prior**2
        correction[view] -= torch.linalg.solve(H, g)
    return correction
