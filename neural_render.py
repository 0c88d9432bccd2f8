"""Stage 4: photos + refined mesh -> a neural renderer of the hands, and the mesh once more.

Reads D/S/img, mask, cameras, O/mano_out and O/demo_sfs/S. Training writes into O/demo_sfs/S:
checkpoints/{mlp,unet}_S.pth, final_S.obj, rerender/nr_%02d.png, neural/%02d.png (photo | rendering
| difference) and neural_metrics.json. Other modes draw what was trained: see --mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.errors import UserError
from utils.stage import Job, StageRecord, run_stage, stage_parser, start
from utils.stage.arguments import whole
from utils.viewer.options import add_viewer_options

if TYPE_CHECKING:
    from models.ham.reconstruction import Reconstruction
    from models.neural.painter import WorldPainter

NEEDED = {"render": ("cameras", "render_path"), "eval": ("cameras",)}


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; returns the exit status."""
    parser = stage_parser(
        "Train a neural renderer of the refined hands on their photos, or draw with it.",
        "python neural_render.py --data_path demo_data --scan_id 1   # after mesh_sfs_optim.py\n"
        "python neural_render.py --data_path demo_data --scan_id 1 --mode eval \\\n"
        "  --cameras demo_data/1/held/param.npz --images demo_data/1/held/img \\\n"
        "  --masks demo_data/1/held/mask\n"
        "python neural_render.py --data_path demo_data --scan_id 1 --mode turntable",
        optimises=True,
    )
    add_viewer_options(parser)
    add = parser.add_argument
    add("--net_type", choices=["mlp", "unet"], default="mlp", help="default: %(default)s")
    add(
        "--mode",
        choices=["train", "render", "turntable", "eval"],
        default="train",
        help="train; render: any --cameras into --render_path, RGB on black and masks; turntable: "
        "a film around the hands; eval: scores in --cameras beside the mesh's own shading "
        "(default: %(default)s)",
    )
    add("--cameras", type=Path, metavar="F.npz", help="param.npz with world_mat_0, ...")
    add("--render_path", type=Path, metavar="DIR", help="render: where %%02d.png go")
    add("--images", type=Path, metavar="DIR", help="eval: photos %%02d.png, one a camera")
    add("--masks", type=Path, metavar="DIR", help="eval: masks %%02d.png, one a camera")
    add("--gt_mesh", type=Path, metavar="F.ply", help="eval: the true surface, world units")
    add("--no-texture", action="store_true", help="eval: the mesh with its vertices' colours")
    add("--name", metavar="NAME", help="eval: name of the results (default: the cameras')")
    add("--video", type=Path, metavar="F.mp4", help="turntable: the film, .mp4 or .gif")
    add(
        "--pictures",
        type=whole(1, 100_000),
        default=72,
        help="turntable: pictures in a turn (default 72)",
    )
    return run_stage(parser, neural_render, argv)


def neural_render(job: Job) -> None:
    """Run one mode on one scan."""
    args = job.args
    for name in NEEDED.get(args.mode, ()):
        if getattr(args, name) is None:
            raise UserError(f"--mode {args.mode} needs --{name}")
    modes = {"train": train, "render": render, "turntable": turntable, "eval": evaluate}
    modes[args.mode](job)


def train(job: Job) -> None:
    """Both stages on one scan, and everything they write."""
    from models.neural.checkpoint import checkpoint_path, save_checkpoint
    from models.neural.fit import fit_renderer
    from models.neural.inputs import net_shape
    from models.neural.pretraining import load_pretrained
    from models.neural.results import save_refined_mesh, save_training_pictures, summary
    from models.neural.scan import open_scan
    from models.neural.verdict import judge_renderer
    from models.report.update import update_report
    from utils.geometry.mesh import mesh_name
    from utils.io.files import save_json
    from utils.stage.progress import Progress

    config, net_type, folder = job.config, job.args.net_type, job.results_dir
    scan = open_scan(job)
    record = StageRecord(job, f"neural_render_{net_type}", lock="neural_render")
    if record.is_current(scan.inputs):
        return
    record.recall("pose_optim", "mano_optim", "mesh_sfs_optim")
    reconstruction, own = scan.reconstruction, config.neural_render
    shape = net_shape(net_type, own.preset, own.inputs)
    pretrained = load_pretrained(own.pretrained, net_type, shape)
    mesh = mesh_name(reconstruction.verts, reconstruction.faces)
    made_with = {**record.made_with, "mesh": mesh, "inputs": record.contents()}
    path = folder / f".neural_{net_type}.pt"
    progress = Progress(path, made_with, config, afresh=job.overwrite)
    fit = fit_renderer(scan.start, scan.photos, config, net_type, progress, pretrained)
    print(summary(fit.report))
    outputs = [checkpoint_path(folder, net_type, job.scan_id), folder / f"final_{job.scan_id}.obj"]
    save_checkpoint(outputs[0], fit.hands, reconstruction, fit.report)
    save_refined_mesh(outputs[1], fit.hands, reconstruction)
    outputs += save_training_pictures(folder, fit.hands, reconstruction, scan.crops)
    outputs.append(folder / "neural_metrics.json")
    save_json(outputs[-1], {"net_type": net_type, **fit.report})
    verdict = judge_renderer(fit.report)
    record.finish(outputs, verdict=verdict.as_dict())
    progress.forget()
    print(f"look at {folder / 'neural'}")
    update_report(job)
    print(verdict.line())


