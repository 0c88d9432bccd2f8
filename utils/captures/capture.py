"""A multi-view capture as a value: views with photo, mask, keypoints and name, and their cameras.

It knows no layout of files: a reader (`utils.captures.readers`) makes it and says where each view's
files are and how they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.cameras.arrays import CameraArrays
from utils.captures.annotation import Annotation
from utils.captures.camera_files import load_cameras
from utils.captures.notes import Notes
from utils.captures.pose_files import load_pose, save_pose, seen_only
from utils.captures.resampling import Resampling
from utils.errors import UserError
from utils.io.images import load_image, load_mask, look_ahead, save_image

if TYPE_CHECKING:
    from utils.cameras import Cameras


@dataclass(frozen=True)
class View:
    """One photo of a capture and what is known of it; pixels are read when they are asked for.

    name: what its users call the view, the photo's file stem unless a layout has something better;
    size: (height, width) of the photo. mask_path and pose_path say where the mask and the detected
    keypoints are, or would be. The readers take a path, `read_pose` the photo's size, too;
    `read_mask` gives None for a mask that is not the view's. Files hold the photo as stored, which
    `resampling` brings to the photo as used (undistorted, resized), where it is given. is_plain:
    whether the photo's file decodes to the pixels that `image` gives, so that other programs can
    read it.
    """

    name: str
    size: tuple[int, int]
    image_path: Path
    mask_path: Path
    pose_path: Path
    read_image: Callable[[Path], np.ndarray] = load_image
    read_mask: Callable[[Path], np.ndarray | None] = load_mask
    read_pose: Callable[[Path, tuple[int, int]], tuple[np.ndarray, np.ndarray]] = load_pose
    is_plain: bool = True
    resampling: Resampling | None = None

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of the photo as stored, which masks and keypoints in files are of."""
        return self.size if self.resampling is None else self.resampling.stored_size

    def image(self) -> np.ndarray:
        """RGB (H, W, 3) float32 in [0, 1]. Raises UserError when truncated or of another size."""
        image = self._checked_size(self.read_image(self.image_path), self.image_path)
        return image if self.resampling is None else self.resampling.image(image)

    def mask(self) -> np.ndarray | None:
        """Mask (H, W) bool, or None where the capture has none for this view."""
        mask = self.read_mask(self.mask_path) if self.mask_path.is_file() else None
        if mask is None:
            return None
        mask = self._checked_size(mask, self.mask_path)
        return mask if self.resampling is None else self.resampling.mask(mask)

    def keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Detected keypoints: pixels (2, 21, 2) and confidences (2, 21), as `Capture.keypoints`."""
        xy, confidence = self.read_pose(self.pose_path, self.stored_size)
        if self.resampling is None:
            return xy, confidence
        xy = self.resampling.points(xy)
        return xy, seen_only(xy, confidence)

    def save_mask(self, path: Path, mask: np.ndarray) -> None:
        """Write a mask (H, W) bool of the photo as used as a file that belongs to the stored one.

        `path` may be `mask_path`, or where somebody keeps a copy.
        """
        save_image(path, mask if self.resampling is None else self.resampling.stored_mask(mask))

    def save_keypoints(
        self, path: Path, xy: np.ndarray, confidence: np.ndarray, z: np.ndarray | None = None
    ) -> None:
        """Write keypoints (2, 21, 2), pixels of the photo as used, as `save_pose` does."""
        xy = xy if self.resampling is None else self.resampling.stored_points(xy)
        save_pose(path, xy, confidence, self.stored_size, z)

    def _checked_size(self, image: np.ndarray, path: Path) -> np.ndarray:
        height, width = self.stored_size
        if image.shape[:2] != (height, width):
            raise UserError(
                f"{path} is {image.shape[1]}x{image.shape[0]}, expected {width}x{height} as "
                f"{self.image_path}; export it at the photo's size"
            )
        return image


def view_label(view: int, name: str) -> str:
    """A view's number, and its name where that says more: 3, or 3 (cam400262)."""
    return str(view) if name.lstrip("0") in (str(view), "") else f"{view} ({name})"


