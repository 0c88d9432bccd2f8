"""Which files of a folder are a capture's photos, and which mask or pose file is of which photo."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.errors import UserError
from utils.io.files import natural_order
from utils.words import listed

PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
OTHER_SUFFIXES = (".exr", ".hdr", ".heic", ".heif", ".gif", ".dng", ".cr2", ".nef", ".arw", ".raw")
NOT_A_VIEW = re.compile(r"mask|copy|kopie|thumb| \(\d+\)$", re.IGNORECASE)
DIGITS = re.compile(r"\d+")
SAME_NUMBERS = "by the numbers in their names"  # goes without saying
SHOWN = 3  # file names in a message


def find_photos(folder: Path, num: int | None = None) -> list[Path]:
    """The photos of `folder`, one a view, in natural order of their names; num: how many.

    Raises UserError, naming the files, on none, another number than `num`, and on files among them
    that look like copies or masks, are of a kind that is not read, or share a photo's name.
    """
    files = _visible(folder)
    photos = [path for path in files if path.suffix.lower() in PHOTO_SUFFIXES]
    stems = {path.stem for path in photos}  # a raw file beside its photo does no harm
    others = [p for p in files if p.suffix.lower() in OTHER_SUFFIXES and p.stem not in stems]
    if others:
        raise UserError(
            f"{folder} holds {_shown(others)}, which are not read; export photos as PNG or JPEG "
            f"(or {', '.join(PHOTO_SUFFIXES[3:])}) with 8 or 16 bits"
        )
    if not photos:
        raise UserError(f"{folder} holds no images; expected 00.png, 01.png, ...")
    _refuse_strays(folder, photos)
    _check_number(folder, photos, num)
    return photos


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        files = [path for path in folder.iterdir() if path.name[0] != "." and path.is_file()]
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}; allow reading it") from error
    return sorted(files, key=lambda path: natural_order(path.name))


def _refuse_strays(folder: Path, photos: Sequence[Path]) -> None:
    patterns = Counter(_pattern(path.stem) for path in photos)
    usual, count = patterns.most_common(1)[0]
    most_alike = "#" in usual and count > len(photos) / 2
    strays = [
        path
        for path in photos
        if len(patterns) > 1
        and (NOT_A_VIEW.search(path.stem) or (most_alike and _pattern(path.stem) != usual))
    ]
    if strays:
        named = next((path.name for path in photos if path not in strays), "00.png")
        raise UserError(
            f"{folder} holds {_shown(strays)} beside photos named like {named}; expected one photo "
            "a view and nothing else there: move copies and masks elsewhere, name photos alike"
        )
    keys = Counter((_pattern(path.stem), _number(path.stem)) for path in photos)
    twice = [path for path in photos if keys[_pattern(path.stem), _number(path.stem)] > 1]
    if twice:
        raise UserError(f"{folder} holds {_shown(twice)} for one view; leave one of them there")


def _pattern(stem: str) -> str:
    """A name without its numbers."""
    return DIGITS.sub("#", stem)


def _number(stem: str) -> tuple[str, ...]:
    """The numbers in a name without leading zeros, and nothing of what is between them."""
    return tuple(digits.lstrip("0") or "0" for digits in DIGITS.findall(stem))


def _check_number(folder: Path, photos: Sequence[Path], num: int | None) -> None:
    if num is None or len(photos) == num:
        return
    missing = missing_photo(photos, num)
    if missing is not None:
        raise UserError(
            f"{missing} is missing; {len(photos)} images found, views are numbered 00.png, 01.png, "
            f"... without gaps; the config says num = {num}"
        )
    raise UserError(
        f"{folder} holds {len(photos)} images, but the config says num = {num}; "
        "correct the config or leave num out"
    )


def missing_photo(photos: Sequence[Path], count: int) -> Path | None:
    """The first photo that `count` photos numbered from 00 would have and that is not there."""
    stems = {path.stem for path in photos}
    if len(photos) > count or not all(re.fullmatch(r"\d\d+", stem) for stem in stems):
        return None
    plain = [f"{view:02d}" for view in range(count)]
    missing = [stem for stem in plain if stem not in stems]
    return photos[0].with_name(f"{missing[0]}{photos[0].suffix}") if missing else None


def pairing_note(photos: Sequence[Path]) -> str | None:
    """How photos are paired with cameras, where their names do not say so themselves."""
    if [path.stem for path in photos] == [f"{view:02d}" for view in range(len(photos))]:
        return None
    first, last = photos[0].name, photos[-1].name
    return (
        f"{len(photos)} photos, in the order of their names: {first} is camera 0"
        + f", ..., {last} is camera {len(photos) - 1}" * (len(photos) > 1)
    )


def files_of_views(
    folder: Path, photos: Sequence[Path], suffixes: Sequence[str]
) -> tuple[list[Path], str | None]:
    """Each photo's file in `folder`, there or not, and a note where names had to be interpreted.

    A file belongs to a photo of the same stem; where that does not hold for all of them, to one
    with the same numbers in its name, to the view of its number, or, where there are as many
    files as photos, to the photo at its place in natural order: the first of these rules that
    all files obey. Raises UserError where no file belongs to a photo by any rule.
    """
    stems = [path.stem for path in photos]
    files = [path for path in _visible(folder) if path.suffix.lower() in suffixes]
    by_stem = {path.stem: path for path in files}
    if len(by_stem) < len(files):
        twice = [path for path in files if by_stem[path.stem] != path]
        raise UserError(f"{folder} holds {_shown(twice)} twice; leave one file a view there")
    if all(DIGITS.search(stem) for stem in stems):
        by_stem = {stem: path for stem, path in by_stem.items() if DIGITS.search(stem)}
    if set(stems) <= set(by_stem) or set(by_stem) <= set(stems):
        return [by_stem.get(s, folder / f"{s}{suffixes[0]}") for s in stems], None
    for names, rule in _rules(stems, by_stem):
        if set(by_stem) <= set(names):
            paths = [by_stem.get(name, folder / f"{name}{suffixes[0]}") for name in names]
            if rule == SAME_NUMBERS:
                return paths, None
            view = next(view for view, path in enumerate(paths) if path in files)
            example = f"{paths[view].name} is of {photos[view].name}"
            return paths, f"{folder.name}/ is paired with the photos {rule}: {example}"
    strangers = [path for stem, path in by_stem.items() if stem not in stems]
    if len(strangers) == len(by_stem):
        raise UserError(
            f"{folder} holds {_shown(strangers)}, which belong to no photo; name them as the "
            f"photos are ({stems[0]}{suffixes[0]}, ...)"
        )
    paths = [by_stem.get(stem, folder / f"{stem}{suffixes[0]}") for stem in stems]
    return paths, f"{folder.name}/ holds {_shown(strangers)}, of no photo: not used"


def _rules(stems: Sequence[str], by_stem: Mapping[str, Path]) -> list[tuple[list[str], str]]:
    """The file's stem that each rule gives each view, there or not, and the rule in words."""
    own = {_number(stem): stem for stem in by_stem}
    keys = [_number(stem) for stem in stems]
    rules = []
    if len(own) == len(by_stem):
        if len(set(keys)) == len(keys):
            by_name = [own.get(key, stem) for key, stem in zip(keys, stems)]
            rules.append((by_name, SAME_NUMBERS))
        by_view = [own.get((str(view),), f"{view:02d}") for view in range(len(stems))]
        rules.append((by_view, "by their numbers, counted from 0"))
    if len(by_stem) == len(stems):
        rules.append((sorted(by_stem, key=natural_order), "in the order of their names"))
    return rules


def _shown(paths: Sequence[Path]) -> str:
    return listed([path.name for path in paths], SHOWN)
