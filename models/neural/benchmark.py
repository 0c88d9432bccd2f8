"""How fast the neural renderer draws, and what each input is worth: two questions, one command.

`python -m models.neural.benchmark --data_path D --scan_id S` draws a scan that went through
mesh_sfs_optim.py, 512 x 334 and everything included (rasterise, encode, network), untrained, since
that costs the same. With `--inputs --cameras F.npz --images DIR --masks DIR` it trains with each
set of inputs and prints the PSNR in those cameras, which training does not see.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the stages have it; read with torch
import torch

from models.evaluation.judge import evaluate_reconstruction
from models.neural.checkpoint import TrainedHands
from models.neural.fit import drawn_mesh
from models.neural.inputs import INPUTS, PRESETS, net_shape
from models.neural.known import KnownPixels
from models.neural.mesh import NeuralMesh
from models.neural.painter import Painter, WorldPainter
from models.neural.pixels import TrainingPixels
from models.neural.renderer import NeuralRenderer
from models.neural.scan import TrainingScan, open_scan
from models.neural.training import fresh, learn
from utils.cameras.orbit import orbit_cameras
from utils.captures.evaluation_views import load_views
from utils.errors import UserError
from utils.stage.config import load_config
from utils.stage.device import resolve_device
from utils.stage.job import Job, default_out_path
from utils.stage.seed import seed_everything

HEIGHT, WIDTH = 512, 334
VIEWS, LONGEST = 8, 10.0  # seconds that one network is timed for
SMALL = PRESETS["mlp", "small"].inputs
PAPER = PRESETS["mlp", "paper"].inputs


def input_sets() -> dict[str, tuple[str, ...]]:
    """Sets of inputs by what they show: the default's, less each, more each, and the paper's."""
    sets = {"default": SMALL}
    sets |= {f"  without {name}": tuple(n for n in SMALL if n != name) for name in SMALL}
    sets |= {f"  and {name}": (*SMALL, name) for name in INPUTS if name not in SMALL}
    sets |= {"paper's inputs": PAPER}
    return sets | {f"  without {name}": tuple(n for n in PAPER if n != name) for name in PAPER}


def frames_per_second(scan: TrainingScan, net_type: str, preset: str) -> float:
    """Pictures a second around the hands: the median's."""
    mesh = NeuralMesh.of(scan.start.verts, scan.reconstruction.faces, scan.start.appearance)
    model = NeuralRenderer(net_type, net_shape(net_type, preset), len(mesh.verts))
    painter = Painter(model.to(mesh.verts.device), mesh)
    cameras = orbit_cameras(mesh.verts.cpu(), scan.photos.cameras.to("cpu"), VIEWS, (HEIGHT, WIDTH))
    cameras = cameras.to(mesh.verts.device, torch.float32)
    painter.render(cameras[0])
    seconds, start = [], time.perf_counter()
    while time.perf_counter() < start + LONGEST:
        before = time.perf_counter()
        painter.render(cameras[len(seconds) % VIEWS])
        seconds.append(time.perf_counter() - before)
    return 1 / float(np.median(seconds))


def held_out_psnr(scan: TrainingScan, views, config, inputs: Sequence[str]) -> np.ndarray:
    """Gains (views,) in dB over mesh shading, colours aligned; everything is added in full."""
    shape = replace(PRESETS["mlp", "small"], inputs=tuple(inputs))
    mesh = drawn_mesh(scan.start, scan.photos)
    pixels, own = TrainingPixels.of(mesh, scan.photos), config.neural_render
    device = str(mesh.verts.device)
    trained = fresh("mlp", shape, len(mesh.verts), len(pixels.centers), device)
    learn(trained, KnownPixels.of(pixels, mesh, shape), own, ", ".join(inputs))
    painter = WorldPainter(TrainedHands(trained, mesh), scan.reconstruction)
    judged = evaluate_reconstruction(scan.reconstruction, views, renderers={"nr": painter.extended})
    scored = [view for view in judged.metrics["views"] if "nr" in view]
    return np.array([v["nr"]["psnr_aligned"] - v["mesh"]["psnr_aligned"] for v in scored])


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data_path", required=True, type=Path, metavar="D", help="folder of the scans")
    add("--scan_id", default="1", metavar="S", help="the scan D/S (default 1)")
    add("--out_path", type=Path, metavar="O", help="folder of the results (default as the stages')")
    add("--inputs", action="store_true", help="instead of speed: what each input is worth")
    add("--device", choices=["auto", "cpu", "cuda"], default="cpu", help="default: %(default)s")
    for name, what in (("cameras", "param.npz"), ("images", "photos"), ("masks", "masks")):
        add(f"--{name}", type=Path, help=f"--inputs: {what} that training does not see")
    args = parser.parse_args(argv)
    try:
        _measure(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _measure(args: argparse.Namespace) -> None:
    if args.inputs and None in (args.cameras, args.images):
        raise UserError("--inputs needs --cameras and --images; --masks are welcome")
    config = load_config()
    scan = open_scan(
        Job(
            data_path=args.data_path,
            scan_id=args.scan_id,
            out_path=args.out_path or default_out_path(args.data_path),
            config=config,
            device=resolve_device(args.device),
            seed=0,
            overwrite=False,
            args=args,
        )
    )
    if not args.inputs:
        for net_type, preset in PRESETS:
            speed = frames_per_second(scan, net_type, preset)
            print(f"{net_type} {preset:6s} {speed:6.1f} frames a second at {HEIGHT}x{WIDTH}")
        return
    size = tuple(scan.reconstruction.cameras.sizes[0].tolist())
    views = load_views(args.cameras, args.images, args.masks, size)
    print("dB above mesh shading in views held out: mean, worst")
    for name, inputs in input_sets().items():
        seed_everything(0)
        gains = held_out_psnr(scan, views, config, inputs)
        print(f"{name:24s} {gains.mean():+.2f} {gains.min():+.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
