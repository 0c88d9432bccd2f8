"""Which photo is which camera's: by the calibration, by name, by folder, or by order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.cameras.calibrated import CalibratedCamera
from utils.captures.view_files import OTHER_SUFFIXES, PHOTO_SUFFIXES
from utils.errors import UserError
from utils.io.files import natural_order
from utils.io.videos import VIDEO_SUFFIXES
from utils.words import listed

PHOTO_FOLDERS = ("img", "images", "photos", "rgb", "videos", "")
NOT_PHOTOS = {"mask", "masks", "pose", "keypoints", "gt", "held", "depth", "sparse", "camera"}
DIGITS = re.compile(r"\d+")
SHOWN = 4  # names in a message


@dataclass(frozen=True)
class PhotoSource:
    """Where a camera's photo is: an image file, or a frame of a video."""

    path: Path
    frame: int | None = None


@dataclass(frozen=True)
class Place:
    """Where a scan's photos are looked for.

    folder: the scan's own folder, or the sequence's, whose scans are frames; scan_id: the scan's
    name; images: the config's folder or pattern, None: as usual; frame: the number of the frame
    asked for; index: its place in the sequence. Of these two one counts, frame first.
    """

    folder: Path
    scan_id: str
    images: str | None = None
    frame: int | None = None
    index: int | None = None


def find_rig_photos(
    place: Place, cameras: Sequence[CalibratedCamera], calibration: Path
) -> tuple[dict[int, PhotoSource], list[str]]:
    """Each camera's photo by the camera's index, and notes on what had to be interpreted.

    Cameras without a photo and photos without a camera are left out and noted. Raises UserError
    where no photo belongs to a camera, and where a folder or a video holds several and nobody said
    which.
    """
    if place.images and "{" in place.images:
        sources = _by_pattern(place, cameras)
    elif all(camera.photo for camera in cameras):
        sources = _by_stated_name(place, cameras, calibration)
    else:
        sources = {}
    notes: list[str] = []
    if not sources:
        entries = _entries(place)
        paired, notes = _pair([camera.name for camera in cameras], entries)
        sources = _frames(place, {k: entries[name] for k, name in paired.items()}, notes)
    if not sources:
        raise UserError(_nothing_found(place, cameras))
    lost = [camera.name for k, camera in enumerate(cameras) if k not in sources]
    if lost:
        notes.append(f"{shown(lost)} of {len(cameras)} cameras: no photo, left out")
    return sources, notes


def shown(names: Sequence[str]) -> str:
    """Some names, the first few of many."""
    return listed(names, SHOWN)


def _roots(place: Place) -> list[Path]:
    if place.images and "{" not in place.images:
        root = place.folder / place.images
        if not root.is_dir():
            raise UserError(f"{root} is no folder; images = {place.images} names where photos are")
        return [root]
    roots = [place.folder / name for name in PHOTO_FOLDERS]
    return [root for root in roots if root.is_dir()]


def _by_pattern(place: Place, cameras: Sequence[CalibratedCamera]) -> dict[int, PhotoSource]:
    """Photos whose paths follow the config's pattern with {camera}, {scan} and {frame}."""
    sources = {}
    for k, camera in enumerate(cameras):
        fields = {"camera": camera.name, "scan": place.scan_id, "frame": place.frame or 0}
        try:
            name = str(place.images).format(**fields)
        except (KeyError, IndexError, ValueError) as error:
            raise UserError(
                f"images = {place.images}: {{camera}}, {{scan}} and {{frame}} are known, such as "
                "images/{camera}/{frame:06d}.png"
            ) from error
        files = sorted(place.folder.glob(name))
        found = [path for path in files if path.suffix.lower() in PHOTO_SUFFIXES]
        videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
        if found:
            sources[k] = PhotoSource(found[0])
        elif videos:
            sources[k] = PhotoSource(videos[0], _video_frame(place, videos[0]))
    return sources


def _by_stated_name(
    place: Place, cameras: Sequence[CalibratedCamera], calibration: Path
) -> dict[int, PhotoSource]:
    """Photos that the calibration names: by their path, else by their file name anywhere below."""
    beside = calibration if calibration.is_dir() else calibration.parent
    roots = [*_roots(place), beside, place.folder]
    below: dict[str, list[Path]] | None = None
    sources = {}
    for k, camera in enumerate(cameras):
        stated = str(camera.photo).replace("\\", "/")
        path = next((p for root in roots if (p := _with_suffix(root / stated.lstrip("/")))), None)
        if path is None:
            below = _photos_below(_roots(place)) if below is None else below
            name = stated.rsplit("/", 1)[-1]
            found = below.get(name.lower()) or below.get(Path(name).stem.lower()) or []
            path = found[0] if len(found) == 1 else None
        if path is not None:
            sources[k] = PhotoSource(path)
    return sources


def _with_suffix(path: Path) -> Path | None:
    """The file itself, or where it has no ending (Blender's) the photo of that name."""
    if path.is_file():
        return path
    candidates = (path.with_name(path.name + suffix) for suffix in PHOTO_SUFFIXES)
    return next((p for p in candidates if p.is_file()), None)


def _photos_below(roots: Sequence[Path]) -> dict[str, list[Path]]:
    """Photos in all folders below, by file name and by stem, in lower case."""
    below: dict[str, list[Path]] = {}
    paths = {path for root in roots for path in root.rglob("*")}
    for path in sorted(paths):
        inside = path.parent.name.lower() in NOT_PHOTOS
        if path.suffix.lower() in PHOTO_SUFFIXES and not inside:
            for key in {path.name.lower(), path.stem.lower()}:
                below.setdefault(key, []).append(path)
    return below


