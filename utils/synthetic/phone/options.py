"""What `make_demo.py --rig phone` can be asked for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields

BACKGROUNDS = ("table", "plain")
EXPOSURES = ("fixed", "drift")
RENDERERS = ("trace", "raster")
SIZE = (480, 360)  # (height, width) of a photo where none is asked for


@dataclass(frozen=True)
class PhoneOptions:
    """How a phone is led around a hand, and what its photos suffer from."""

    photos: int = 20
    background: str = "table"  # one of BACKGROUNDS
    board: bool = False  # the printed board of `utils.calibration.boards` lies on the table
    distortion: tuple[float, ...] = ()  # OpenCV's k1 k2 p1 p2
    blur: float = 0.0  # share of photos that the shaking hand spoils
    exposure: str = "fixed"  # one of EXPOSURES
    motion: float = 0.0  # millimetres that the hand drifts meanwhile
    bending: float = 0.0  # degrees by which finger joints bend meanwhile
    video: bool = False  # also video.mp4 of the photos
    renderer: str = "trace"  # one of RENDERERS

    @staticmethod
    def of(args: argparse.Namespace) -> PhoneOptions:
        """The options on a command line of `add_phone_options`."""
        return PhoneOptions(**{f.name: getattr(args, f.name) for f in fields(PhoneOptions)})


def given_phone_options(args: argparse.Namespace) -> list[str]:
    """Names of the options on a command line of `add_phone_options` that are not the defaults."""
    given, usual = vars(PhoneOptions.of(args)), vars(PhoneOptions())
    return [name for name, value in given.items() if value != usual[name]]


def add_phone_options(parser: argparse.ArgumentParser) -> None:
    """The options that only --rig phone looks at."""
    add = parser.add_argument_group(
        "--rig phone",
        "photos along a hand-held path, as calibrate_cameras.py takes them: OUT/SCAN/photos/*.jpg "
        "with their lens' distortion, pose/ (keypoints in them), gt/cameras.json, gt/mask, "
        "gt/mesh.ply; no cameras beside the photos, for these are to be found",
    ).add_argument
    add("--photos", type=_photos, default=20, metavar="N", help="how many (default %(default)s)")
    add("--background", choices=BACKGROUNDS, default="table", help="textured, or nothing to see")
    add("--board", action="store_true", help="a printed ChArUco board lies on the table")
    add(
        "--distortion",
        type=_numbers,
        default=(),
        metavar="K1[,K2,P1,P2]",
        help="of the lens, as OpenCV counts, e.g. 0.08,-0.12",
    )
    add("--blur", type=_share, default=0.0, metavar="SHARE", help="of photos that are shaken")
    add("--exposure", choices=EXPOSURES, default="fixed", help="drift: the phone keeps adjusting")
    add("--motion", type=float, default=0.0, metavar="MM", help="the hand drifts by so much")
    add("--bending", type=float, default=0.0, metavar="DEG", help="its fingers bend by so much")
    add("--video", action="store_true", help="also write the photos as video.mp4")
    add(
        "--renderer",
        choices=RENDERERS,
        default="trace",
        help="raster: no shadows, but no mitsuba either, and a hundred times as fast",
    )


def _photos(text: str) -> int:
    value = int(text)
    if value < 3:
        raise argparse.ArgumentTypeError(f"{value} photos: at least 3 are needed")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share: expected 0 to below 1")
    return value


def _numbers(text: str) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    if len(values) > 4:
        raise argparse.ArgumentTypeError(f"{text}: expected K1[,K2[,P1,P2]]")
    return values
