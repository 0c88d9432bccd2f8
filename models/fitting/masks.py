"""Masks made from the photos where the given ones contradict the fitted hands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import combinations_with_replacement

import cv2
import numpy as np

from models.fitting.observations import Photo
from models.fitting.silhouettes import Drawn, HandOutlines
from utils.parallel import mapped, threads_for
from utils.photos.masks import MaskVerdict, judge_mask

MADE_SIZE = 640  # pixels of the longer side at which masks are made
SURE = 0.04  # of the square root of the hands' area: this far inside of the fit there is hand
REACH = 0.07  # likewise: farther outside of the fit there is none, except along a forearm
AROUND = 0.35  # likewise: so far outside of the fit background is looked at
SAMPLES = 3000  # of either kind
NEIGHBORS = 5  # of these that a pixel is compared with; found to within
ROUGHLY = 1.0  # of their distance: three times as fast, and the masks stay as they are
COLOR = 2.0  # of CIELAB's units: a difference in colour that counts as much as
PLACE = 0.3  # one in place of so many hands (square roots of their area)
FIT_ERROR = 0.02  # likewise: so far from the fit's outline its opinion is worth 1 in log odds
SURENESS = 4.0  # log odds that neither colours nor the fit go beyond
CLEAR = 0.8  # share of the samples that colours alone must tell apart
EDGE_RADIUS, EDGE = 3, 1e-2  # of the guided filter: pixels, and squared colours (of 1)


class MaskMaker:
    """Keeps which masks are the suite's own; `masks` (None: there is none) are replaced in place.

    detected: views whose masks an earlier stage made, about a fit of its own. Masks that were made
    here are made again whenever the hands have come closer: the better the fit, the fewer pixels
    are in question.
    """

    def __init__(
        self,
        masks: list[np.ndarray | None],
        photo: Photo | None,
        detected: Collection[int] = (),
    ):
        self.masks, self.photo = masks, photo
        self.own = set(detected)  # views
        self.coarse = {view for view, mask in enumerate(masks) if mask is None}  # to be made here
        self.given: dict[int, MaskVerdict] = {}  # on the masks that own ones replaced

    def lacking(self) -> bool:
        """Whether some mask is missing, or was made here and may be made again."""
        return bool(self.coarse)

    def has_made(self) -> bool:
        """Whether some mask was made here."""
        return bool(self.coarse & self.own)

    def make(self, outlines: HandOutlines, drawn: Sequence[Drawn], doubted: bool) -> None:
        """Make masks from the photos where none were given, again if need be.

        doubted: also those that an earlier stage made, and those that are not believed. Masks stay
        where the new one isn't believed.
        """
        wanted = [
            verdict
            for verdict in outlines.judge(drawn)
            if _shows(drawn[verdict.view]) and self._is_wanted(verdict, doubted)
        ]

        def attempt(verdict: MaskVerdict) -> np.ndarray | None:
            view, each = verdict.view, drawn[verdict.view]
            photo = self.photo(view)
            if photo is None:
                return None
            mask = segment_hands(outlines.shrunk(photo, view), each.hand, each.ignored)
            if mask is None:
                return None
            believed = judge_mask(view, mask, each.hand, each.ignored).believed
            return outlines.enlarged(mask, view) if believed else None

        threads = threads_for(outlines.pixels())
        for verdict, mask in zip(wanted, mapped(attempt, wanted, threads)):
            if mask is not None:
                self.masks[verdict.view] = mask
                if verdict.view not in self.own:
                    self.given[verdict.view] = verdict
                self.own.add(verdict.view)
                self.coarse.add(verdict.view)

    def _is_wanted(self, verdict: MaskVerdict, doubted: bool) -> bool:
        unsure = verdict.view in self.own or not verdict.believed
        return verdict.view in self.coarse or (doubted and unsure)

    def explained(self, verdicts: Sequence[MaskVerdict]) -> list[MaskVerdict]:
        """The final verdicts, which say which masks were made and what was wrong with the given."""
        return [self._explained(v) if v.view in self.own else v for v in verdicts]

    def _explained(self, verdict: MaskVerdict) -> MaskVerdict:
        reason, given = f"made ({verdict.reason})", self.given.get(verdict.view)
        if given is not None:
            reason += f"; given: {given.reason}"
        return replace(verdict, made=True, reason=reason)


def _shows(drawn: Drawn) -> bool:
    """Whether there are hands in the view of which the fit says something."""
    return bool((drawn.hand & ~drawn.ignored).any())


def segment_hands(image: np.ndarray, hand: np.ndarray, ignored: np.ndarray) -> np.ndarray | None:
    """Mask (H, W) bool of the hands in image (H, W, 3) in [0, 1]; forearms may be part of it.

    None where the photo's colours do not tell hands from what is around them.

    hand (H, W) bool: pixels that fitted hands cover, at least one; ignored (H, W) bool: the
    wrist's end and where a forearm may be, about which the fit says nothing.

    Pixels well inside of the fit are samples of skin, those around it of what is behind. Each pixel
    between them is what it is more like by colour and place, by its NEIGHBORS nearest samples of
    either kind, with a part of the fit's own opinion where colours say little. Unlike in GrabCut
    (Rother et al. 2004), nothing is learnt from the pixels in question: between fingers, these are
    background more often than not. Edges of the image then draw the outline (`guided`).
    """
    size = float(np.sqrt(hand.sum()))
    inwards, outwards = (
        cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, 5) / size
        for region in (hand, ~hand)
    )
    inner = (inwards > SURE) & ~ignored
    outside = (outwards > REACH) & ~ignored
    around = outside & (outwards < AROUND)
    if not inner.any() or not around.any():
        return hand.copy()  # nothing to learn one of the colours from
    features = _color_and_place(image, size)
    if _told_apart(features[inner, :3], features[around, :3]) < CLEAR:
        return None
    open_question = ~inner & ~outside
    by_color = _like_skin(features, inner, around, open_question)
    opinion = np.clip((inwards - outwards) / FIT_ERROR, -SURENESS, SURENESS)
    opinion[ignored] = 0
    odds = np.where(inner, SURENESS, -SURENESS).astype(np.float32)
    odds[open_question] = (by_color + opinion)[open_question]
    mask = guided(odds, np.ascontiguousarray(image, np.float32), EDGE_RADIUS, EDGE) > 0
    return (mask | inner) & ~outside


def _like_skin(
    features: np.ndarray, skin: np.ndarray, rest: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """Log odds (H, W) of the pixels `asked` (H, W) to be like those of `skin`, not of `rest`.

    Every second pixel, as on a chessboard, is compared; those between are means of theirs.
    """
    rows, columns = np.indices(asked.shape, sparse=True)
    compared = asked & ((rows + columns) % 2 == 0)
    to_skin, to_rest = (
        _distance(_some(features[known]), features[compared]) for known in (skin, rest)
    )
    odds = np.zeros(asked.shape, np.float32)
    odds[compared] = np.clip((to_rest**2 - to_skin**2) / 2, -SURENESS, SURENESS)
    total, share = (cv2.blur(field, (3, 3)) for field in (odds, compared.astype(np.float32)))
    return np.where(compared, odds, total / np.maximum(share, 1e-6))


def _color_and_place(image: np.ndarray, size: float) -> np.ndarray:
    """Features (H, W, 5): CIELAB over COLOR, row and column over PLACE hands."""
    lab = cv2.cvtColor(np.ascontiguousarray(image, np.float32), cv2.COLOR_RGB2LAB)
    place = np.stack(np.indices(image.shape[:2]), -1) / (PLACE * size)
    return np.concatenate([lab / COLOR, place], -1).astype(np.float32)


def _told_apart(skin: np.ndarray, rest: np.ndarray) -> float:
    """Share of samples (S, n), of which half are asked, that are nearer to their own kind."""
    right = [
        _distance(own[::2], own[1::2]) < _distance(other, own[1::2])
        for own, other in ((_some(skin), _some(rest)), (_some(rest), _some(skin)))
    ]
    return float(np.concatenate(right).mean()) if len(right[0]) and len(right[1]) else 0.0


def _some(samples: np.ndarray) -> np.ndarray:
    """About SAMPLES of the samples, evenly spread over the image."""
    return samples[:: max(len(samples) // SAMPLES, 1)]


def _distance(samples: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Mean distance of features asked (N, n) to the nearest of the samples (S, n)."""
    from scipy.spatial import cKDTree  # here, for fits that make no masks need not wait for it

    count = min(NEIGHBORS, len(samples))
    found, _ = cKDTree(samples, balanced_tree=False).query(asked, k=count, eps=ROUGHLY)
    return found.reshape(len(asked), count).mean(1)


