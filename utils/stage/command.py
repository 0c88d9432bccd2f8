"""Running a script that knows no scans as stages are run: its output, errors and exit status."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence

from utils.errors import UserError
from utils.stage.output import spoken
from utils.stage.process import INTERRUPTED, USER_ERROR

GO_ON = "run the same command to go on"


def run_command(
    args: argparse.Namespace,
    work: Callable[[], int],
    argv: Sequence[str] | None = None,
    interrupted: str = GO_ON,
) -> int:
    """The exit status that `work` returns, 2 for a UserError, 130 where it was interrupted.

    args: of a parser with `add_output_options` and, perhaps, --debug, as argv gave them.
    interrupted: what is said then.
    """
    try:
        with spoken(args, argv):
            return _status(args, work, interrupted)
    except UserError as error:  # of the log itself
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR


def _status(args: argparse.Namespace, work: Callable[[], int], interrupted: str) -> int:
    try:
        return work()
    except UserError as error:
        if getattr(args, "debug", False):
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print(f"\ninterrupted; {interrupted}", file=sys.stderr)
        return INTERRUPTED
