"""Where a stage's time goes: `python -m utils.profile_stage mesh_sfs_optim.py --data_path R ...`.

Runs the stage as given under py-spy (requirements-benchmark.txt), which looks at it a hundred times
a second, and prints what its main thread was doing: seconds by the suite's own functions, with all
that these call in other libraries; imports count as such. Start-up, compiling and files are part of
it: run the stage once before.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.paths import ROOT

RATE = 100  # looks a second
SHOWN = 25  # rows
FRAME = re.compile(r"^(?P<function>.+) \((?P<file>[^()]*?)(:\d+)?\)$")
OWN = ("models/", "utils/", "mano/")
IMPORTS, OTHERS = "imports", "start-up and others"


@dataclass(frozen=True)
class Profile:
    """Looks at the main thread by what it did, and at the worker threads while they worked."""

    main: Counter[str]
    workers: int

    def table(self, rows: int = SHOWN) -> str:
        """Seconds and shares, the largest first."""
        total = sum(self.main.values())
        lines = [f"{'seconds':>8}  {'share':>5}  part ({total / RATE:.1f} s in all)"]
        for part, looks in self.main.most_common(rows):
            lines.append(f"{looks / RATE:8.2f}  {looks / total:5.0%}  {part}")
        cores = (total + self.workers) / max(total, 1)
        lines.append(f"threads at work on average: {cores:.2f}")
        return "\n".join(lines)


def summed(stacks: Iterable[str], scripts: Sequence[str]) -> Profile:
    """The profile of py-spy's raw lines, `outermost;...;innermost count`.

    scripts: names of files that are the suite's own, beside its packages.
    """
    main: Counter[str] = Counter()
    workers = 0
    for line in stacks:
        frames, _, count = line.rpartition(" ")
        if "Thread.run (threading.py" in frames:
            workers += 0 if _waits(frames) else int(count)
        else:
            main[_part(frames.split(";"), scripts)] += int(count)
    return Profile(main, workers)


def _waits(frames: str) -> bool:
    """Whether a worker thread only waits for work."""
    return "_WorkItem.run" not in frames


def _part(frames: Sequence[str], scripts: Sequence[str]) -> str:
    """What a stack is: an import, or the innermost function of ours."""
    if any("<frozen importlib" in frame for frame in frames):
        return IMPORTS
    for frame in reversed(frames):
        found = FRAME.match(frame)
        if found and (found["file"].startswith(OWN) or found["file"] in scripts):
            return f"{found['file']}: {found['function']}"
    return OTHERS


def main(argv: Sequence[str] | None = None) -> int:
    """Run a stage under py-spy and print the table; returns the stage's exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", help="a stage's script, such as mesh_sfs_optim.py")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="the stage's own options")
    args = parser.parse_args(argv)
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        print("error: py-spy is not installed: pip install -r requirements-benchmark.txt")
        return 2
    if not (ROOT / args.stage).is_file():
        print(f"error: {args.stage}: no such stage")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "stacks.txt"
        command = [
            spy,
            "record",
            "--rate",
            str(RATE),
            "--format",
            "raw",
            "--output",
            str(raw),
            "--",
        ]
        status = subprocess.run(
            [*command, sys.executable, str(ROOT / args.stage), *args.options], check=False
        ).returncode
        if raw.is_file():
            scripts = [path.name for path in ROOT.glob("*.py")]
            print(summed(raw.read_text().splitlines(), scripts).table())
    return status


if __name__ == "__main__":
    sys.exit(main())
