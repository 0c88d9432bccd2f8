"""What a command line says of a file of poses: which of its frames, at which rate, which wrists."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.stage.arguments import whole

FPS = 24  # frames a second of films and animations that ask for nothing else
LARGEST_FPS = 1000
WRISTS = ("captured", "file")


@dataclass(frozen=True)
class MotionOptions:
    """How a file of poses is read.

    fps: frames a second of the result; frames: which of the file's; rate: frames a second of the
    file, where it names none or a wrong one; wrists: 'captured', where the reconstruction has them,
    'file', or None, what suits the file; capture: of InterHand2.6M, by its number.
    """

    fps: float = FPS
    frames: slice = field(default_factory=lambda: slice(None))
    rate: float | None = None
    wrists: str | None = None
    capture: str | None = None

    def plain(self) -> list[Any]:
        """All of it as plain values, for records."""
        parts = [self.frames.start, self.frames.stop, self.frames.step]
        return [self.fps, parts, self.rate, self.wrists, self.capture]

    def rows(self, path: Path, count: int) -> slice:
        """`frames`, or UserError where it chooses none of the `count` frames of a file."""
        if len(range(count)[self.frames]) == 0:
            start, stop, step = ("" if part is None else part for part in self.plain()[1])
            text = f"{start}:{stop}" if step == "" else f"{start}:{stop}:{step}"
            raise UserError(f"--poses_frames {text} chooses none of the {count} frames of {path}")
        return self.frames


def frame_slice(text: str) -> slice:
    """An argparse type: a:b:step as Python's slices have it, each part optional, step 1 or more."""
    parts = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or (numbers[2:] and numbers[2] is not None and numbers[2] < 1):
        raise argparse.ArgumentTypeError(
            f"{text[:40]} is no a:b:step, such as 100:300, :50 or ::4 (b is not taken any more)"
        )
    return slice(*numbers)


def add_motion_options(parser: argparse.ArgumentParser, what: str) -> None:
    """The options of `motion_options`; what: how the help calls the poses."""
    add = parser.add_argument
    add("--poses", type=Path, metavar="F", help=what)
    add(
        "--poses_frames",
        type=frame_slice,
        default=slice(None),
        metavar="a:b:step",
        help="which frames of the file, counted from 0: 100:300, :50, ::4, or "
        "--poses_frames=-50: for the last 50 (default: all)",
    )
    add(
        "--poses_rate",
        type=whole(1, LARGEST_FPS),
        metavar="N",
        help="frames a second of the file (default: what it says; .pt files are not resampled)",
    )
    add(
        "--wrists",
        choices=WRISTS,
        help="captured: wrists stay where the reconstruction has them; file: they move as the file "
        "says (default: file for .pt and for the suite's own .npz, captured for others)",
    )
    add("--capture", metavar="N", help="of InterHand2.6M's .json: which capture (default: the one)")
    add(
        "--fps",
        type=whole(1, LARGEST_FPS),
        default=FPS,
        help="frames a second of the result; files that say their rate are resampled "
        "(default %(default)s)",
    )


def motion_options(args: argparse.Namespace) -> MotionOptions:
    """What the command line says."""
    return MotionOptions(args.fps, args.poses_frames, args.poses_rate, args.wrists, args.capture)
