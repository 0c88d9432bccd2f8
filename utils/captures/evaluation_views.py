"""Views to evaluate in: any cameras, with the photos and masks that there are for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from utils.cameras import Cameras
from utils.captures.camera_files import load_cameras
from utils.captures.capture import Capture
from utils.errors import UserError
from utils.io.decoding import decoding
from utils.io.images import image_size, load_image, load_mask
from utils.photos.masks import load_verdicts

OFF_CENTRE = 1.4  # principal points farther from the middle than by this factor ask for a reason
AGREES = 0.15  # of the factor, between width and height: then the images were scaled


@dataclass(frozen=True)
class EvaluationViews:
    """Cameras (world units) with a photo and a mask each, or None where there is none.

    names: what their users call them; fitted: they are the views that the reconstruction was
    fitted in, in their order; origin says in words where the cameras came from, and size_origin
    where their images' size did; believed: which masks the fit believed, where that is known; own:
    the capture whose photos and masks are read as it reads them.
    """

    cameras: Cameras
    names: list[str]
    image_paths: list[Path | None]
    mask_paths: list[Path | None]
    fitted: bool
    origin: str
    size_origin: str = "the photos"
    believed: list[bool] | None = None
    own: Capture | None = None

    def __len__(self) -> int:
        return len(self.cameras)

    def image(self, view: int) -> np.ndarray | None:
        """RGB (H, W, 3) float32 in [0, 1]."""
        path = self.image_paths[view]
        if self.own is not None and path == self.own.image_paths[view]:
            return self.own.image(view)
        return None if path is None else load_image(path)

    def mask(self, view: int) -> np.ndarray | None:
        """Mask (H, W) bool."""
        path = self.mask_paths[view]
        if self.own is not None and path == self.own.views[view].mask_path:
            return self.own.mask(view)
        return None if path is None else load_mask(path)

    def masks(self) -> list[np.ndarray | None]:
        """The masks of all views."""
        return [self.mask(view) for view in range(len(self))]

    def files(self) -> list[Path]:
        """All photos and masks."""
        return [path for path in (*self.image_paths, *self.mask_paths) if path is not None]


def own_views(
    capture: Capture,
    cameras: Cameras,
    images: Path | None = None,
    masks: Path | None = None,
    verdicts: Path | None = None,
) -> EvaluationViews:
    """The views of a capture in the cameras (world units) that a stage ended with.

    images and masks are folders that replace the capture's own; verdicts the file in which the
    fit says which of the capture's own masks it believed. Raises UserError where their
    sizes or numbering don't fit the capture, or where `cameras` are of another number of views.
    """
    if len(cameras) != len(capture):
        raise UserError(
            f"{capture.name} holds {len(capture)} photos, the reconstruction {len(cameras)} "
            "views; run mesh_sfs_optim.py on this scan again"
        )
    count = len(capture)
    image_paths = list(capture.image_paths) if images is None else _numbered(images, count)
    mask_paths = [path if path.is_file() else None for path in capture.files("mask")]
    believed = None
    if masks is not None:
        mask_paths = _numbered(masks, count)
    elif verdicts is not None and verdicts.is_file():
        given = [each.believed and not each.made for each in load_verdicts(verdicts)]
        believed = given if len(given) == count else None
    views = EvaluationViews(
        Cameras(cameras.K, cameras.R, cameras.t, capture.cameras.sizes),
        capture.names,
        image_paths,
        mask_paths,
        fitted=True,
        origin=_origin(capture.cameras, cameras),
        believed=believed,
        own=capture,
    )
    _check_sizes(views)
    return views


def _origin(own: Cameras, corrected: Cameras) -> str:
    """Whose the cameras are, and how far a stage moved what they see."""
    moved = corrected.project(_middle(corrected)) - own.project(_middle(corrected))
    shift = float(moved.norm(dim=-1).max())
    how = f", as the pipeline corrected them (by up to {shift:.1f} px)" if shift > 0.05 else ""
    return f"the capture's own cameras{how}"


def held_views(capture: Capture) -> EvaluationViews | None:
    """The views that a capture keeps for judging; None where it keeps none."""
    if capture.held is None:
        return None
    views = own_views(capture.held, capture.held.cameras)
    return replace(views, fitted=False, origin="cameras that are kept for judging (eval_cam)")


def _middle(cameras: Cameras) -> torch.Tensor:
    """The point (1, 3) nearest to all optical axes: about where the hands are."""
    axis = cameras.R[:, 2]
    across = torch.eye(3).to(axis) - axis[:, :, None] * axis[:, None]
    rhs = (across @ cameras.centers()[..., None]).sum(0)
    return torch.linalg.lstsq(across.sum(0), rhs).solution.T


def load_views(
    cameras_file: Path,
    images: Path | None = None,
    masks: Path | None = None,
    capture_size: tuple[int, int] | None = None,
) -> EvaluationViews:
    """Cameras of a param.npz, any number, with photos and masks %02d.png of the two folders.

    The images' size is that of the photos, else of the masks, else `sizes` (views, 2: height,
    width) in the file, else `capture_size` where the principal points lie near its middle, else
    that whose middle they are. Raises UserError where sizes contradict each other or the
    intrinsics, and where there are images without a camera.
    """
    K, R, t, _ = load_cameras(cameras_file)
    count = len(K)
    image_paths = _numbered(images, count) if images else [None] * count
    mask_paths = _numbered(masks, count) if masks else [None] * count
    stated = _stated_sizes(cameras_file, count)
    sizes, origin = _sizes(image_paths, mask_paths, stated, capture_size, K)
    cameras = Cameras.of(K, R, t, torch.tensor(sizes))
    names = [path.stem if path else f"{view:02d}" for view, path in enumerate(image_paths)]
    views = EvaluationViews(
        cameras, names, image_paths, mask_paths, False, str(cameras_file), origin
    )
    _check_sizes(views)
    if stated is None:
        _check_middles(K, sizes, cameras_file)
    return views


def _numbered(folder: Path, count: int) -> list[Path | None]:
    """folder/%02d.png of every view, None where there is none."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; expected 00.png, 01.png, ... one a camera")
    paths = [folder / f"{view:02d}.png" for view in range(count)]
    found = sorted(folder.glob("[0-9]*.png"))
    foreign = [path.name for path in found if path not in paths]
    if not found or foreign:
        names = f"also {', '.join(foreign[:3])}" if foreign else "none"
        raise UserError(
            f"{folder}: expected 00.png to {count - 1:02d}.png for {count} cameras, found {names}; "
            "give the folder that belongs to these cameras"
        )
    return [path if path.is_file() else None for path in paths]


