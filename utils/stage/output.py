"""What a stage says, and where to: the terminal, less of it with --quiet, a file with --log."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from utils.errors import UserError
from utils.io.fingerprint import code_version
from utils.progress_bar import progress_to

KEPT = ("error: ", "failed: ", "verdict: ", "warning: ")  # lines that --quiet keeps begin so


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """The options --quiet and --log."""
    add = parser.add_argument
    add("--quiet", action="store_true", help="say only verdicts, warnings and errors")
    add(
        "--log",
        type=Path,
        metavar="FILE",
        help="append all that is said, and progress as lines, to a text file, too",
    )


@contextmanager
def spoken(args: argparse.Namespace, argv: Sequence[str] | None = None) -> Iterator[Speech]:
    """In the block, stdout, stderr and progress go where the options say.

    argv: the command line, the process's own where None. Raises UserError where the log cannot be
    written.
    """
    out, err = sys.stdout, sys.stderr
    with ExitStack() as stack:
        log = None
        if args.log is not None:
            log = stack.enter_context(Log(args.log, err))
            log.write(_header(argv))
        speech = Speech()
        sys.stdout = Voice(out, log, speech, args.quiet, only_them=True)
        sys.stderr = Voice(err, log, speech, args.quiet, only_them=False)
        stack.callback(_give_back, out, err)
        bars = err if err.isatty() and not args.quiet else None
        lines = sys.stderr if bars is None and not args.quiet else log
        stack.enter_context(progress_to(bars, lines))
        yield speech


def _give_back(out: TextIO, err: TextIO) -> None:
    sys.stdout.flush()
    sys.stdout, sys.stderr = out, err


def _header(argv: Sequence[str] | None) -> str:
    """The first line of a run in its log."""
    script, *own = sys.argv
    command = shlex.join([Path(script).name, *(own if argv is None else map(str, argv))])
    return f"=== {time.strftime('%Y-%m-%d %H:%M:%S %z')}, code {code_version()}: {command}\n"


class Speech:
    """Which scan of a batch is spoken of; None: there is one only."""

    scan_id: str | None = None

    def named(self, line: str) -> str:
        """The line with the scan's name, where it has none."""
        scan = f"scan {self.scan_id}: "
        return line if self.scan_id is None or scan in line else scan + line


class Voice:
    """stdout or stderr of a stage: what is said goes to `stream`, and to the log as it is.

    Where `quiet`, verdicts, warnings and errors name their scan, and `only_them`: the rest does
    not reach `stream`.
    """

    def __init__(
        self, stream: TextIO, log: Log | None, speech: Speech, quiet: bool, only_them: bool
    ) -> None:
        self._stream, self._log, self._speech = stream, log, speech
        self._quiet, self._only_them, self._begun = quiet, only_them, ""

    def write(self, text: str) -> int:
        """Pass `text` on; where quiet, when its line is complete."""
        if self._log is not None:
            self._log.write(text)
        if not self._quiet:
            self._stream.write(text)
            return len(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.startswith(KEPT):
                self._stream.write(f"{self._speech.named(line)}\n")
            elif not self._only_them:
                self._stream.write(f"{line}\n")
        return len(text)

    def flush(self) -> None:
        """Flush what was passed on."""
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Log:
    """A text file that lines are appended to, each as soon as it is complete; a context manager.

    Where the disk takes no more, that is said on `terminal`, once, and the run goes on.
    """

    def __init__(self, path: Path, terminal: TextIO) -> None:
        self._path, self._terminal, self._given_up = path, terminal, False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            raise UserError(
                f"--log {path}: {error.strerror}; name a file in a folder that can be written"
            ) from error

    def write(self, text: str) -> int:
        """Append text."""
        try:
            if not self._given_up:
                self._file.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Nothing: lines wait for nobody."""

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if not self._given_up:
            self._given_up = True
            print(f"warning: --log {self._path}: {error.strerror}", file=self._terminal)
