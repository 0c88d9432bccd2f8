"""Reads the masks of a capture alike: values, alpha, size, inversion, and whose they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from utils.captures.notes import Notes, views_text
from utils.errors import UserError
from utils.io.images import image_header, load_mask_and_form
from utils.io.mask_values import MaskForm
from utils.io.stamps import file_stamps

FEWEST_KEYPOINTS = 10  # in the photo, of a view that says anything of its mask
INVERTED_INSIDE = 0.25  # at most this share of the keypoints is in an inverted mask
INVERTED_BORDER = 0.5  # at least this share of the photo's border is
UPRIGHT_INSIDE = 0.75
MOST_DECIDE = 0.5  # of the masks
SHIFTED_OWN = 0.9  # masks that hold more of their own view's keypoints are at home
SHIFTED_OTHER = 0.95  # of another view's keypoints, at least, in masks that belong to that one
SHIFTED_MASKS = 0.8  # of the masks fit the other view better


@dataclass
class _Mask:
    """What one file's mask shows."""

    view: int
    form: MaskForm
    scaled_from: (
        tuple[int, int] | None
    )  # (height, width) in the file, where that is not the photo's
    border: float  # share of the border's pixels that are True
    inside: np.ndarray  # (N) share of each view's keypoints that are in the mask, nan: too few

    @property
    def is_inverted(self) -> bool:
        """White around and black at its view's keypoints."""
        own = self.inside[self.view]
        return bool(own <= INVERTED_INSIDE and self.border >= INVERTED_BORDER)


@dataclass
class ViewMasks:
    """Masks of all views of a capture, judged together when one is asked for.

    sizes: (height, width) of the photos; turned: whether photos are turned as EXIF says, so that
    their masks are, too; keypoints: gives pixels (N, 2, 21, 2), nan where not seen; what is said
    of the masks goes to `notes`.
    """

    paths: Sequence[Path]
    names: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    turned: Sequence[bool]
    keypoints: Callable[[], np.ndarray]
    notes: Notes
    _stamp: object = field(default=None, init=False)
    _inverted: bool = field(default=False, init=False)
    _left_out: bool = field(default=False, init=False)

    def read(self, view: int, path: Path) -> np.ndarray | None:
        """Mask (H, W) bool of a view's file, or None where masks are not those of their views.

        Raises UserError on unreadable files and those of another shape than the photo.
        """
        self._decide()
        mask, _, _ = self._load(view, path)
        if self._left_out:
            return None
        return ~mask if self._inverted else mask

    def _load(self, view: int, path: Path) -> tuple[np.ndarray, MaskForm, tuple[int, int] | None]:
        """The mask at the photo's size, its form, and the file's size where that is another."""
        orientation = image_header(path).orientation if self.turned[view] else 1
        mask, form = load_mask_and_form(path, orientation)
        size, (height, width) = mask.shape, self.sizes[view]
        if size == (height, width) or not _is_scaled(size, (height, width)):
            return mask, form, None
        scaled = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        return scaled > 0, form, size

    def _decide(self) -> None:
        stamp = file_stamps(self.paths)
        if stamp == self._stamp:
            return
        self._stamp, self._inverted, self._left_out = stamp, False, False
        masks = self._judged()
        if not masks:
            return
        self._say_forms(masks)
        self._decide_inversion(masks)
        self._decide_owners(masks)

    def _judged(self) -> list[_Mask]:
        points = self.keypoints()
        masks = []
        for view, path in enumerate(self.paths):
            if not path.is_file():
                continue
            try:
                mask, form, scaled_from = self._load(view, path)
            except UserError:
                continue  # told when this view is asked for
            edges = mask[0], mask[-1], mask[:, 0], mask[:, -1]
            inside = shares_inside(mask, points)
            border = float(np.concatenate(edges).mean())
            masks.append(_Mask(view, form, scaled_from, border, inside))
        return masks

    def _say_forms(self, masks: Sequence[_Mask]) -> None:
        for form in (MaskForm.LABELS, MaskForm.ALPHA, MaskForm.DARK):
            views = [m.view for m in masks if m.form is form]
            if views:
                self.notes.add(f"masks of {self._text(views)} are {form.value}")
        scaled = [m for m in masks if m.scaled_from]
        if scaled:
            height, width = scaled[0].scaled_from
            self.notes.add(
                f"masks of {self._text([m.view for m in scaled])} are of another size than the "
                f"photos ({width}x{height} in view {self.names[scaled[0].view]}): resized"
            )

    def _decide_inversion(self, masks: Sequence[_Mask]) -> None:
        inverted = [m.view for m in masks if m.is_inverted]
        if not inverted:
            return
        upright = [m.view for m in masks if m.inside[m.view] >= UPRIGHT_INSIDE]
        self._inverted = not upright and len(inverted) >= MOST_DECIDE * len(masks)
        if self._inverted:
            self.notes.add("masks are inverted (hands black, the rest white): read the other way")
        else:
            self.notes.add(
                f"masks of {self._text(inverted)} seem to be inverted (white around, black at the "
                "keypoints), others not: read as they are; look at them"
            )

    def _decide_owners(self, masks: Sequence[_Mask]) -> None:
        """Whether masks belong to the views that are a fixed number of places away."""
        inside = np.stack([m.inside for m in masks])
        if self._inverted:
            inside = 1 - inside
        own_views, count = np.array([m.view for m in masks]), len(self.paths)
        rows = np.arange(len(masks))
        by_shift = np.stack([inside[rows, (own_views + s) % count] for s in range(count)])
        known = np.isfinite(by_shift).all(0) if count else np.zeros(0, bool)
        if known.sum() < 3 or np.median(by_shift[0, known]) >= SHIFTED_OWN:
            return
        shift = int(np.median(by_shift[:, known], axis=1).argmax())
        other, own = by_shift[shift, known], by_shift[0, known]
        if np.median(other) < SHIFTED_OTHER or (other > own).mean() < SHIFTED_MASKS:
            return
        self._left_out = True
        first = masks[0].view
        self.notes.add(
            f"masks are those of other views: nearly all fit the keypoints "
            f"{_places(shift, count)} better ({self.paths[first].name} is the mask of view "
            f"{self.names[(first + shift) % count]}): not used; name them as the photos are"
        )

    def _text(self, views: Sequence[int]) -> str:
        return views_text([self.names[view] for view in views], len(self.names))


def shares_inside(mask: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Share (N) of each view's points xy (N, ..., 2) that are in a mask; nan for too few of them.

    Points outside the image don't count.
    """
    height, width = mask.shape
    points = np.round(xy.reshape(len(xy), -1, 2))
    counts = ((points >= 0) & (points < [width, height])).all(-1)  # not so where nan
    x, y = np.where(counts[..., None], points, 0).astype(int).transpose(2, 0, 1)
    total = counts.sum(1)
    shares = (mask[y, x] & counts).sum(1) / np.maximum(total, 1)
    return np.where(total >= FEWEST_KEYPOINTS, shares, np.nan)


def _is_scaled(size: tuple[int, int], photo: tuple[int, int]) -> bool:
    """Whether a mask's (height, width) are a photo's by one factor, to a pixel of the smaller."""
    factor = photo[1] / size[1]
    return abs(photo[0] - factor * size[0]) <= max(factor, 1.0)


def _places(shift: int, count: int) -> str:
    back = count - shift
    many, where = (shift, "after") if shift <= back else (back, "before")
    return f"of the view {where}" if many == 1 else f"{many} views {where}"