def _stated_sizes(path: Path, count: int) -> np.ndarray | None:
    with decoding(path, "no .npz of cameras"), np.load(path, allow_pickle=False) as file:
        if "sizes" not in file.files:
            return None
        sizes = np.asarray(file["sizes"], float)
    if sizes.shape != (count, 2) or not (sizes >= 1).all():
        raise UserError(f"{path}: sizes is {sizes.shape}, expected ({count}, 2): height, width")
    return sizes.astype(np.int64)


def _sizes(
    image_paths: list[Path | None],
    mask_paths: list[Path | None],
    stated: np.ndarray | None,
    capture_size: tuple[int, int] | None,
    K: np.ndarray,
) -> tuple[list[tuple[int, int]], str]:
    """(height, width) of every view and where they came from."""
    for paths, origin in ((image_paths, "the photos"), (mask_paths, "the masks")):
        known = [image_size(path) for path in paths if path is not None]
        if known:
            sizes = [image_size(path) if path is not None else known[0] for path in paths]
            return sizes, origin
    if stated is not None:
        return [(int(h), int(w)) for h, w in stated], "the cameras' file"
    if capture_size is not None and all(
        1 / OFF_CENTRE < f < OFF_CENTRE for k in K for f in _factors(k, capture_size)
    ):
        return [capture_size] * len(K), "the capture"
    middles = np.maximum(np.round(2 * K[:, [1, 0], 2] + 1), 1).astype(int)
    return [(int(h), int(w)) for h, w in middles], "the principal points"


def _factors(K: np.ndarray, size: tuple[int, int]) -> tuple[float, float]:
    """Width and height of which K's principal point is the middle, over those of `size`."""
    return (2 * K[0, 2] + 1) / size[1], (2 * K[1, 2] + 1) / size[0]


def _check_sizes(views: EvaluationViews) -> None:
    own = set() if views.own is None else set(views.own.files("image", "mask"))  # it checks its own
    for paths in (views.image_paths, views.mask_paths):
        for path, size in zip(paths, views.cameras.sizes.tolist()):
            if path is not None and path not in own and image_size(path) != tuple(size):
                height, width = image_size(path)
                raise UserError(
                    f"{path} is {width}x{height}, expected {size[1]}x{size[0]} as the view's "
                    "camera and photo have it; export it at that size"
                )


def _check_middles(K: np.ndarray, sizes: list[tuple[int, int]], path: Path) -> None:
    """Refuse cameras that are calibrated for images of another scale."""
    for view, (k, size) in enumerate(zip(K, sizes)):
        fx, fy = _factors(k, size)
        scaled = abs(np.log(max(fx, 1e-6) / max(fy, 1e-6))) < AGREES
        if scaled and not 1 / OFF_CENTRE < fx < OFF_CENTRE:
            raise UserError(
                f"{path}: camera {view} seems to be of images {fx:.2g} times as large as its "
                f"{size[1]}x{size[0]}; scale the images or K (if they are right, store `sizes`, "
                "(views, 2) height and width, in the file)"
            )
