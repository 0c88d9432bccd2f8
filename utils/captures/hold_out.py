"""A capture without some of its views, which are then there to judge what the others gave."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.captures.camera_files import save_cameras
from utils.captures.capture import Capture, View
from utils.captures.open import load_capture
from utils.errors import UserError
from utils.io.files import link_or_copy, load_record, save_json
from utils.io.fingerprint import fingerprint, hashes
from utils.io.images import load_mask, save_image
from utils.photos.masks import load_verdicts

LEAST_LEFT = 2  # views: fewer say nothing of depth


def hold_out(
    data_path: Path, scan_id: str, held: Sequence[int], destination: Path, fitted: Path
) -> Path:
    """Write the capture D/S without the views `held` as destination/S; returns `destination`.

    The views left out go to S/held (param.npz, img, mask), as `make_demo.py` lays them out; photos
    and masks are links to the capture's own, or copies where its reader mends them. Of the held-out
    masks, those are left out that mano_optim.py did not believe when it saw all views, and those
    that it made replace the given ones, if its results are in the folder `fitted` (O/mano_out).
    Raises UserError on views that the capture does not have, and where fewer than two would be
    left.
    """
    capture = load_capture(data_path, scan_id)
    unknown = sorted(set(held) - set(range(len(capture))))
    if unknown:
        raise UserError(
            f"--hold_out {unknown[0]}: {capture.name} has views 0 to {len(capture) - 1}"
        )
    kept = [view for view in range(len(capture)) if view not in set(held)]
    if len(kept) < LEAST_LEFT:
        raise UserError(
            f"--hold_out would leave {len(kept)} of the {len(capture)} views of "
            f"{capture.name}; at least {LEAST_LEFT} are needed"
        )
    scan = destination / scan_id
    made_of = scan / "made_of.json"  # the last file
    sources = [*capture.files("camera", "image", "mask", "pose"), fitted / f"{scan_id}_masks.json"]
    contents = hashes({str(path): fingerprint(path) for path in sources})
    if load_record(made_of) == contents:
        return destination
    shutil.rmtree(scan, ignore_errors=True)
    masks = _judged_masks(capture, scan_id, fitted)
    _write_views(scan, capture, kept, [capture.views[view].mask_path for view in kept])
    _write_views(scan / "held", capture, sorted(held), [masks[view] for view in sorted(held)])
    save_cameras(scan / "camera" / "param.npz", capture.cameras[kept], capture.world_from_norm)
    _link(Path(data_path) / scan_id / "gt", scan / "gt")
    save_cameras(scan / "held" / "param.npz", capture.cameras[sorted(held)], None)
    save_json(made_of, contents)
    return destination


def _judged_masks(capture: Capture, scan_id: str, fitted: Path) -> list[Path | None]:
    """Each view's mask as far as it is believed."""
    given = capture.files("mask")
    verdicts = fitted / f"{scan_id}_masks.json"
    judged = load_verdicts(verdicts) if verdicts.is_file() else []
    if len(judged) != len(capture):
        return list(given)
    made = [fitted / f"mask_{scan_id}" / f"{view:02d}.png" for view in range(len(given))]
    return [
        (made[view] if made[view].is_file() else given[view]) if verdict.believed else None
        for view, verdict in enumerate(judged)
    ]


def _write_views(
    folder: Path, capture: Capture, views: Sequence[int], masks: Sequence[Path | None]
) -> None:
    for number, (view, mask) in enumerate(zip(views, masks)):
        own = capture.views[view]
        photo_path, mask_path = (folder / part / f"{number:02d}.png" for part in ("img", "mask"))
        if own.is_plain:
            _link(own.image_path, photo_path)
        else:
            save_image(photo_path, own.image())
        _link(own.pose_path, folder / "pose" / f"{number:02d}.json")
        if mask == own.mask_path and mask.is_file():
            _copy_mask(own, mask_path)
        elif mask is not None:
            _link(mask, mask_path)


def _copy_mask(view: View, target: Path) -> None:
    """The view's own mask as the capture's reader sees it: none where it is not believed."""
    mask = view.mask()
    if mask is not None and np.array_equal(mask, load_mask(view.mask_path)):
        _link(view.mask_path, target)
    elif mask is not None:
        save_image(target, mask)


def _link(source: Path, target: Path) -> None:
    if source.exists():
        link_or_copy(source, target)