def guided(values: np.ndarray, image: np.ndarray, radius: int, edge: float) -> np.ndarray:
    """Values (H, W) smoothed but for edges of the image (H, W, 3): the guided filter (He 2013).

    In every window of 2 radius + 1 pixels values are fitted by a linear function of the colours,
    whose squared slopes cost `edge`. Float32.
    """

    side = 2 * radius + 1

    def mean(field: np.ndarray) -> np.ndarray:
        return cv2.blur(np.ascontiguousarray(field), (side, side))

    colors, middle = mean(image), mean(values)
    with_values = mean(image * values[..., None]) - colors * middle[..., None]
    slope = _solve_symmetric(_covariance(image, colors, mean, edge), with_values)
    base = middle - (slope * colors).sum(-1)
    return (mean(slope) * image).sum(-1) + mean(base)


def _covariance(
    image: np.ndarray, colors: np.ndarray, mean: Callable[[np.ndarray], np.ndarray], edge: float
) -> list[np.ndarray]:
    """Entries rr, rg, rb, gg, gb, bb (H, W each) of the colours' covariance in each window.

    colors: the image's means (H, W, 3); edge is added to the diagonal.
    """
    channels, means = np.moveaxis(image, -1, 0), np.moveaxis(colors, -1, 0)
    return [
        mean(channels[i] * channels[j]) - means[i] * means[j] + (edge if i == j else 0)
        for i, j in combinations_with_replacement(range(3), 2)
    ]


def _solve_symmetric(matrix: Sequence[np.ndarray], rhs: np.ndarray) -> np.ndarray:
    """Solutions (H, W, 3) of A x = rhs (H, W, 3), by cofactors.

    matrix: entries 00, 01, 02, 11, 12, 22 (H, W each) of symmetric, positive definite A.
    """
    a, b, c, d, e, f = matrix
    inverse = [d * f - e * e, c * e - b * f, b * e - c * d]  # its first row times the determinant
    inverse += [a * f - c * c, b * c - a * e, a * d - b * b]
    u, v, w, x, y, z = inverse
    determinant = a * u + b * v + c * w
    p, q, r = np.moveaxis(rhs, -1, 0)
    solution = [u * p + v * q + w * r, v * p + x * q + y * r, w * p + y * q + z * r]
    return np.stack(solution, -1) / determinant[..., None]
