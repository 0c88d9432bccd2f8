"""The photos that cameras are found for: a folder of them, or the sharpest frames of a video."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from utils.calibration.sharpness import Look, look_at, shaken
from utils.captures.view_files import PHOTO_SUFFIXES
from utils.errors import UserError
from utils.io.files import link_or_copy, natural_order
from utils.io.images import image_header, image_size, oriented, save_image, stored_pixels
from utils.io.videos import VIDEO_SUFFIXES
from utils.progress_bar import progress

HEIC_SUFFIXES = (".heic", ".heif")
LEAST_PHOTOS = 3
EXIF_IFD, FOCAL_IN_FILM, MODEL = 0x8769, 0xA405, 0x0110
FILM = 36.0  # millimetres of 35 mm film's longer side
WIDEST = 3.0  # height over width of a photo that may be one


@dataclass(frozen=True)
class PhotoSet:
    """Photos of one size in a folder, in the order in which they were taken.

    sizes: (height, width) of each; focal: pixels, as EXIF states it, None: it does not; left_out:
    why photos are not among them, by name; one_camera: they may come from one camera; notes: what
    to say.
    """

    folder: Path
    names: list[str]
    sizes: list[tuple[int, int]]
    focal: float | None
    one_camera: bool
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def path(self, index: int) -> Path:
        """A photo's file."""
        return self.folder / self.names[index]

    def grey(self, index: int) -> np.ndarray:
        """A photo (H, W) uint8."""
        return _grey(self.path(index))


def collect_photos(source: Path, folder: Path, keep_shaken: bool) -> PhotoSet:
    """Link the photos of the folder `source` into `folder`, upright and in natural order.

    Shaken ones are left out unless keep_shaken. Raises UserError where there are too few, a file
    cannot be read, or photos are in a format that OpenCV cannot read.
    """
    paths = _photos_in(source)
    headers = [image_header(path) for path in paths]
    turns = {header.orientation for header in headers}
    turn = turns.pop() if len(turns) == 1 else 1
    looks = [look_at(_grey(path)) for path in progress(paths, "looking at photos", "photo")]
    spoilt = np.zeros(len(paths), bool) if keep_shaken else shaken(looks)
    left_out = {path.name: "shaken" for path, bad in zip(paths, spoilt) if bad}
    kept = [path for path, bad in zip(paths, spoilt) if not bad]
    if len(kept) < LEAST_PHOTOS:
        raise UserError(
            f"{source} holds {len(kept)} sharp photos of {len(paths)}, at least {LEAST_PHOTOS} are "
            "needed; take more with more light, or keep them all: --keep-shaken"
        )
    fresh_folder(folder)
    names = [_take_over(path, folder, turn) for path in kept]
    sizes = [image_size(folder / name) for name in names]
    focal, one_camera = _exif(kept, sizes)
    notes = []
    if turns:
        notes.append(
            "photos are held differently (EXIF); their pixels are taken as they are stored"
        )
    return PhotoSet(folder, names, sizes, focal, one_camera, left_out, notes)


def fresh_folder(folder: Path) -> None:
    """An empty folder in the place of what an earlier run left there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _photos_in(source: Path) -> list[Path]:
    if not source.is_dir():
        kinds = " ".join(VIDEO_SUFFIXES)
        raise UserError(f"{source} is neither a folder of photos nor a video ({kinds})")
    files = sorted(
        (p for p in source.iterdir() if p.is_file()), key=lambda p: natural_order(p.name)
    )
    heic = [path for path in files if path.suffix.lower() in HEIC_SUFFIXES]
    if heic:
        files = [path for path in files if path not in heic] + _converted(heic)
    paths = [path for path in files if path.suffix.lower() in (*PHOTO_SUFFIXES, ".png")]
    if len(paths) < LEAST_PHOTOS:
        raise UserError(
            f"{source} holds {len(paths)} photos, at least {LEAST_PHOTOS} are needed (8 or more "
            "are better, 40 to 80 of a phone best)"
        )
    return paths


def _converted(heic: Sequence[Path]) -> list[Path]:
    """HEIC photos as JPEG files beside them. Raises UserError where pillow-heif is missing."""
    try:
        import pillow_heif
    except ImportError as error:
        raise UserError(
            f"{heic[0].name} and {len(heic) - 1} other photos are HEIC, which OpenCV cannot read; "
            "pip install pillow-heif, or convert them (heif-convert -q 97 IN.heic OUT.jpg), or set "
            "the phone's camera to 'most compatible' (JPEG)"
        ) from error
    from PIL import Image

    pillow_heif.register_heif_opener()
    converted = []
    for path in progress(heic, "converting HEIC", "photo"):
        converted.append(path.with_suffix(".converted.jpg"))
        if not converted[-1].is_file():
            image = Image.open(path)
            image.save(converted[-1], "JPEG", quality=97, exif=image.info.get("exif", b""))
    return converted


def _take_over(path: Path, folder: Path, turn: int) -> str:
    """Link the photo into the folder, or write it upright; returns its name there."""
    if turn == 1:
        name = plain_name(path.name)
        link_or_copy(path, folder / name)
        return name
    name = plain_name(f"{path.stem}.png")
    upright = oriented(stored_pixels(path, cv2.IMREAD_COLOR), turn)
    save_image(folder / name, np.ascontiguousarray(upright[..., ::-1]))
    return name


def plain_name(name: str) -> str:
    """The name without blanks, which end names in COLMAP's lists."""
    return "_".join(name.split())


def _grey(path: Path) -> np.ndarray:
    return stored_pixels(path, cv2.IMREAD_GRAYSCALE)


def _exif(paths: Sequence[Path], sizes: Sequence[tuple[int, int]]) -> tuple[float | None, bool]:
    """The focal length in pixels that EXIF states, and whether one camera took all photos."""
    from PIL import Image

    focals, models = [], set()
    for path, size in zip(paths, sizes):
        try:
            exif = Image.open(path).getexif()
        except OSError:
            continue
        stated = exif.get_ifd(EXIF_IFD).get(FOCAL_IN_FILM) or 0
        models.add((exif.get(MODEL), stated))
        if stated > 0:
            focals.append(float(stated) / FILM * max(size))
    one_camera = len(set(sizes)) == 1 and len(models) <= 1
    return (float(np.median(focals)) if focals else None), one_camera


def look_of(grey: np.ndarray) -> Look:
    """As `look_at`, and 0 for frames of one colour."""
    return look_at(grey) if grey.std() > 1 else Look(0.0, float(grey.mean()))
