"""Opens a capture's views around the hands, with the pixels that can be believed."""

from __future__ import annotations

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
MARGIN = 0.08  # of the hands' box: room for the mesh to move and for the background beside it


def trusted_views(
    capture: Capture, cameras: Cameras, verts: np.ndarray, folder: Path
) -> tuple[list[ViewCrop], list[MaskVerdict]]:
    """Crop every view to the projected hands and take over what is known of its mask.

    cameras are the full photos' in the frame of verts (V, 3). `folder` is the fit's (mano_out),
    which holds S_masks.json and trust_S/%02d.png, white where the mask can be compared with the
    hands, and where masks had to be made, mask_S/%02d.png. Pixels that a believed mask calls
    background are left out of the photometric comparison, at the wrist too, where a sleeve may be;
    where a mask is not believed, all pixels that cannot be compared with it may count. Nothing is
    compared in views that the capture leaves out, and no colours where a photo is black or white
    all over. Raises
    UserError where the fit's verdicts are missing or of another capture.
    """
    scan_id = capture.scan_id
    verdicts = _load_verdicts(folder / f"{scan_id}_masks.json", len(capture))
    px = cameras.project_visible(torch.from_numpy(verts).to(cameras.K)).numpy()
    crops = []
    for view, box in enumerate(crop_boxes(px, cameras.sizes.numpy(), MARGIN).tolist()):
        window = np.s_[box[1] : box[3], box[0] : box[2]]
        image = np.ascontiguousarray(capture.image(view)[window])
        mask = capture.mask(view)
        if verdicts[view].made:
            mask = _load_map(folder / f"mask_{scan_id}" / f"{view:02d}.png", capture, view)
        if view in capture.left_out:
            mask = trust = compared = np.zeros(image.shape[:2], bool)
        elif mask is None:
            mask = trust = np.zeros(image.shape[:2], bool)
            compared = ~mask
        else:
            mask = mask[window]
            trust = _load_map(folder / f"trust_{scan_id}" / f"{view:02d}.png", capture, view)
            trust = trust[window]
            compared = mask if verdicts[view].believed else mask | ~trust
        if _is_blank(image):
            compared = np.zeros(image.shape[:2], bool)
        crops.append(ViewCrop(tuple(box), image, mask, compared, trust))
    return crops, verdicts


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


def _load_map(path: Path, capture: Capture, view: int) -> np.ndarray:
    image = load_mask(path)
    if image.shape != tuple(capture.cameras.sizes[view].tolist()):
        raise UserError(f"{path} is of another size than the photo; run mano_optim.py again")
    return image
