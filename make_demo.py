#!/usr/bin/env python
"""Make a synthetic multi-view capture of one or two open hands, with exact ground truth.

The hands start as the open hand model in a random shape and pose, then leave its span: their
fingers have their own length and girth, soft tissue bulges, and the skin carries creases,
knuckles, nails, tendons and veins. A path tracer (mitsuba) takes the pictures.

What OUT/SCAN holds
  img/%02d.png, mask/%02d.png   photos (8-bit sRGB) and exact masks of hand and wrist cut
  pose/%02d.json                detected keypoints: 21 a hand, noisy, some wrong, missing or swapped
  camera/param.npz              world_mat_i = K [R | t], scale_mat_i; OpenCV axes, pixel centres at
                                integers; the world is in metres
  held/{img,mask,param.npz}     more views, for judging; their exposure is not perturbed
  gt/mesh.ply                   the surface in the pictures, without the wrist cut (left hand
                                first); colours are the sRGB-encoded albedo
  gt/keypoints3d.xyz            42 x 3, left hand first; nan for a hand that is not there
  gt/params.json                everything else: pose, shape, lights, gains, what was done to
                                the keypoints

With --frames N the hands move, and OUT/1 to OUT/N are the frames, each a capture: the same hands,
cameras, lights and exposure, 30 frames a second. They cross each other without touching, and for
some ten frames in every sixty they move several times as fast.

Equal arguments give equal geometry, cameras and keypoints everywhere, and equal pictures on equal
machines and --variant.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.stage import start
from utils.stage.arguments import whole
from utils.stage.command import run_command
from utils.stage.output import add_output_options
from utils.stage.process import OK
from utils.synthetic.phone.options import PhoneOptions, add_phone_options, given_phone_options

if TYPE_CHECKING:
    from utils.synthetic.capture_files import RecordedViews
    from utils.synthetic.session import Session

HAND_FILE = Path(__file__).resolve().parent / "mano" / "open_hand_right.npz"
SIDES = {"left": ["left"], "right": ["right"], "both": ["left", "right"]}
SMALLEST_IMAGE = 16  # pixels
MOST_FRAMES = 10_000
NOT_OF_THE_CAPTURE = ("out", "scan_id", "debug", "quiet", "log")  # options


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:\n  python make_demo.py --seed 3 --hands right --views 16 --res 640x512 "
        "--out captures",
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of captures; the capture is OUT/SCAN")
    add("--scan_id", default="1", metavar="SCAN", help="name of the capture (default %(default)s)")
    _add_scene_options(parser)
    _add_picture_options(parser)
    add("--rig", choices=["dome", "phone"], default="dome", help="what takes the pictures")
    add_phone_options(parser)
    add("--preview", type=Path, metavar="PNG", help="also write a contact sheet of all views")
    add("--overwrite", action="store_true", help="replace a capture that is there")
    add_output_options(parser)
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_scene_options(parser: argparse.ArgumentParser) -> None:
    """Whose hands, how, and from where they are seen."""
    add = parser.add_argument
    add("--seed", type=_at_least(0), default=0, help="who, where and how (default %(default)s)")
    add("--pose_seed", type=_at_least(0), metavar="N", help="the hands of --seed in another pose")
    add("--hands", choices=list(SIDES), default="both", help="default: %(default)s")
    add(
        "--frames",
        type=whole(2, MOST_FRAMES),
        metavar="N",
        help="a movement of N frames, OUT/1 to OUT/N; what is there of it is kept",
    )
    add("--views", type=_at_least(2), default=12, help="training views (default %(default)s)")
    add("--held", type=_at_least(1), default=2, help="held-out views (default %(default)s)")


def _add_picture_options(parser: argparse.ArgumentParser) -> None:
    """How large the pictures are, and how fine what is in them."""
    add = parser.add_argument
    add(
        "--res",
        dest="size",
        type=_resolution,
        metavar="WxH",
        help="default: 400x400; of a phone 360x480",
    )
    add(
        "--spp",
        dest="samples",
        type=_at_least(1),
        default=96,
        metavar="N",
        help="samples a pixel (default %(default)s)",
    )
    add("--bounces", type=_at_least(1), default=4, help="of light (default %(default)s)")
    add(
        "--levels",
        type=_at_least(0),
        default=2,
        help="subdivisions of the hand: 2 gives 1.1 mm edges and 52,000 faces a hand, each more "
        "half the edge (default %(default)s)",
    )
    add(
        "--variant",
        choices=["auto", "scalar_rgb", "llvm_ad_rgb"],
        default="auto",
        help="of mitsuba: auto takes LLVM where there is one (about twice as fast)",
    )


def _at_least(lowest: int):
    def parse(text: str) -> int:
        value = int(text)
        if value < lowest:
            raise argparse.ArgumentTypeError(f"{value} is less than {lowest}")
        return value

    parse.__name__ = "int"
    return parse


def _resolution(text: str) -> tuple[int, int]:
    """'640x512' (width x height) to (height, width)."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or min(int(match[1]), int(match[2])) < SMALLEST_IMAGE:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not WIDTHxHEIGHT of at least {SMALLEST_IMAGE} pixels each, e.g. 640x512"
        )
    return int(match[2]), int(match[1])


