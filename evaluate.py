"""How good a reconstruction is: in any cameras, against photos, masks and ground truth.

Reads O/demo_sfs/S. Writes into O/demo_sfs/S/eval/NAME: mesh_%02d.png (mesh shading),
mesh_mask_%02d.png, compare_%02d.png and sheet.png (photo | rendering | difference | masks), with
ground truth error.ply and error.png (the error drawn on the mesh), and metrics.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli import (
    INTERRUPTED,
    USER_ERROR,
    Job,
    StageRecord,
    default_out_path,
    run_stage,
    stage_parser,
)
from utils.config import DEFAULT_CONFIG
from utils.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from models.evaluation import Evaluation, Truth
    from models.reconstruction import Reconstruction
    from utils.cameras import Cameras
    from utils.captures.evaluation_views import EvaluationViews

PARTS = Path(__file__).parent / "conf" / "ablation.conf"
CONFIG_KEYS = ["out_mesh_dire"]
OPTIONS = ("cameras", "images", "masks", "gt_mesh", "gt_keypoints")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and evaluate; returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if "--ablation" in argv:
        return ablation(argv)
    parser = stage_parser(
        "Judge a reconstruction: renders it into any cameras and compares it with photos, masks\n"
        "and ground truth.",
        "python evaluate.py --data_path demo_data --scan_id 1 \\\n"
        "    --cameras demo_data/1/held/param.npz --images demo_data/1/held/img \\\n"
        "    --masks demo_data/1/held/mask --gt_mesh demo_data/1/gt/mesh.ply \\\n"
        "    --gt_keypoints demo_data/1/gt/keypoints3d.xyz",
    )
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
    add("--gt_mesh", type=Path, metavar="F.ply", help="the true surface, world units")
    add("--gt_keypoints", type=Path, metavar="F.xyz", help="42 true keypoints, left hand first")
    add(
        "--ablation",
        action="store_true",
        help="instead, tabulate what each part of the pipeline brings: --ablation --help",
    )
    return run_stage(parser, evaluate, argv)


def ablation_parser() -> argparse.ArgumentParser:
    """The command line of `--ablation`."""
    parser = argparse.ArgumentParser(
        prog="evaluate.py --ablation",
        description="Run all stages with one part of the pipeline changed at a time, judge each\n"
        "on held-out views (D/S/held) and ground truth (D/S/gt), and tabulate.\n"
        "Writes O/ablation.md and O/ablation.json; what is there is not run again.",
        epilog="example:\n  python evaluate.py --ablation --data_path demo_data captures --range 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--ablation", action="store_true", help=argparse.SUPPRESS)
    data = {"nargs": "+", "type": Path, "default": [Path("demo_data")], "metavar": "D"}
    add("--data_path", **data, help="one folder of scans or more (default demo_data)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--scan_id", default="1", metavar="S", help="the scan D/S (default 1)")
    which.add_argument("--range", type=int, metavar="N", help="scans 1..N of each folder")
    add("--out_path", type=Path, metavar="O", help="default: ablation in the results' folder")
    add("--parts", type=Path, default=PARTS, metavar="F.conf", help="default conf/ablation.conf")
    add("--only", nargs="+", default=[], metavar="NAME", help="of the parts, these and the first")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="in every part")
    add("--conf", type=Path, default=DEFAULT_CONFIG, help="HOCON config (default %(default)s)")
    add("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    add("--seed", type=int, default=0, help="random seed (default %(default)s)")
    return parser


def ablation(argv: Sequence[str]) -> int:
    """Parse the command line of `--ablation` and run it; returns the exit status."""
    from utils.ablation import Scan, load_parts, run_ablation

    args = ablation_parser().parse_args(argv)
    ids = [args.scan_id] if args.range is None else [str(k + 1) for k in range(args.range)]
    scans = [Scan(path, scan_id) for path in args.data_path for scan_id in ids]
    folder = args.out_path or default_out_path(args.data_path[0]) / "ablation"
    options = ["--conf", args.conf.resolve(), "--device", args.device, "--seed", args.seed]
    try:
        parts = load_parts(args.parts, args.set, args.only)
        report = run_ablation(scans, parts, folder, [str(word) for word in options])
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command to go on", file=sys.stderr)
        return INTERRUPTED
    print((folder / "ablation.md").read_text(encoding="utf-8"), end="")
    return USER_ERROR if report["failed"] else 0


def evaluate(job: Job) -> None:
    """Evaluate one scan and write the results."""
    from models.evaluation_results import save_evaluation
    from models.reconstruction import load_reconstruction

    args, folder = job.args, job.out_path / job.config.out_mesh_dire / job.scan_id
    reconstruction = load_reconstruction(folder, job.scan_id)
    views, truth = open_views(job, reconstruction), open_truth(args.gt_mesh, args.gt_keypoints)
    name = result_name(args.name, args.cameras)
    options = {key: str(getattr(args, key)) for key in OPTIONS}
    record = StageRecord(job, f"evaluate_{name}", CONFIG_KEYS, options)
    inputs = [folder / f"{job.scan_id}.pt", *views.files()]
    inputs += [path for path in (args.cameras, args.gt_mesh, args.gt_keypoints) if path]
    if record.is_current(inputs):
        print((folder / "eval" / name / "table.txt").read_text(encoding="utf-8"), end="")
        return
    evaluation = evaluate_reconstruction(reconstruction, views, truth, seed=job.seed)
    outputs = save_evaluation(folder / "eval" / name, reconstruction, views, evaluation)
    record.finish(outputs)
    print(f"look at {folder / 'eval' / name}")


def result_name(name: str | None, cameras: Path | None) -> str:
    """The folder of the results: `name`, else after the cameras' file or its folder."""
    if name is not None:
        if Path(name).name != name or name in ("", ".", ".."):
            raise UserError(f"--name {name}: expected a plain folder name")
        return name
    if cameras is None:
        return "fitted"
    return cameras.resolve().parent.name if cameras.stem == "param" else cameras.stem