@dataclass(frozen=True)
class Capture:
    """One scan of a multi-view capture.

    name: what messages call it, such as demo_data/1; camera_arrays: one a view, world units;
    world_from_norm: (4, 4) a uniform scale and offset of a frame that the calibration suggests, if
    any; camera_files: what the cameras were read from; cameras_corrected: whether a stage of this
    suite has corrected them; left_out: views that contradict all others, with which nothing is
    compared; unit: the world's unit (m, cm or mm) where the calibration says it; held: a capture of
    the views that are kept for judging, if the layout knows such; annotation: what the data set
    says of the hands, if it does; notes: what its reader had to interpret, in words;
    detected_masks: views whose masks detect_hands.py made.
    """

    name: str
    scan_id: str
    views: Sequence[View]
    camera_arrays: CameraArrays
    world_from_norm: np.ndarray | None
    camera_files: Sequence[Path]
    cameras_corrected: bool = False
    left_out: Sequence[int] = ()
    unit: str | None = None
    held: Capture | None = None
    annotation: Annotation | None = None
    notes: Notes = field(default_factory=Notes)
    detected_masks: Collection[int] = ()

    def __len__(self) -> int:
        return len(self.views)

    @property
    def names(self) -> list[str]:
        """The views' names."""
        return [view.name for view in self.views]

    def label(self, view: int) -> str:
        """A view for people: its number, and its name where that says more."""
        return view_label(view, self.views[view].name)

    @property
    def image_paths(self) -> list[Path]:
        """The photos' files."""
        return [view.image_path for view in self.views]

    def pixels(self) -> int:
        """Of the largest photo."""
        return int(self.camera_arrays.sizes.prod(1).max())

    def image(self, view: int) -> np.ndarray:
        """`View.image` of one view: RGB (H, W, 3) float32 in [0, 1]."""
        return self.views[view].image()

    def look_ahead(self) -> None:
        """Have photos decoded beside other work, for `image` to find them."""
        look_ahead([view.image_path for view in self.views if view.is_plain])

    def mask(self, view: int) -> np.ndarray | None:
        """`View.mask` of one view: (H, W) bool, or None where there is none."""
        return self.views[view].mask()

    @cached_property
    def cameras(self) -> Cameras:
        """The cameras as tensors, on the CPU."""
        from utils.cameras import Cameras  # here, for torch takes two seconds

        return Cameras.of_arrays(self.camera_arrays)

    @cached_property
    def keypoints(self) -> tuple[np.ndarray, np.ndarray]:
        """Detected keypoints of all views: pixels (views, 2, 21, 2) and confidences (views, 2, 21).

        Left then right as the detector named them, MediaPipe's order; nan and 0 where a hand was
        not detected. Raises UserError on missing files and lists of the wrong length.
        """
        detections = [view.keypoints() for view in self.views]
        return np.stack([xy for xy, _ in detections]), np.stack([c for _, c in detections])

    def files(self, *kinds: str) -> list[Path]:
        """Files of these kinds (camera, image, mask, pose), of all views, absent ones included."""
        paths = {
            "camera": lambda: list(self.camera_files),
            "image": lambda: self.image_paths,
            "mask": lambda: [view.mask_path for view in self.views],
            "pose": lambda: [view.pose_path for view in self.views],
        }
        return [path for kind in kinds for path in paths[kind]()]

    def with_corrected_cameras(self, path: Path) -> Capture:
        """The capture in the cameras of a param.npz that a stage wrote."""
        K, R, t, world_from_norm = load_cameras(path, len(self))
        return replace(
            self,
            camera_arrays=CameraArrays(K, R, t, self.camera_arrays.sizes),
            world_from_norm=world_from_norm,
            camera_files=(path,),
            cameras_corrected=True,
        )
