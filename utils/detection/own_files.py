"""Which files of a capture this suite wrote itself: all others are the user's and stay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from utils.errors import UserError
from utils.io.files import link_or_copy, load_record, save_json


class OwnFiles:
    """The list of files written, with their contents' hashes; kept in a file of the results.

    root: folder that the list's names are relative to where files are in it.
    Where the list is damaged, nobody knows whose a file is, and all count as the user's.
    """

    def __init__(self, path: Path, root: Path):
        self.path, self.root = path, root
        self.hashes: dict[str, str] = load_record(path)
        if path.is_file() and not self.hashes:
            print(f"note: {path} is damaged; what keypoints and masks are there count as yours")

    @staticmethod
    def of_detection(out_path: Path, scan_id: str, scan_dir: Path) -> OwnFiles:
        """Those that detect_hands.py wrote of one scan."""
        return OwnFiles(out_path / "detect" / f"{scan_id}_files.json", scan_dir)

    def wrote(self, path: Path) -> bool:
        """True where a file is there as it was written here."""
        return path.is_file() and not self.is_users(path)

    def is_users(self, path: Path) -> bool:
        """True where a file is there that was not written here, or was changed since."""
        return path.is_file() and self.hashes.get(self._name(path)) != _hash(path)

    def write(self, path: Path, save: Callable[[Path], None]) -> None:
        """Write a file by `save` and remember it."""
        try:
            save(path)
        except UserError as error:
            raise UserError(
                f"{error} (detect_hands.py --into DIR writes a capture of the same photos there)"
            ) from error
        self.hashes[self._name(path)] = _hash(path)
        self._save()

    def remove(self, path: Path) -> None:
        """Delete an own file that holds no more."""
        path.unlink()
        del self.hashes[self._name(path)]
        self._save()

    def _save(self) -> None:
        if self.hashes:
            save_json(self.path, self.hashes)
        else:  # an empty list would look like a damaged one
            self.path.unlink(missing_ok=True)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def linked_capture(scan_dir: Path, into: Path) -> None:
    """Make `into` a capture of the same photos and cameras: links, copies where there are none.

    Raises UserError where `into` already holds other ones.
    """
    for name in ("img", "camera"):
        source, link = (scan_dir / name).resolve(), into / name
        if not source.is_dir():
            raise UserError(f"{scan_dir / name} is missing; a capture needs images and cameras")
        if link.exists() or link.is_symlink():
            if link.resolve() != source and not _same_names(source, link):
                raise UserError(f"--into: {link} is there and not of {scan_dir}; choose another")
            continue
        link_or_copy(source, link)


def _same_names(a: Path, b: Path) -> bool:
    names = [sorted((p.name, p.stat().st_size) for p in folder.iterdir()) for folder in (a, b)]
    return names[0] == names[1]