def make_capture(
    target: Path,
    seed: int = 0,
    hands: str = "both",
    views: int = 12,
    held: int = 2,
    size: tuple[int, int] = (400, 400),
    samples: int = 96,
    bounces: int = 4,
    levels: int = 2,
    variant: str = "auto",
    preview: Path | None = None,
    overwrite: bool = False,
    pose_seed: int | None = None,
) -> None:
    """Write a capture to the folder `target`; `size` is (height, width), the rest as in --help.

    Raises UserError when `target` exists and `overwrite` is False, cannot be written, or when
    mitsuba is missing.
    """
    from utils.synthetic.capture_files import appearing_folder, refuse_existing
    from utils.synthetic.path_tracer import PathTracer, set_variant
    from utils.synthetic.preview import save_preview
    from utils.synthetic.session import photograph, plan_session
    from utils.synthetic.skeleton import load_template

    arguments = {k: v for k, v in locals().items() if isinstance(v, int | str | tuple)}
    start = time.perf_counter()
    refuse_existing(target, overwrite)
    set_variant(variant)  # where that fails, nothing is waited for
    template, sides = load_template(HAND_FILE), SIDES[hands]
    session = plan_session(template, sides, levels, views, held, size, seed, pose_seed)
    tracer = PathTracer(session.hands, session.lights, bounces, variant)
    training, held_out, exposure = photograph(session, tracer, samples, seed)
    facts = {"conventions": __doc__, "arguments": arguments, "mitsuba_variant": tracer.variant}
    facts |= {"exposure": exposure, **session.facts(template.hands_mean)}
    with appearing_folder(target, overwrite) as folder:
        _write(folder, session, training, held_out, facts)
    if preview:
        save_preview(preview, training, held_out, session.detections.poses)
    print(f"{target}: {views + held} views in {time.perf_counter() - start:.0f} s")


def make_sequence(
    folder: Path,
    frames: int,
    seed: int = 0,
    hands: str = "both",
    views: int = 12,
    held: int = 2,
    size: tuple[int, int] = (400, 400),
    samples: int = 96,
    bounces: int = 4,
    levels: int = 2,
    variant: str = "auto",
    preview: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write a movement of `frames` frames, each a capture `folder`/1 to `folder`/N.

    `size` is (height, width), the rest as in --help; a preview is of the last frame. Raises
    UserError as `make_capture`.
    """
    from utils.synthetic.preview import save_sequence_preview
    from utils.synthetic.sequence import Rig, Tracing, write_sequence
    from utils.synthetic.skeleton import load_template

    arguments = {k: v for k, v in locals().items() if isinstance(v, int | str | tuple)}
    arguments.pop("overwrite")
    rig, tracing = Rig(views, held, size), Tracing(samples, bounces, variant, seed)
    facts = {"conventions": __doc__, "arguments": arguments}
    template, sides = load_template(HAND_FILE), SIDES[hands]
    write_sequence(folder, template, sides, levels, rig, tracing, frames, facts, overwrite)
    if preview:
        save_sequence_preview(preview, folder, frames)


def _write(
    folder: Path, session: Session, training: RecordedViews, held: RecordedViews, facts: dict
) -> None:
    from utils.synthetic.capture_files import write_capture

    poses, world_from_norm = session.detections.poses, session.world_from_norm
    write_capture(folder, training, held, world_from_norm, poses, session.hands, facts)


def main(argv: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    args = make_parser().parse_args(argv)
    kept = "nothing was written" if args.frames is None else "complete frames are kept"
    return run_command(args, lambda: _make(args), argv, interrupted=kept)


def _make(args: argparse.Namespace) -> int:
    from utils.errors import UserError

    if Path(args.scan_id).name != args.scan_id:
        raise UserError(f"--scan_id {args.scan_id}: expected a folder name inside --out")
    for name in given_phone_options(args) if args.rig != "phone" else ():
        raise UserError(f"--{name} is of --rig phone alone")
    target = args.out / args.scan_id
    phone = {field.name for field in fields(PhoneOptions)} | {"rig"}
    names = set(vars(args)) - {*NOT_OF_THE_CAPTURE, *phone, "frames"}
    options = {k: v for k, v in vars(args).items() if k in names and v is not None}
    if args.frames is not None:
        _make_frames(args, options)
    elif args.rig == "phone":
        _make_phone(target, PhoneOptions.of(args), options)
    else:
        make_capture(target, **options)
    return OK


def _make_frames(args: argparse.Namespace, options: dict[str, Any]) -> None:
    from utils.errors import UserError

    alone = {"scan_id": args.scan_id != "1", "pose_seed": args.pose_seed is not None}
    for name in [name for name, given in alone.items() if given]:
        raise UserError(f"--{name} is of single captures; leave it out with --frames")
    if args.rig == "phone":
        raise UserError("--rig phone takes photos of a hand that keeps still; leave out --frames")
    make_sequence(args.out, args.frames, **options)


def _make_phone(target: Path, phone: PhoneOptions, options: dict[str, Any]) -> None:
    from utils.synthetic.phone.capture import make_phone_capture
    from utils.synthetic.skeleton import load_template

    sides = SIDES[options["hands"]]
    options = {k: v for k, v in options.items() if k not in ("hands", "views", "held", "preview")}
    make_phone_capture(target, load_template(HAND_FILE), sides, phone, **options)


if __name__ == "__main__":
    start(main)