def _entries(place: Place) -> dict[str, Path]:
    """Photos, videos and folders of photos by name, in the first place that has any."""
    for root in _roots(place):
        entries = {}
        for path in sorted(root.iterdir(), key=lambda path: natural_order(path.name)):
            if path.name.startswith(".") or path.name.lower() in NOT_PHOTOS:
                continue
            if path.is_dir():
                if any(p.suffix.lower() in PHOTO_SUFFIXES for p in path.iterdir()):
                    entries.setdefault(path.name, path)
            elif path.suffix.lower() in (*PHOTO_SUFFIXES, *VIDEO_SUFFIXES):
                entries.setdefault(path.stem, path)
        nested = root == place.folder and not any(p.is_file() for p in entries.values())
        if entries and not (nested and set(entries) <= set(PHOTO_FOLDERS)):
            return entries
    return {}


def _number(name: str) -> str:
    digits = DIGITS.findall(name)
    return (digits[-1].lstrip("0") or "0") if digits else name


KEYS: Sequence[Callable[[str], str]] = (
    lambda name: name,
    lambda name: Path(name).stem.lower(),
    lambda name: re.sub(r"^(cam(era)?|view|c)[_-]?(?=\d)", "", name.lower()),
    _number,
)


def _pair(names: Sequence[str], entries: Mapping[str, Path]) -> tuple[dict[int, str], list[str]]:
    """Which entry is of which camera: by the strictest comparison of names that pairs most."""
    best: dict[int, str] = {}
    for key in KEYS:
        keyed = {key(entry): entry for entry in entries}
        wanted = [key(name) for name in names]
        if len(keyed) < len(entries) or len(set(wanted)) < len(wanted):
            continue
        paired = {k: keyed[want] for k, want in enumerate(wanted) if want in keyed}
        if len(paired) > len(best):
            best = paired
    if best:
        spare = [name for name in entries if name not in best.values()]
        return best, [f"{shown(spare)}: of no camera, not used"] * bool(spare)
    if len(entries) != len(names):
        return {}, []
    paired = dict(enumerate(entries))
    return paired, [
        f"photos are paired with cameras in the order of their names: {paired[0]} is {names[0]}, "
        f"..., {paired[len(names) - 1]} is {names[-1]}"
    ]


def _frames(place: Place, entries: Mapping[int, Path], notes: list[str]) -> dict[int, PhotoSource]:
    """The photo of each camera's file, folder or video."""
    files = {k: path for k, path in entries.items() if path.is_file()}
    sources = {
        k: PhotoSource(path, _video_frame(place, path))
        if path.suffix.lower() in VIDEO_SUFFIXES
        else PhotoSource(path)
        for k, path in files.items()
    }
    folders = {k: frames_in(path) for k, path in entries.items() if path.is_dir()}
    if not folders:
        return sources
    wanted = _wanted_frame(place, folders)
    for k, frames in folders.items():
        if wanted in frames:
            sources[k] = PhotoSource(frames[wanted])
    lost = [entries[k].name for k, frames in folders.items() if wanted not in frames]
    if lost:
        notes.append(f"{shown(lost)}: no frame {wanted}")
    return sources


def frames_in(folder: Path) -> dict[int, Path]:
    """A camera's photos by the last number in their names, or by place where they have none."""
    photos = [path for path in folder.iterdir() if path.suffix.lower() in PHOTO_SUFFIXES]
    photos.sort(key=lambda path: natural_order(path.name))
    numbered = {int(_number(path.stem)): path for path in photos if DIGITS.search(path.stem)}
    return numbered if len(numbered) == len(photos) else dict(enumerate(photos))


def _wanted_frame(place: Place, folders: Mapping[int, Mapping[int, Path]]) -> int:
    numbers = sorted({number for frames in folders.values() for number in frames})
    if place.frame is not None:
        if place.frame not in numbers:
            raise UserError(
                f"{place.folder}: no photo of frame {place.frame}; there are {len(numbers)} frames "
                f"from {numbers[0]} to {numbers[-1]}"
            )
        return place.frame
    if place.index is not None:
        if not 0 <= place.index < len(numbers):
            raise UserError(
                f"{place.folder}: no frame at place {place.index}; scans are 0 to "
                f"{len(numbers) - 1} (frame {numbers[0]} to {numbers[-1]})"
            )
        return numbers[place.index]
    if len(numbers) > 1:
        raise UserError(
            f"{place.folder} holds {len(numbers)} photos a camera, {numbers[0]} to {numbers[-1]}; "
            "say which with --set frame=NUMBER"
        )
    return numbers[0]


def _video_frame(place: Place, path: Path) -> int:
    frame = place.index if place.frame is None else place.frame
    if frame is None:
        raise UserError(f"{path} is a video; say which frame of it with --set frame=NUMBER")
    return frame


def _nothing_found(place: Place, cameras: Sequence[CalibratedCamera]) -> str:
    names = shown([camera.photo or camera.name for camera in cameras])
    roots = " or ".join(str(root) for root in _roots(place)) or str(place.folder)
    raw = [p.name for root in _roots(place) for p in root.glob("*") if p.suffix in OTHER_SUFFIXES]
    hint = f"; {shown(sorted(raw))} are not read: export PNG or JPEG" if raw else ""
    return (
        f"{roots}: no photo belongs to a camera of the calibration ({names}); name photos, "
        f"folders or videos as the cameras are, or say where they are with --set images=...{hint}"
    )
