"""How good a reconstruction is: in any cameras, against photos, masks and ground truth.

Reads O/demo_sfs/S. Writes into O/demo_sfs/S/eval/NAME: mesh_%02d.png (mesh shading),
mesh_mask_%02d.png, nr_%02d.png where neural_render.py trained
a renderer, compare_%02d.png and sheet.png (photo | rendering | difference | masks), with
ground truth error.ply and error.png (the error drawn on the mesh), and metrics.json.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.stage import Job, StageRecord, run_stage, stage_parser, start

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from models.ham.reconstruction import Reconstruction
    from models.neural.painter import WorldPainter
    from utils.captures.evaluation_views import EvaluationViews

NET_TYPES = ("mlp", "unet")
HELD = "held"  # name of the results in views that were kept for judging
OPTIONS = ("no_texture", "cameras", "images", "masks", "gt_mesh", "gt_partial", "gt_keypoints")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and evaluate; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if "--ablation" in argv:
        from models.evaluation.ablation_cli import ablation

        return ablation(argv)
    parser = stage_parser(
        "Judge a reconstruction: renders it into any cameras and compares it with photos, masks\n"
        "and ground truth.",
        "python evaluate.py --data_path demo_data --scan_id 1 \\\n"
        "    --cameras demo_data/1/held/param.npz --images demo_data/1/held/img \\\n"
        "    --masks demo_data/1/held/mask --gt_mesh demo_data/1/gt/mesh.ply \\\n"
        "    --gt_keypoints demo_data/1/gt/keypoints3d.xyz",
    )
    _add_options(parser)
    return run_stage(parser, evaluate, argv)


def _add_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--name", metavar="NAME", help="name of the results (default: fitted, or the cameras')")
    add(
        "--cameras",
        type=Path,
        metavar="F.npz",
        help="param.npz with world_mat_0, ... (default: the capture's own, as corrected)",
    )
    add("--images", type=Path, metavar="DIR", help="photos %%02d.png, one a camera")
    add("--masks", type=Path, metavar="DIR", help="masks %%02d.png, one a camera")
    add(
        "--gt_mesh",
        type=Path,
        metavar="F.ply",
        help="the true surface, world units: a mesh or a cloud of points (final_S.obj is judged "
        "beside S.obj)",
    )
    add(
        "--gt_partial",
        action="store_true",
        help="--gt_mesh is a scan with holes and more than the hands: it is compared within the "
        "hands' region, which --gt_keypoints tell (without them, the fitted hands)",
    )
    add("--gt_keypoints", type=Path, metavar="F.xyz", help="42 true keypoints, left hand first")
    add("--no-texture", action="store_true", help="draw the mesh with its vertices' colours")
    add(
        "--ablation",
        action="store_true",
        help="instead, tabulate what each part of the pipeline brings: --ablation --help",
    )


def evaluate(job: Job) -> None:
    """Evaluate one scan and write the results."""
    from models.evaluation.results import result_name
    from models.ham.reconstruction import load_reconstruction
    from models.report.update import update_report

    args, folder = job.args, job.results_dir
    reconstruction = load_reconstruction(folder, job.scan_id)
    name = result_name(args.name, args.cameras)
    evaluate_in(job, reconstruction, name, open_views(job, reconstruction))
    held = open_held_views(job)
    if held is not None:
        print(f"\nviews that had no part in the fit ({', '.join(held.names)}):")
        evaluate_in(job, reconstruction, HELD if args.name is None else f"{name}_{HELD}", held)
    update_report(job)


def evaluate_in(
    job: Job, reconstruction: Reconstruction, name: str, views: EvaluationViews
) -> None:
    """Evaluate in some views and write the results under `name`."""
    from models.evaluation.judge import evaluate_reconstruction
    from models.evaluation.results import save_evaluation
    from models.evaluation.truth import open_truth
    from models.textures.files import own_texture, texture_paths
    from utils.captures.open import capture_truth

    args, folder = job.args, job.results_dir
    own = capture_truth(job) if args.gt_mesh is None else None
    truth = open_truth(args.gt_mesh, args.gt_keypoints, args.gt_partial, own)
    options = {key: str(getattr(args, key)) for key in OPTIONS}
    texture_files = [] if args.no_texture else [*texture_paths(folder, job.scan_id).values()]
    record = StageRecord(job, f"evaluate_{name}", options)
    inputs = [folder / f"{job.scan_id}.pt", *views.files()]
    inputs += [path for path in (args.cameras, args.gt_mesh, args.gt_keypoints) if path]
    inputs += [*(own.files if own else []), *texture_files]
    inputs += (folder / "checkpoints").glob(f"*_{job.scan_id}.pth")
    if record.is_current(inputs):
        print((folder / "eval" / name / "table.txt").read_text(encoding="utf-8"), end="")
        return
    painters = trained_painters(folder, job.scan_id, reconstruction, job.device)
    renderers = {name: painter.extended for name, painter in painters.items()}
    meshes = {name: painter.verts for name, painter in painters.items()}
    texture = None if args.no_texture else own_texture(folder, job.scan_id, reconstruction)
    evaluation = evaluate_reconstruction(
        reconstruction, views, truth, renderers, seed=job.seed, meshes=meshes, texture=texture
    )
    outputs = save_evaluation(folder / "eval" / name, reconstruction, views, evaluation)
    record.finish(outputs)
    print(f"look at {folder / 'eval' / name}")


def open_views(job: Job, reconstruction: Reconstruction) -> EvaluationViews:
    """The views that the command line names."""
    from utils.captures import open_capture
    from utils.captures.evaluation_views import load_views, own_views

    args, config = job.args, job.config
    if args.cameras is None:
        capture = open_capture(job)
        verdicts = job.out_path / config.input_mesh_dire / f"{job.scan_id}_masks.json"
        return own_views(capture, reconstruction.cameras, args.images, args.masks, verdicts)
    height, width = reconstruction.cameras.sizes[0].tolist()
    return load_views(args.cameras, args.images, args.masks, (height, width))


def open_held_views(job: Job) -> EvaluationViews | None:
    """The views that the capture keeps for judging, where no cameras are named; None: no such."""
    from utils.captures import open_capture
    from utils.captures.evaluation_views import held_views

    return held_views(open_capture(job)) if job.args.cameras is None else None


def trained_painters(
    folder: Path, scan_id: str, reconstruction: Reconstruction, device: str
) -> dict[str, WorldPainter]:
    """What neural_render.py trained on this very mesh.

    Named nr, or nr_mlp and nr_unet where both were trained. One that was trained on another mesh
    is left out, and that is said.
    """
    from models.neural.checkpoint import checkpoint_path, load_checkpoint
    from models.neural.painter import WorldPainter

    found = {}
    for net_type in NET_TYPES:
        path = checkpoint_path(folder, net_type, scan_id)
        if not path.is_file():
            continue
        try:
            hands = load_checkpoint(path, net_type, reconstruction, device)
        except UserError as error:
            print(f"neural renderer left out: {error}")
            continue
        found[f"nr_{net_type}"] = WorldPainter(hands, reconstruction)
    return {"nr": next(iter(found.values()))} if len(found) == 1 else found


if __name__ == "__main__":
    start(main)
