"""Opens a capture's views around the hands, with the pixels that can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from utils.cameras import Cameras
from utils.captures import Capture
from utils.errors import UserError
from utils.io.images import load_mask
from utils.photos.crops import ViewCrop, crop_boxes
from utils.photos.masks import MaskVerdict, load_verdicts

BLACK = 0.03  # of 1: photos that are nowhere brighter show nothing
PIXEL_BYTES = 15  # of a ViewCrop
MOST_KEPT = 2e8  # bytes: thirteen crops of a megapixel
MADE_MASK = 0.2  # weight of a mask made from the photo: its outline may be off by a pixel or two
MARGIN = 0.08  # of the hands' box: room for the mesh to move and for the background beside it


class TrustedViews(Sequence[ViewCrop]):
    """The views' crops, each read from its files when it is asked for.

    Crops of up to MOST_KEPT bytes in all are kept; of larger ones, one photo is in memory at a
    time, whatever their number, and read again each time. boxes (views, 4), verdicts and the rest
    as `trusted_views` says.
    """

    def __init__(
        self, capture: Capture, boxes: np.ndarray, verdicts: list[MaskVerdict], folder: Path
    ) -> None:
        self.boxes = boxes
        self._kept: dict[int, ViewCrop] = {}
        self._capture, self._verdicts, self._folder = capture, verdicts, folder

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, view: int) -> ViewCrop:
        """The crop of one view. Raises UserError where a file is missing or broken."""
        if view in self._kept:
            return self._kept[view]
        crop = self._read(view)
        pixels = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1).sum()
        if PIXEL_BYTES * pixels <= MOST_KEPT:
            self._kept[view] = crop
        return crop

    def _read(self, view: int) -> ViewCrop:
        capture, verdict = self._capture, self._verdicts[view]
        box = tuple(self.boxes[view].tolist())  # an IndexError ends loops over the views
        window = np.s_[box[1] : box[3], box[0] : box[2]]
        image = capture.image(view)[window].copy()
        nowhere = np.zeros(image.shape[:2], bool)
        mask = self._mask(view)
        if view in capture.left_out:
            mask = trust = compared = nowhere
        elif mask is None:
            mask, trust, compared = nowhere, nowhere, ~nowhere
        else:
            mask = mask[window].copy()
            trust = self._map("trust", view)[window].copy()
            compared = mask if verdict.believed else mask | ~trust
        if _is_blank(image):
            compared = nowhere
        return ViewCrop(box, image, mask, compared, trust, MADE_MASK if verdict.made else 1.0)

    def _mask(self, view: int) -> np.ndarray | None:
        """The view's mask (H, W) bool: its own, or the one that was made in its place."""
        if self._verdicts[view].made:
            return self._map("mask", view)
        return self._capture.mask(view)

    def _map(self, kind: str, view: int) -> np.ndarray:
        path = self._folder / f"{kind}_{self._capture.scan_id}" / f"{view:02d}.png"
        image = load_mask(path)
        if image.shape != tuple(self._capture.cameras.sizes[view].tolist()):
            raise UserError(f"{path} is of another size than the photo; run mano_optim.py again")
        return image


def trusted_views(
    capture: Capture, cameras: Cameras, verts: np.ndarray, folder: Path
) -> tuple[TrustedViews, list[MaskVerdict]]:
    """Crop every view to the projected hands and take over what is known of its mask.

    cameras are the full photos' in the frame of verts (V, 3). `folder` is the fit's (mano_out),
    which holds S_masks.json and trust_S/%02d.png, white where the mask can be compared with the
    hands, and where masks had to be made, mask_S/%02d.png. Pixels that a believed mask calls
    background are left out of the photometric comparison, at the wrist too, where a sleeve may be;
    where a mask is not believed, all pixels that cannot be compared with it may count. Nothing is
    compared in views that the capture leaves out, and no colours where a photo is black or white
    all over. Photos are read when a crop is asked for. Raises
    UserError where the fit's verdicts are missing or of another capture.
    """
    verdicts = _load_verdicts(folder / f"{capture.scan_id}_masks.json", len(capture))
    px = cameras.project_visible(torch.from_numpy(verts).to(cameras.K)).numpy()
    boxes = crop_boxes(px, cameras.sizes.numpy(), MARGIN)
    return TrustedViews(capture, boxes, verdicts, folder), verdicts


def _is_blank(image: np.ndarray) -> bool:
    """Whether a photo (H, W, 3) in [0, 1] shows nothing: a lens cap, or nothing but white."""
    return image.size > 0 and bool(image.max() <= BLACK or image.min() >= 1 - BLACK)


def _load_verdicts(path: Path, count: int) -> list[MaskVerdict]:
    if not path.is_file():
        raise UserError(f"{path} is missing; run mano_optim.py on this scan first")
    verdicts = load_verdicts(path)
    if len(verdicts) != count:
        raise UserError(
            f"{path} judges {len(verdicts)} masks, the capture has {count} views; "
            "run mano_optim.py again"
        )
    return verdicts