def render(job: Job) -> None:
    """Draw any cameras."""
    from models.neural.results import save_pictures
    from utils.captures.evaluation_views import load_views
    from utils.progress_bar import progress

    reconstruction, painter = open_painter(job)
    cameras = load_views(
        job.args.cameras, capture_size=tuple(reconstruction.cameras.sizes[0].tolist())
    ).cameras
    numbers = progress(range(len(cameras)), "views")
    pictures = [painter.render(cameras[number]) for number in numbers]
    if not any(picture.covered.any() for picture in pictures):
        raise UserError(
            f"{job.args.cameras}: no camera sees the hands; expected OpenCV's K [R | t]"
        )
    save_pictures(job.args.render_path, pictures)
    print(f"{len(pictures)} views in {job.args.render_path}")


def turntable(job: Job) -> None:
    """A film around the hands."""
    import torch

    from utils.cameras.orbit import orbit_cameras
    from utils.io.images import check_video_path, save_video
    from utils.progress_bar import progress

    path = job.args.video or job.results_dir / f"turntable_{job.scan_id}.mp4"
    check_video_path(path)
    reconstruction, painter = open_painter(job)
    size = (512, 512)
    verts = torch.from_numpy(reconstruction.verts)
    cameras = orbit_cameras(verts, reconstruction.cameras, job.args.pictures, size)
    frames = progress(range(len(cameras)), "frames")
    save_video(path, (painter.render(cameras[k]).image for k in frames))
    print(f"look at {path}")


def evaluate(job: Job) -> None:
    """Scores in given cameras, beside the mesh's own shading, as evaluate.py has them."""
    from models.evaluation.judge import evaluate_reconstruction
    from models.evaluation.results import result_name, save_evaluation
    from models.evaluation.truth import open_truth
    from models.report.update import update_report
    from models.textures.files import own_texture
    from utils.captures.evaluation_views import load_views

    args, (reconstruction, painter) = job.args, open_painter(job)
    size = tuple(reconstruction.cameras.sizes[0].tolist())
    views = load_views(args.cameras, args.images, args.masks, size)
    own, scan_id = job.results_dir, job.scan_id
    folder = own / "eval" / result_name(args.name, args.cameras)
    texture = None if args.no_texture else own_texture(own, scan_id, reconstruction)
    evaluation = evaluate_reconstruction(
        reconstruction,
        views,
        truth=open_truth(args.gt_mesh, None),
        renderers={"nr": painter.extended},
        meshes={"nr": painter.verts},
        texture=texture,
    )
    save_evaluation(folder, reconstruction, views, evaluation)
    for view in evaluation.metrics["views"]:
        if "nr" in view:
            mesh, neural = (view[name]["psnr_aligned"] for name in ("mesh", "nr"))
            print(
                f"view {view['view']}: mesh shading {mesh:.2f} dB, neural renderer {neural:.2f} dB "
                f"({neural - mesh:+.2f}; colours aligned)"
            )
    print(f"look at {folder}")
    update_report(job)


def open_painter(job: Job) -> tuple[Reconstruction, WorldPainter]:
    """The reconstruction and what was trained on it."""
    from models.ham.reconstruction import load_reconstruction
    from models.neural.checkpoint import checkpoint_path, load_checkpoint
    from models.neural.painter import WorldPainter

    folder, net_type = job.results_dir, job.args.net_type
    reconstruction = load_reconstruction(folder, job.scan_id)
    path = checkpoint_path(folder, net_type, job.scan_id)
    return reconstruction, WorldPainter(
        load_checkpoint(path, net_type, reconstruction, job.device), reconstruction
    )


if __name__ == "__main__":
    start(main)
