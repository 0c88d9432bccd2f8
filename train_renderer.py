"""Pre-trains the neural renderer's network on several scans, to start new ones from.

Reads what neural_render.py reads, of every scan named; writes one file of weights, which
`--set neural_render.pretrained=F.pth` starts neural_render.py from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from utils.stage import Job, run_stage, stage_parser, start
from utils.stage.arguments import whole


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = stage_parser(
        "Train one network on several scans, so that new scans need less training.\n"
        "The scans must have been through mesh_sfs_optim.py; captures of make_demo.py serve well.",
        "python train_renderer.py --data_path demo_data --scans 1 --save start.pth\n"
        "python train_renderer.py --data_path synthetic_data --scans '*' --save start.pth",
        together=True,
        optimises=True,
    )
    add = parser.add_argument
    add("--save", type=Path, required=True, metavar="F.pth", help="where the weights go")
    add("--net_type", choices=["mlp", "unet"], default="mlp", help="default: %(default)s")
    add(
        "--rounds",
        type=whole(1, 100_000),
        default=20,
        help="times that every scan is seen (default 20)",
    )
    add("--steps", type=whole(1, 100_000), default=30, help="of training each time (default 30)")
    return run_stage(parser, train_renderer, argv)


def train_renderer(job: Job) -> None:
    """Open all scans, train on them in turn, write the weights."""
    from models.neural.inputs import net_shape
    from models.neural.mesh import NeuralMesh
    from models.neural.pixels import TrainingPixels
    from models.neural.pretraining import Example, pretrain, save_pretrained
    from models.neural.scan import open_scan

    args, config = job.args, job.config
    own, examples = config.neural_render, []
    for scan_id in job.scan_ids:
        scan = open_scan(replace(job, scan_id=scan_id))
        start = scan.start
        mesh = NeuralMesh.of(start.verts, scan.reconstruction.faces, start.appearance)
        pixels = TrainingPixels.of(mesh, scan.photos)
        examples.append(Example(mesh, pixels))
    shape = net_shape(args.net_type, own.preset, own.inputs)
    weights = pretrain(examples, args.net_type, shape, own, args.rounds, args.steps)
    save_pretrained(args.save, args.net_type, shape, weights)
    print(f"{len(examples)} scans in {args.save}; use --set neural_render.pretrained={args.save}")


if __name__ == "__main__":
    start(main)
