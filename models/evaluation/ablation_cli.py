"""The command line of `python evaluate.py --ablation`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.evaluation.ablation import Scan, load_parts, run_ablation
from utils.errors import UserError
from utils.paths import ROOT
from utils.stage.arguments import add_seed
from utils.stage.command import run_command
from utils.stage.config import DEFAULT_CONFIG
from utils.stage.job import default_out_path
from utils.stage.output import add_output_options
from utils.stage.process import OK, USER_ERROR
from utils.stage.scans import add_scan_options, chosen_scans

PARTS = ROOT / "conf" / "ablation.conf"


def ablation_parser() -> argparse.ArgumentParser:
    """The command line of `--ablation`."""
    parser = argparse.ArgumentParser(
        prog="evaluate.py --ablation",
        description="Run all stages with one part of the pipeline changed at a time, judge each\n"
        "on held-out views (D/S/held) and ground truth (D/S/gt), and tabulate.\n"
        "Writes O/ablation.md and O/ablation.json; what is there is not run again.",
        epilog="examples:\n"
        "  python evaluate.py --ablation --data_path demo_data\n"
        "  python evaluate.py --ablation --data_path my_data --hold_out each \\\n"
        "      --only 'cameras never corrected'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--ablation", action="store_true", help=argparse.SUPPRESS)
    data = {"nargs": "+", "type": Path, "default": [Path("demo_data")], "metavar": "D"}
    add("--data_path", **data, help="one folder of scans or more (default demo_data)")
    add_scan_options(parser)
    add("--out_path", type=Path, metavar="O", help="default: ablation in the results' folder")
    add(
        "--hold_out",
        nargs="+",
        metavar="VIEW",
        help="judge on these views of the capture itself, which the stages then don't see; "
        "each: leave one out at a time, for each view",
    )
    add("--parts", type=Path, default=PARTS, metavar="F.conf", help="default conf/ablation.conf")
    add("--only", nargs="+", default=[], metavar="NAME", help="of the parts, these and the first")
    add("--set", action="extend", nargs="+", default=[], metavar="KEY=VALUE", help="in all parts")
    add("--conf", type=Path, default=DEFAULT_CONFIG, help="HOCON config (default %(default)s)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    add_seed(parser)
    add_output_options(parser)
    return parser


def ablation(argv: Sequence[str]) -> int:
    """Parse the command line of `--ablation` and run it; returns the exit status."""
    args = ablation_parser().parse_args(argv)
    return run_command(args, lambda: _run(args), argv)


def _run(args: argparse.Namespace) -> int:
    folder = args.out_path or default_out_path(args.data_path[0]) / "ablation"
    options = ["--conf", args.conf.resolve(), "--device", args.device, "--seed", args.seed]
    scans = [scan for path in args.data_path for scan in _scans_of(path, args)]
    if args.hold_out:
        scans = [remaining for scan in scans for remaining in held_out(scan, args.hold_out, folder)]
    parts = load_parts(args.parts, args.set, args.only)
    report = run_ablation(scans, parts, folder, [str(word) for word in options])
    print((folder / "ablation.md").read_text(encoding="utf-8"), end="")
    return USER_ERROR if report["failed"] else OK


def _scans_of(data_path: Path, args: argparse.Namespace) -> list[Scan]:
    from utils.captures import list_scans

    scans = [Scan(data_path, name) for name in chosen_scans(args, lambda: list_scans(data_path))]
    for scan in scans:
        if not scan.folder.is_dir():
            raise UserError(f"{scan.folder} is no folder; check --data_path and the scans' names")
    return scans


def held_out(scan: Scan, views: Sequence[str], folder: Path) -> list[Scan]:
    """`scan` without the `views`; for `each`, one scan a view that is without it.

    They are written into folder/captures. Raises UserError on what is no view.
    """
    from utils.captures import load_capture
    from utils.captures.hold_out import hold_out

    if list(views) == ["each"]:
        sets = [[view] for view in range(len(load_capture(scan.data_path, scan.scan_id)))]
    elif all(view.isdecimal() for view in views):
        sets = [sorted({int(view) for view in views})]
    else:
        raise UserError(f"--hold_out {' '.join(views)}: expected numbers of views, or each")
    fitted = default_out_path(scan.data_path) / "mano_out"
    scans = []
    for held in sets:
        numbers = "_".join(f"{view:02d}" for view in held)
        name = f"{scan.data_path.resolve().name}_without_{numbers}"
        destination = folder / "captures" / name
        scans.append(
            Scan(hold_out(scan.data_path, scan.scan_id, held, destination, fitted), scan.scan_id)
        )
    return scans