def open_views(job: Job, reconstruction: Reconstruction) -> EvaluationViews:
    """The views that the command line names."""
    from utils.captures import load_capture
    from utils.captures.evaluation_views import load_views, own_views

    args, config = job.args, job.config
    if args.cameras is None:
        capture = load_capture(job.data_path, job.scan_id, config.num, config.w, config.h)
        verdicts = job.out_path / config.input_mesh_dire / f"{job.scan_id}_masks.json"
        return own_views(capture, reconstruction.cameras, args.images, args.masks, verdicts)
    height, width = reconstruction.cameras.sizes[0].tolist()
    return load_views(args.cameras, args.images, args.masks, (height, width))


def open_truth(mesh: Path | None, keypoints: Path | None) -> Truth | None:
    """The ground truth that the command line names, if any."""
    if mesh is None and keypoints is None:
        return None
    from models.evaluation import Truth
    from utils.files import load_mesh
    from utils.keypoints import load_keypoints
    from utils.metrics.keypoints import present

    points = None
    if keypoints is not None:
        points = present(load_keypoints(keypoints, "give the true keypoints, 42 rows x y z"))
    return Truth(load_mesh(mesh) if mesh is not None else None, points)


def evaluate_reconstruction(
    reconstruction: Reconstruction,
    views: EvaluationViews,
    truth: Truth | None = None,
    renderers: Mapping[str, Callable[[Cameras], Sequence[np.ndarray]]] | None = None,
    samples: int = 50_000,
    seed: int = 0,
) -> Evaluation:
    """All scores of a reconstruction in `views` and against `truth`.

    renderers: more ways to draw it than mesh shading, name -> function of a camera (world units)
    to its images (H, W, 3) RGB in [0, 1]; they are scored where the mesh is seen. `samples` are
    drawn from each surface. Raises UserError where no view shows the hands, and where the truth
    is of another size or place.
    """
    from tqdm import tqdm

    from models.evaluation import (
        appearance_in_views,
        check_visible,
        score_truth,
        score_view,
        shape_in_view,
        summarise,
    )
    from models.forearm_direction import find_forearms
    from models.own_light import image_in_own_light
    from models.rerender import Rendering
    from utils.metrics.image import load_lpips, psnr

    lpips = load_lpips()
    appearances, light = appearance_in_views(reconstruction, views)
    surface = score_truth(reconstruction, truth, samples, seed) if truth else None
    masks = [views.mask(view) for view in range(len(views))]
    forearms = find_forearms(reconstruction, views.cameras, masks)
    results = []
    for view in tqdm(range(len(views)), desc="views", leave=False):
        camera = views.cameras[view]
        shape = shape_in_view(reconstruction, camera, forearms)
        renderings = {"mesh": reconstruction.render(camera, appearances[view])[0]}
        for name, draw in (renderers or {}).items():
            renderings[name] = Rendering(draw(camera)[0], shape.covered)
        photo, mask = views.image(view), masks[view]
        result = score_view(view, renderings, shape, photo, mask, lpips)
        if "mesh" in result.images:
            ideal = image_in_own_light(reconstruction, camera, photo, result.region)
            result.images["mesh"]["psnr_own_light"] = psnr(ideal, photo, result.region)
        results.append(result)
    check_visible(results, views, reconstruction)
    return summarise(reconstruction, views, results, surface, light, lpips)


if __name__ == "__main__":
    sys.exit(main())
