"""What all stage scripts share on the command line: arguments, errors, batches, reruns."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.event_files import check_tensorboard, event_file
from utils.stage.arguments import add_seed, whole
from utils.stage.config import DEFAULT_CONFIG, Config, load_config
from utils.stage.device import resolve_device
from utils.stage.failures import exit_status, list_failed, report_error, report_failure
from utils.stage.frames import choose_frames
from utils.stage.lock import release_all
from utils.stage.outcomes import Outcomes
from utils.stage.output import Speech, add_output_options, spoken
from utils.stage.process import INTERRUPTED
from utils.stage.scans import add_scan_options, chosen_scans
from utils.stage.seed import seed_everything
from utils.viewer.options import viewer_of

if TYPE_CHECKING:
    from utils.viewer.live import LiveView


@dataclass(frozen=True)
class Job:
    """One scan of one stage: where it reads, where it writes, and how.

    scan_ids: the scans of a stage that takes several together, whose scan_id is "all" then.
    records: of the stages that were run, or found up to date, for this job so far.
    """

    data_path: Path
    scan_id: str
    out_path: Path
    config: Config
    device: str
    seed: int
    overwrite: bool
    args: argparse.Namespace
    scan_ids: tuple[str, ...] = ()
    records: list[Path] = field(default_factory=list)

    @property
    def scan_dir(self) -> Path:
        """The folder of the scan's inputs, D/S."""
        return self.data_path / self.scan_id

    @property
    def results_dir(self) -> Path:
        """The folder of the refined hands and of what comes of them, O/demo_sfs/S."""
        return self.out_path / self.config.out_mesh_dire / self.scan_id

    @property
    def force(self) -> bool:
        """Whether results are to be written even where the verdict is failed."""
        return bool(getattr(self.args, "force", False))

    def nested(self) -> Job:
        """The job for another stage that this one runs, which reads the config on its own."""
        return replace(self, config=self.config.unread())


