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

Equal arguments give equal geometry, cameras and keypoints everywhere, and equal pictures on equal
machines and --variant.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from utils.cameras import Cameras
    from utils.synthetic.capture_files import Views
    from utils.synthetic.hands import Hand
    from utils.synthetic.path_tracer import PathTracer

HAND_FILE = Path(__file__).resolve().parent / "mano" / "open_hand_right.npz"
SIDES = {"left": ["left"], "right": ["right"], "both": ["left", "right"]}
SMALLEST_IMAGE = 16  # pixels


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
    add("--seed", type=_at_least(0), default=0, help="who, where and how (default %(default)s)")
    add("--hands", choices=SIDES, default="both", help="default: %(default)s")
    add("--views", type=_at_least(2), default=12, help="training views (default %(default)s)")
    add("--held", type=_at_least(1), default=2, help="held-out views (default %(default)s)")
    add("--res", type=_resolution, default=(400, 400), metavar="WxH", help="default: 400x400")
    add("--spp", type=_at_least(1), default=96, help="samples a pixel (default %(default)s)")
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
    add("--preview", type=Path, metavar="PNG", help="also write a contact sheet of all views")
    add("--overwrite", action="store_true", help="replace a capture that is there")
    add("--debug", action="store_true", help="show the traceback of an error")
    return parser


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


def make_capture(args: argparse.Namespace) -> Path:
    """Make the capture that `args` (of `make_parser`) ask for; returns its folder."""
    import numpy as np

    from utils.synthetic.capture_files import appearing_folder, refuse_existing, write_capture
    from utils.synthetic.detections import detect
    from utils.synthetic.hands import make_hands
    from utils.synthetic.path_tracer import PathTracer
    from utils.synthetic.photos import sample_gains
    from utils.synthetic.preview import save_preview
    from utils.synthetic.rig import make_cameras, make_lights
    from utils.synthetic.skeleton import load_template

    target, start = args.out / args.scan_id, time.perf_counter()
    refuse_existing(target, args.overwrite)
    rng = np.random.default_rng(args.seed)
    template = load_template(HAND_FILE)
    hands, melanin = make_hands(template, SIDES[args.hands], args.levels, rng)
    points = np.concatenate([hand.verts for hand in hands])
    count = args.views + args.held
    cameras, world_from_norm = make_cameras(points, count, args.res, rng)
    lights = make_lights((points.min(0) + points.max(0)) / 2, rng)
    held_ids = [int((k + 0.5) * count / args.held) for k in range(args.held)]
    training_ids = [view for view in range(count) if view not in held_ids]
    gains = np.ones((count, 3))
    gains[training_ids] = sample_gains(args.views, rng)
    keypoints = {hand.side: hand.keypoints for hand in hands}
    detections = detect(keypoints, cameras[training_ids], rng)

    tracer = PathTracer(hands, lights, args.bounces, args.variant)
    images, masks, exposure = photograph(
        tracer, hands, cameras, gains, training_ids, args.spp, args.seed
    )
    training, held = (_subset(cameras, images, masks, ids) for ids in (training_ids, held_ids))
    facts = {
        "conventions": __doc__,
        "arguments": {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()},
        "melanin": melanin,
        "hands": _facts_of(hands, template.hands_mean),
        "lights": [vars(light) for light in lights],
        "exposure": exposure,
        "gains_rgb": gains[training_ids],
        "keypoints": {k: v for k, v in vars(detections).items() if k != "views"},
        "mitsuba_variant": tracer.variant,
    }
    with appearing_folder(target, args.overwrite) as folder:
        write_capture(folder, training, held, world_from_norm, detections.views, hands, facts)
    if args.preview:
        save_preview(args.preview, training, held, detections.views)
    print(f"{target}: {count} views in {time.perf_counter() - start:.0f} s")
    return target


def photograph(
    tracer: PathTracer,
    hands: list[Hand],
    cameras: Cameras,
    gains: np.ndarray,
    exposed_for: list[int],
    samples: int,
    seed: int,
) -> tuple[list[np.ndarray], list[np.ndarray], float]:
    """Images uint8 (H, W, 3) and masks bool (H, W) of all cameras, and their common exposure."""
    import torch
    from tqdm import tqdm

    from utils.synthetic import photos
    from utils.synthetic.hands import capped
    from utils.synthetic.path_tracer import passes

    closed = [capped(hand.verts, hand.faces) for hand in hands]
    shots, masks = [], []
    with tqdm(
        total=len(cameras) * len(passes(samples, tuple(cameras.sizes[0].tolist()))),
        desc="rendering",
        unit="pass",
    ) as bar:
        for view in range(len(cameras)):
            K, R, t = (x[view].numpy() for x in (cameras.K, cameras.R, cameras.t))
            size = tuple(cameras.sizes[view].tolist())
            shot = tracer.render(K, (R, t), size, samples, seed * 101 + view, bar.update)
            shots.append((*shot, photos.backdrop(K, R, size)))
            mask = False
            for verts, faces in closed:
                px = cameras[view].project(torch.from_numpy(verts))[0].numpy()
                mask = mask | photos.covered_pixels(px, faces, size)
            masks.append(mask)
    exposure = photos.exposure_of(
        [shots[view][0] for view in exposed_for], [masks[view] for view in exposed_for]
    )
    images = [
        photos.develop(radiance, alpha, behind, exposure * gain)
        for (radiance, alpha, behind), gain in zip(shots, gains)
    ]
    return images, masks, exposure


def _subset(cameras: Cameras, images: list, masks: list, ids: list[int]) -> Views:
    from utils.synthetic.capture_files import Views

    return Views(cameras[ids], [images[i] for i in ids], [masks[i] for i in ids])


def _facts_of(hands: list[Hand], hands_mean: np.ndarray) -> dict:
    """What params.json says of each hand; `vertices` is its range in mesh.ply."""
    facts, first = {}, 0
    for hand in hands:
        vertices = [first, first + len(hand.verts)]
        model = hand.model_parameters(hands_mean)
        facts[hand.side] = {"vertices": vertices, **model, "flat_hand_mean": False, **hand.facts}
        first = vertices[1]
    return facts


def main(argv: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    args = make_parser().parse_args(argv)
    from utils.errors import UserError

    try:
        if Path(args.scan_id).name != args.scan_id:
            raise UserError(f"--scan_id {args.scan_id}: expected a folder name inside --out")
        make_capture(args)
    except UserError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
