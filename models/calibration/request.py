"""What a calibration is asked for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from utils.calibration.boards import Board
from utils.errors import UserError


@dataclass(frozen=True)
class Request:
    """Photos (a folder or a video), and what is known of them; see calibrate_cameras.py --help."""

    photos: Path
    count: int = 60  # of a video's frames
    keep_shaken: bool = False
    way: str = "auto"  # or "background", "hands"
    lens: str = "auto"  # or "shared", "each"
    focal: float | None = None  # pixels
    board: Board | None = None
    distance: float | None = None  # millimetres
    marks: Path | None = None
    keypoints: Path | None = None
    as_taken: bool = False  # photos of bending fingers are left as they are
    moments: tuple[Path, ...] = ()  # folders of the same cameras' photos or keypoints

    @staticmethod
    def of(args: argparse.Namespace) -> Request:
        """The request of a command line. Raises UserError for what contradicts itself."""
        if (args.distance is None) != (args.marks is None):
            raise UserError("--distance and --marks belong together: give both")
        if args.distance is not None and args.board is not None:
            raise UserError("--board and --distance both give the scale; choose one")
        if args.distance is not None and not args.distance > 0:
            raise UserError(f"--distance {args.distance:g}: expected millimetres above 0")
        if args.focal is not None and not args.focal > 0:
            raise UserError(f"--focal {args.focal:g}: expected pixels above 0")
        return Request(
            photos=args.photos,
            count=args.count,
            keep_shaken=args.keep_shaken,
            way=args.way,
            lens=args.lens,
            focal=args.focal,
            board=Board.of(args.board) if args.board else None,
            distance=args.distance,
            marks=args.marks,
            keypoints=args.keypoints,
            as_taken=args.as_taken,
            moments=tuple(args.moments),
        )

    def as_text(self) -> list[str]:
        """What the result depends on, in words."""
        moments = [str(folder) for folder in self.moments] or None
        board = self.board.text if self.board else None
        fields = {**vars(self), "board": board, "moments": moments}
        return [f"{key} = {value}" for key, value in fields.items()]
