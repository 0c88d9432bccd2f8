"""Which scans a command runs on: one, a list, a range, a file of names, or patterns."""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path

from utils.errors import UserError
from utils.io.files import load_text
from utils.stage.arguments import LONGEST_NAME, whole
from utils.stage.frames import FrameSlice, choose_frames, listed

WILDCARDS = "*?["


def add_scan_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """The options of `chosen_scans`; `several`: they must be named, there is no default."""
    which = parser.add_mutually_exclusive_group(required=several)
    add = which.add_argument
    if not several:
        add("--scan_id", default="1", metavar="S", help="the scan D/S (default 1)")
    add("--range", type=whole(1, 1_000_000), metavar="N", help="run scans 1..N in turn")
    add(
        "--scans",
        nargs="+",
        metavar="S",
        help="run these scans in turn; patterns in quotes match what D holds, such as 'take_*'",
    )
    add(
        "--frames",
        type=FrameSlice.parse,
        metavar="A:B:STEP",
        help="run the scans numbered A, A+STEP, ... below B as the frames of a movement (A, B and "
        "STEP may be left out: ':' is all); mano_optim.py and mesh_sfs_optim.py then share shape, "
        "cameras, light and skin between them",
    )
    add(
        "--scans-from",
        type=Path,
        metavar="FILE",
        help="run the scans that a text file names, one a line ('#' begins a comment)",
    )


def chosen_scans(args: argparse.Namespace, present: Callable[[], Sequence[str]]) -> list[str]:
    """The scans that the command line names, each once, in its order.

    present() lists the scans that the data hold; it is asked only where a pattern needs it.
    Raises UserError for names that are none, patterns without a match and empty files.
    """
    if args.range is not None:
        return [str(i) for i in range(1, args.range + 1)]
    if args.scans is not None:
        return _expanded(args.scans, "--scans", present)
    if args.frames is not None:
        frames = choose_frames(args.frames, present())
        if frames.missing:
            print(f"note: frames {listed(frames.missing)} are not there")
        return list(frames.names)
    if args.scans_from is not None:
        return _expanded(_names_in(args.scans_from), f"--scans-from {args.scans_from}", present)
    _check(args.scan_id, "--scan_id")
    if any(sign in args.scan_id for sign in WILDCARDS):
        raise UserError(f"--scan_id {args.scan_id}: a name is expected; --scans takes patterns")
    return [args.scan_id]


def _names_in(path: Path) -> list[str]:
    try:
        lines = load_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--scans-from {path}: not a readable text file ({error}); expected one scan a line"
        ) from error
    names = [line.partition("#")[0].strip() for line in lines]
    names = [name for name in names if name]
    if not names:
        raise UserError(f"--scans-from {path}: names no scan; expected one a line")
    return names


def _expanded(names: Sequence[str], source: str, present: Callable[[], Sequence[str]]) -> list[str]:
    scans: dict[str, None] = {}  # ordered, each once
    for name in names:
        _check(name, source)
        matches = [name]
        if any(sign in name for sign in WILDCARDS):
            matches = fnmatch.filter(present(), name)
            if not matches:
                held = ", ".join(list(present())[:8]) or "none"
                raise UserError(f"{source}: no scan matches '{name}'; the data hold {held}")
        scans.update(dict.fromkeys(matches))
    return list(scans)


def _check(name: str, source: str) -> None:
    if not name or Path(name).name != name or name == "..":
        raise UserError(f"{source} {name}: expected a folder name inside --data_path")
    if len(name.encode()) > LONGEST_NAME:
        raise UserError(f"{source} {name[:40]}...: longer than {LONGEST_NAME} bytes; rename it")
