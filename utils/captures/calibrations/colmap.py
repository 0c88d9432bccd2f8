"""COLMAP's models: folders of cameras and images, as text or binary.

The unit is arbitrary, x_cam = R x + t, and the centre of the top-left pixel is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.calibrations.colmap_files import (
    REMEDY,
    Image,
    Intrinsics,
    read_cameras_binary,
    read_cameras_text,
    read_images_binary,
    read_images_text,
)
from utils.captures.calibrations.format import Calibration, CalibrationFormat, camera
from utils.captures.calibrations.values import rotation_of_quaternion
from utils.errors import UserError
from utils.io.files import natural_order

FOLDERS = ("sparse", "dense/0/sparse", "dense/sparse", "colmap/sparse", "colmap")
ENDINGS = (".bin", ".txt")  # COLMAP's own choice where both are there


@dataclass(frozen=True)
class _Model:
    """What one model's files hold; notes: what had to be interpreted."""

    files: tuple[Path, Path]  # cameras, images
    intrinsics: dict[int, Intrinsics]
    images: list[Image]
    notes: list[str] = field(default_factory=list)


def read(path: Path) -> Calibration:
    """The cameras of a model: its folder, one of its files, or a folder of several models.

    Of several, as the mapper writes them where it could not join all images, the one of most
    images is read. Each image is a camera, which bears its name.
    """
    if path.is_file():
        folder, endings = path.parent, (path.suffix,)
    else:
        folder, endings = path, ENDINGS
    models = [_load(each, ending) for each, ending in _model_folders(folder, endings)]
    model = max(models, key=lambda each: len(each.images))  # the first of equals
    if not model.images:
        raise UserError(f"{model.files[1]} holds no images; {REMEDY}")
    cameras = [_camera(model, image) for image in model.images]
    notes = model.notes + _others(model, models)
    return Calibration(cameras, model.files, notes=notes, names_photos=True)


def _model_folders(folder: Path, endings: Sequence[str]) -> list[tuple[Path, str]]:
    """Folders of models in `folder` or where a project keeps them, each with its files' ending."""
    for base in (folder, *(folder / place for place in FOLDERS)):
        inside = (
            sorted(base.iterdir(), key=lambda p: natural_order(p.name)) if base.is_dir() else []
        )
        for level in ([base], inside):
            found = [(each, ending) for each in level if (ending := _ending(each, endings))]
            if found:
                return found
    looked = " or ".join(f"cameras{ending} and images{ending}" for ending in endings)
    raise UserError(f"{folder} holds no model of COLMAP; expected {looked}; {REMEDY}")


def _ending(folder: Path, endings: Sequence[str]) -> str | None:
    for ending in endings:
        if (folder / f"cameras{ending}").is_file() and (folder / f"images{ending}").is_file():
            return ending
    return None


def _load(folder: Path, ending: str) -> _Model:
    files = folder / f"cameras{ending}", folder / f"images{ending}"
    if ending == ".bin":
        return _Model(files, read_cameras_binary(files[0]), read_images_binary(files[1]))
    images, stated = read_images_text(files[1])
    notes = []
    if stated not in (None, len(images)):
        notes.append(f"{files[1]} holds {len(images)} images and says that there are {stated}")
    return _Model(files, read_cameras_text(files[0]), images, notes)


def _others(model: _Model, models: Sequence[_Model]) -> list[str]:
    others = [
        f"{each.files[0].parent.name} ({len(each.images)})" for each in models if each is not model
    ]
    if not others:
        return []
    return [
        f"of {len(models)} models of COLMAP, {model.files[0].parent} holds the most images "
        f"({len(model.images)}) and is read; the others are {', '.join(others)}"
    ]


def _camera(model: _Model, image: Image) -> CalibratedCamera:
    path = model.files[1]
    if image.camera not in model.intrinsics:
        raise UserError(
            f"{path}: image {image.name} is of camera {image.camera}, which {model.files[0].name} "
            f"lacks; {REMEDY}"
        )
    R = rotation_of_quaternion(path, f"the quaternion of image {image.name}", image.quaternion)
    seen = model.intrinsics[image.camera]
    return camera(path, image.name, seen.K, R, image.t, seen.size, seen.lens, image.name)


FORMAT = CalibrationFormat(
    "COLMAP", (*FOLDERS, "cameras.bin", "cameras.txt", "0/cameras.bin", "0/cameras.txt"), read
)