def stage_parser(
    description: str,
    examples: str,
    together: bool = False,
    optimises: bool = False,
    uses_torch: bool = True,
) -> argparse.ArgumentParser:
    """The arguments that every stage has.

    `examples` are command lines, one or more. together: the stage runs once, for all scans that
    the command line names, instead of once a scan. optimises: its steps may become curves.
    uses_torch: it is seeded, which imports it.
    """
    parser = argparse.ArgumentParser(
        description=description,
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data_help = "folder of the scans (default: the config's data_path)"
    parser.add_argument("--data_path", type=Path, metavar="D", help=data_help)
    add_scan_options(parser, several=together)
    parser.set_defaults(together=together, uses_torch=uses_torch)
    _add_run_options(parser)
    parser.set_defaults(tensorboard=False, viewer=None, viewer_stay=False)
    if optimises:
        add_tensorboard_option(parser)
    add_output_options(parser)
    parser.add_argument(
        "--outcomes",
        type=Path,
        metavar="FILE",
        help="append what became of each scan, a line of JSON, and note failures for the index",
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Where results go, and how a stage runs."""
    add = parser.add_argument
    add(
        "--out_path",
        type=Path,
        metavar="O",
        help="folder of the results (default: D's last component with 'data' replaced by 'out')",
    )
    add("--conf", type=Path, default=DEFAULT_CONFIG, help="HOCON config (default %(default)s)")
    add(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="override config keys, one or several; may be given more than once",
    )
    add(
        "--frame",
        type=whole(0, 100_000_000),
        metavar="N",
        help="of a folder of photos or a video a camera, the frame numbered N: --set frame=N",
    )
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    add_seed(parser)
    add("--overwrite", action="store_true", help="run even if the results are up to date")
    add("--force", action="store_true", help="write results even where the verdict is failed")


def add_tensorboard_option(parser: argparse.ArgumentParser) -> None:
    """The option --tensorboard."""
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="write the terms of every step to event files in O/tensorboard",
    )


def default_out_path(data_path: Path) -> Path:
    """`demo_data` -> `demo_out`, `captures/room` -> `room_out`, in the working directory."""
    name = data_path.resolve().name
    return Path(name.replace("data", "out") if "data" in name else f"{name}_out")


def run_stage(
    parser: argparse.ArgumentParser,
    stage: Callable[[Job], None],
    argv: Sequence[str] | None = None,
    sequence: Callable[[Job], None] | None = None,
) -> int:
    """Parse, run `stage` once a scan, and return the exit status.

    sequence: what runs instead, once, on the frames that --frames names; its job's scan_id is the
    sequence's title.

    A scan that fails, whatever the reason, does not stop a batch; the failed ones are listed at the
    end. Status 0: all scans ran; 2: errors that the user can mend; 1: at least one that is a fault
    of the suite, whose traceback is kept in O/runs/S_STAGE.log; 3: results whose verdict is
    failed, which were not written; 75: nothing failed, but another process was running the stage
    on a scan, which was left to it; 130: interrupted.
    """
    args = parser.parse_args(argv)
    try:
        with spoken(args, argv) as speech:
            as_sequence = args.frames is not None and sequence is not None
            return _run_jobs(args, sequence if as_sequence else stage, speech, as_sequence)
    except UserError as error:  # of the log itself
        return report_error(error, args.debug)


def _run_jobs(
    args: argparse.Namespace, stage: Callable[[Job], None], speech: Speech, as_sequence: bool
) -> int:
    try:
        if args.tensorboard:
            check_tensorboard()
        jobs = _jobs(args, as_sequence)
        with viewer_of(args) as view:
            return _run_each(jobs, args, stage, speech, view)
    except UserError as error:
        return report_error(error, args.debug)


def _run_each(
    jobs: Sequence[Job],
    args: argparse.Namespace,
    stage: Callable[[Job], None],
    speech: Speech,
    view: LiveView | None,
) -> int:
    failed: dict[str, int] = {}
    outcomes = Outcomes(args.outcomes)
    for number, job in enumerate(jobs, 1):
        if len(jobs) > 1:
            print(f"scan {job.scan_id} ({number} of {len(jobs)})")
            speech.scan_id = job.scan_id
        try:
            error = _run_job(job, stage, view)
        except KeyboardInterrupt:
            print(
                f"\ninterrupted in scan {job.scan_id}; run the same command to go on",
                file=sys.stderr,
            )
            return INTERRUPTED
        if error is not None:
            failed[job.scan_id] = report_failure(error, job, stage.__name__)
        outcomes.note(job.out_path, job.scan_id, stage.__name__, error, job.records)
    speech.scan_id = None
    list_failed(failed, len(jobs))
    if view is not None and args.viewer_stay:
        view.stay()
    return exit_status(failed.values())


def _run_job(job: Job, stage: Callable[[Job], None], view: LiveView | None) -> Exception | None:
    """What ended the run of one scan before its time, if anything did."""
    try:
        seed_everything(job.seed, job.args.uses_torch)
        if view is not None:
            view.begin(f"scan {job.scan_id}")
        with event_file(_event_folder(job, stage.__name__)):
            stage(job)
    except Exception as error:
        return error
    finally:
        release_all()
    return None


def _event_folder(job: Job, stage: str) -> Path | None:
    """Where event files go; None: there are to be none."""
    if not job.args.tensorboard:
        return None
    return job.out_path / "tensorboard" / f"{job.scan_id}_{stage}"


def _jobs(args: argparse.Namespace, as_sequence: bool = False) -> list[Job]:
    """What the command line asks for: a job a scan, or one for all."""
    framed = [] if args.frame is None else [f"frame={args.frame}"]
    config = load_config(args.conf, [*args.set, *framed])
    data_path = args.data_path or _configured_data_path(config)
    scans = chosen_scans(args, lambda: _scans_in(data_path, config))
    first = Job(
        data_path=data_path,
        scan_id="all",
        out_path=args.out_path or own_out_path(data_path, config),
        config=config,
        device=resolve_device(args.device),
        seed=args.seed,
        overwrite=args.overwrite,
        args=args,
        scan_ids=tuple(scans),
    )
    if as_sequence:
        return [replace(first, scan_id=choose_frames(args.frames, scans).title)]
    if args.together:
        return [first]
    return [
        replace(first.nested(), scan_id=scan_id, scan_ids=(scan_id,), records=[])
        for scan_id in scans
    ]


def _configured_data_path(config: Config) -> Path:
    if not config.data_path:
        raise UserError("--data_path is missing; give it, or set data_path in the config")
    return Path(config.data_path)


def own_out_path(data_path: Path, config: Config) -> Path:
    """The folder of the results where the command line names none."""
    if config.data_type == "demo":
        return default_out_path(data_path)  # without the imports that other layouts need
    from utils.captures.open import named_out_path

    return named_out_path(data_path, config) or default_out_path(data_path)


def _scans_in(data_path: Path, config: Config) -> Sequence[str]:
    from utils.captures import list_scans

    return list_scans(data_path, config)
