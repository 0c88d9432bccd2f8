"""One archive a scan: its results as O/archive/S.tar, to spare a shared file system its metadata.

Holds all files that the stages' records name, all of O/demo_sfs/S, and the records. Each archive is
read again and compared before --remove takes the loose files away. --extract puts them back, which
stages need before they run on such a scan again.
"""

from __future__ import annotations

import argparse
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from utils.errors import UserError
from utils.io.files import atomic_path, load_record, natural_order
from utils.progress_bar import progress
from utils.stage import start
from utils.stage.command import run_command
from utils.stage.config import load_config
from utils.stage.output import add_output_options
from utils.stage.process import OK

FOLDER = "archive"
CHUNK = 1 << 20  # bytes compared at once


def main(argv: Sequence[str] | None = None) -> int:
    """Archive or extract; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python -m workflow.archive demo_out --remove\n"
        "  python -m workflow.archive demo_out --scans 3 4 --extract",
    )
    add = parser.add_argument
    add("out_path", type=Path, metavar="O", help="folder of the results")
    add("--scans", nargs="+", metavar="S", help="these scans (default: all)")
    add("--results", default=load_config().out_mesh_dire, help="default: %(default)s")
    add("--remove", action="store_true", help="then remove the files that are in it")
    add("--extract", action="store_true", help="instead, put the files of archives back")
    add_output_options(parser)
    args = parser.parse_args(argv)
    return run_command(args, lambda: _run(args), argv)


def _run(args: argparse.Namespace) -> int:
    held = archived_scans(args.out_path) if args.extract else scans_in(args.out_path)
    scans = args.scans or held
    missing = [scan for scan in scans if scan not in held]
    if missing or not scans:
        what = "archives" if args.extract else "results"
        raise UserError(f"{args.out_path} has no {what} of {', '.join(missing) or 'any scan'}")
    files = 0
    for scan in progress(scans, "scans"):
        if args.extract:
            files += extract_scan(args.out_path, scan)
        else:
            files += archive_scan(args.out_path, scan, args.results, args.remove)
    verb = "put back" if args.extract else "archived" + " and removed" * args.remove
    print(f"{len(scans)} scans, {files} files {verb}: {args.out_path / FOLDER}")
    return OK


def scans_in(out_path: Path) -> list[str]:
    """The scans that have records in O, in natural order."""
    records = (load_record(path) for path in (out_path / "runs").glob("*.json"))
    names = {each["scan_id"] for each in records if isinstance(each.get("scan_id"), str)}
    return sorted(names, key=natural_order)


def archived_scans(out_path: Path) -> list[str]:
    """The scans that have an archive in O, in natural order."""
    return sorted((path.stem for path in (out_path / FOLDER).glob("*.tar")), key=natural_order)


def files_of(out_path: Path, scan: str, results: str) -> list[Path]:
    """A scan's files in O: its records, what they name as outputs there, and O/results/S."""
    found: set[Path] = set()
    for path in (out_path / "runs").glob(f"{scan}_*"):
        record = load_record(path)
        if record.get("scan_id") != scan:
            continue
        found.add(path)
        outputs = record.get("outputs")
        names = outputs if isinstance(outputs, dict) else {}
        found.update(out_path / name[2:] for name in names if name.startswith("O/"))
    found.update(path for path in (out_path / results / scan).rglob("*"))
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def archive_scan(out_path: Path, scan: str, results: str, remove: bool = False) -> int:
    """Write O/archive/S.tar, compare it with the files, and remove those where asked to; how many.

    Raises UserError where the archive cannot be written or files change meanwhile.
    """
    files, path = files_of(out_path, scan, results), out_path / FOLDER / f"{scan}.tar"
    with atomic_path(path) as beside:
        with tarfile.open(beside, "w") as archive:
            for file in files:
                archive.add(file, file.relative_to(out_path).as_posix(), recursive=False)
        _compare(beside, out_path, files)
    if remove:
        for file in files:
            file.unlink()
        _remove_empty({file.parent for file in files}, out_path)
    return len(files)


def _compare(path: Path, out_path: Path, files: Sequence[Path]) -> None:
    """Raise UserError unless the archive holds just what the files hold."""
    with tarfile.open(path) as archive:
        names = archive.getnames()
        same = names == [file.relative_to(out_path).as_posix() for file in files]
        for name in names if same else ():
            with archive.extractfile(name) as held, open(out_path / name, "rb") as loose:
                while same and (chunk := loose.read(CHUNK)):
                    same = chunk == held.read(CHUNK)
                same = same and not held.read(1)
    if not same:
        raise UserError(f"files of {out_path} changed while they were archived; run it again")


def _remove_empty(folders: Iterable[Path], top: Path) -> None:
    """Remove folders that nothing is left in, and their parents below `top`."""
    for folder in sorted(folders, key=lambda each: -len(each.parts)):
        while folder != top and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def extract_scan(out_path: Path, scan: str) -> int:
    """Put the files of O/archive/S.tar back; how many. The archive stays.

    Raises UserError where the archive is damaged or another's, and where a file that is there holds
    something else than the archive's: one of the two is newer, which is for people to say.
    """
    path = out_path / FOLDER / f"{scan}.tar"
    try:
        with tarfile.open(path) as archive:
            members = archive.getmembers()
            for member in members:
                target = _place(out_path, member)
                if target.is_file():
                    _refuse_other(archive, member, target)
                    continue
                with archive.extractfile(member) as held, atomic_path(target) as beside:
                    beside.write_bytes(held.read())
    except (tarfile.TarError, AttributeError) as error:
        raise UserError(f"{path} is no whole archive of a scan ({error})") from error
    return len(members)


def _place(out_path: Path, member: tarfile.TarInfo) -> Path:
    """Where a member belongs; TarError for one that is no file or leads out of O."""
    parts = Path(member.name).parts
    if not member.isfile() or ".." in parts or Path(member.name).is_absolute():
        raise tarfile.TarError(f"{member.name} is no file of a scan")
    return out_path / member.name


def _refuse_other(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    with archive.extractfile(member) as held:
        if target.stat().st_size != member.size or target.read_bytes() != held.read():
            raise UserError(f"{target} is another than {archive.name} holds; move one away")


if __name__ == "__main__":
    start(main)
